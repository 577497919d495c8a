"""Other people's text inside a Markdown document."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctl.quoting import fenced, plain, quoted

SIGNS = "`|``|```|~~~|- |1. |> |#|\\|]|[|(|)|!|*|a|b|](|]:|\n|\n\n| |    |\t|\x1b|```py\n"
THEIRS = "<script>|</details>|<!--|![i](http://x)|[l](javascript:x)|[l]:javascript:x\n"
PIECES = ["|", *f"{SIGNS}|{THEIRS}".split("|")]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
FENCE = re.compile(r"(`{3,})[^`]*")
CODE = re.compile(r"(?<!`)(`+)(?!`)[^|]*?(?<!`)\1(?!`)")


def prose_of(document: str) -> str:
    """Take the quote's marks, the blocks of code and the code spans out of a quoted text."""
    prose = []
    fence = ""
    for line in document.split("\n"):
        assert line == ">" or line.startswith("> ")
        body = line[2:]
        if fence:
            fence = "" if body == fence else fence
        elif found := FENCE.fullmatch(body):
            fence = found[1]
        else:
            prose.append(CODE.sub("", body))
    assert fence == ""
    return "\n".join(prose)


@given(TEXTS, st.booleans())
def test_a_quoted_text_is_nothing_but_text(text: str, keeps_lines: bool) -> None:
    """Every line is in the quote; outside code there is no HTML, no image, no link but to the web, nothing unclosed."""
    prose = prose_of(quoted(text, keeps_lines=keeps_lines))
    assert not [sign for sign in ("<", "`", "![", "]:", "](j", "\x1b") if sign in prose]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a <b>x</b>", "> a &lt;b>x&lt;/b>"),
        ("one\n\ntwo\n", "> one\n>\n> two"),
        ("use `Vec<T>` or ``a`<b>``", "> use `Vec<T>` or ``a`<b>``"),
        ("`<b>\n`<script>`", "> &#96;&lt;b>\n> `<script>`"),
        ("| `a | <b>` |", "> | &#96;a | &lt;b>&#96; |"),
        ("\\<b> \\` <i>`", "> &lt;b> &#96; &lt;i>&#96;"),
        ("see (`<b>`), http://x/`<i>`", "> see (`<b>`), http://x/&#96;&lt;i>&#96;"),
        ("![x](http://y)", "> !\\[x](http://y)"),
        ("[x](https://y) [m](mailto:y) [j](javascript:y)", "> [x](https://y) [m](mailto:y) [j]\\(javascript:y)"),
        ("[x]: data:y", "> [x]\\: data:y"),
        ("```py\nif a < b: `\n```\nafter", "> ```py\n> if a < b: `\n> ```\n>\n> after"),
        ("````\n```\n````", "> ````\n> ```\n> ````\n>"),
        ("~~~\n```\n<b>\n~~~", "> ````\n> ```\n> <b>\n> ````\n>"),
        ("1. see:\n   ```sh\n   ls\n     x\n   ```", "> 1. see:\n> ```sh\n> ls\n>   x\n> ```\n>"),
        ("- ```\n  a\n  ```\n<b>", "> -\n> ```\n>   a\n> ```\n>\n> &lt;b>"),
        ("```\n<b> for ever", "> ```\n> <b> for ever\n> ```\n>"),
        ('```a"b<c\nx\n```', "> ```a\n> x\n> ```\n>"),
    ],
)
def test_markdown_of_theirs_stays_what_it_is(text: str, document: str) -> None:
    """As far as it is harmless."""
    assert document == quoted(text)


def test_lines_can_be_kept() -> None:
    """What a person typed in lines is shown in lines."""
    assert quoted("a\nb\n\nc", keeps_lines=True) == "> a  \n> b  \n>\n> c  "


@given(TEXTS)
def test_nothing_in_a_block_of_code_ends_it(text: str) -> None:
    """Its fence is longer than any in it."""
    first, *body, last = fenced(text, "py").split("\n")
    assert first == last + "py"
    assert not [line for line in body if last in line]


@given(st.text())
def test_a_plain_line_has_no_markdown(text: str) -> None:
    """Every sign that could mean something is escaped, and it stays one line."""
    written = plain(text)
    assert "\n" not in written
    assert not re.search(r"[`*_{}\[\]<>()#+!|~&$]", re.sub(r"\\.", "", written))
