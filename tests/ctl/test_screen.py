import io
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ctl.screen import Screen, cut, display_width, fields, pad, table


@contextmanager
def a_terminal(columns: int) -> Iterator[Screen]:
    """Make a real terminal of that width."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield Screen(stream)
    os.close(ours)


def a_pipe() -> Screen:
    """Make a stream that is no terminal."""
    return Screen(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


HEADER = ("ID", "PRIORITY", "TEXT")


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("ü", 1)])
def test_width_counts_columns(text: str, columns: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert columns == display_width(text)


@pytest.mark.parametrize(("text", "short"), [("abcdef", "abc…"), ("abcd", "abcd"), ("日本語", "日…"), ("日本", "日本")])
def test_a_text_is_cut_to_four_columns(text: str, short: str) -> None:
    """The mark of the cut has room too, and no wide character is halved."""
    assert short == cut(text, 4)


def test_padding_counts_columns() -> None:
    """Columns line up also behind wide characters."""
    assert [pad(text, 4) for text in ("ab", "日")] == ["ab  ", "日  "]


def test_columns_line_up() -> None:
    """Each column is as wide as its widest cell."""
    assert (
        table(a_pipe(), HEADER, [("日本", "high", "x"), ("1", "", "y")])
        == "ID    PRIORITY  TEXT\n日本  high      x\n1               y\n"
    )


def test_a_column_that_is_empty_is_left_out() -> None:
    """What nobody has is not shown."""
    assert table(a_pipe(), HEADER, [("1", "", "y")]) == "ID  TEXT\n1   y\n"


def test_in_a_pipe_nothing_is_cut() -> None:
    """A program reads all of it."""
    assert "y" * 500 in table(a_pipe(), HEADER, [("1", "", "y" * 500)])


def test_on_a_terminal_the_last_column_ends_at_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is one line."""
    monkeypatch.setenv("NO_COLOR", "1")
    with a_terminal(40) as screen:
        assert f"ID  TEXT\n1   {'y' * 35}…\n" == table(screen, HEADER, [("1", "", "y" * 500)])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (50, f"ID{' ' * 36}PRIORITY\n    TEXT\n{'i' * 36}  high\n    {'y' * 45}…\n"),
        (40, f"ID\n    PRIORITY  TEXT\n{'i' * 36}\n    high      {'y' * 25}…\n"),
    ],
)
def test_on_a_narrow_terminal_a_row_folds(monkeypatch: pytest.MonkeyPatch, columns: int, expected: str) -> None:
    """What hardly anything would be seen of gets a line of its own, with as much as does not fit above."""
    monkeypatch.setenv("NO_COLOR", "1")
    with a_terminal(columns) as screen:
        assert expected == table(screen, HEADER, [("i" * 36, "high", "y" * 500)])


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """As no-color.org and terminals without escapes ask."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    with a_terminal(80) as screen:
        assert screen.style("x", "red") == "x"


def test_a_terminal_has_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody refuses it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with a_terminal(80) as screen:
        assert screen.style("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"


def test_a_pipe_has_no_colour() -> None:
    """Escapes are for eyes."""
    assert a_pipe().style("x", "red") == "x"


def test_fields_without_a_value_are_left_out() -> None:
    """Names line up, and only what is known is shown."""
    assert fields(a_pipe(), [("id", "1"), ("key", ""), ("author", "ada")]) == "id      1\nauthor  ada\n"


def test_json_is_utf_8_whatever_the_locale() -> None:
    """A Latin-1 terminal does not make a file of JSON unreadable."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    Screen(stream).json('"é日"')
    stream.seek(0)
    assert '"é日"\n'.encode() == stream.buffer.read()


def test_a_character_that_cannot_be_shown_is_no_error() -> None:
    """A Latin-1 terminal gets a number for it."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    Screen(stream).line("é日")
    stream.seek(0)
    assert stream.buffer.read() == b"\xe9\\u65e5\n"
