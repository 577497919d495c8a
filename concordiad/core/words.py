"""
The words and signs of a prompt, one after the other.

Laws: nothing is left out but white space; only an ordinary word at the beginning of a sentence loses its capital
letter, for elsewhere a capital may be a name; what is no ordinary word (a number, an identifier, a path, a flag) is
taken to the letter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from concordiad.core.courtesy import CHANGING
from concordiad.core.layout import Kind, Part
from concordiad.core.openers import ARTICLES, OPENING
from concordiad.core.pieces import Pieces
from concordiad.core.spelled import (
    BEFORE_I,
    BEHIND_IS,
    BEHIND_NOTIONS,
    DETERMINERS,
    EXCLAIMED,
    FUNCTION_WORDS,
    HYPHENED,
    INTERJECTIONS,
    IS,
    NOTIONS,
    NOUNS,
    OPENERS,
    POLITE_FORMS,
    PREDICATES,
    PRONOUNS,
    SPELLED_OUT,
)
from concordiad.core.spelling import is_variant, respelled

AT_A_STRETCH: Final = 32
"""Words: on a machine five times slower than those that everything was measured on, a fifth of a millisecond."""
LETTER: Final = "="
"""Stands before what is taken to the letter, so that it never equals a word."""
GLUE: Final = "+"
"""Between two pieces that touch each other without a space."""
STOP: Final = "."
ASK: Final = "?"
PAUSE: Final = ","
SEMICOLON: Final = ";"
LINE: Final = "\n"
"""The end of a line that is no sentence, as of a command."""
ASK_ON: Final = "?.."
"""A question mark, and no new sentence behind it: it may be a sign of a program."""
ENDS: Final = frozenset({STOP, ASK, LINE, ASK_ON})
SIGNS: Final = ENDS | {PAUSE, SEMICOLON, ":"}
WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
MARKS: Final = ".,;:!?。，；：！？、؟،؛"
WIDE_MARK: Final = re.compile(r"([。，；：！？、]|(?<=[㐀-鿿぀-ヿ])[,;:!?](?=[㐀-鿿぀-ヿ]))")
"""Behind these no space is written."""
HAN_BESIDE_ASCII: Final = re.compile(r"(?<=[㐀-鿿぀-ヿ])(?=[A-Za-z]+(?:[^\x21-\x7e]|$))|(?<=[A-Za-z])(?=[㐀-鿿぀-ヿ])")
"""Where Chinese and Japanese meet a Latin word; whether there is a space is a matter of taste."""
BEGINNINGS: Final = re.compile(r"^(?:[请請](?:[帮幫]我)?|(?P<is_word>麻[烦煩]你?|[帮幫]我))")
ORDERED: Final = re.compile(
    r"不要|别|別|把|[将將](?![来來军軍])|运行|運行|执行|執行|跑|检查|檢查|查看|查找|查询|看(?![法板])|修[复復改正]|解释|解釋|说明|描述|总结|分析"
    r"|删|刪除|移除|清[理空]|添加|增加|新[增建]|创建|生成|写(?![法真])|编写|更新|升级|重[启啟构新试命]|[启啟][动動用]|停止|关闭|打开"
    r"|优化|测试|測試|部署|发布|合并|提交|回滚|撤销|安装|卸载|构建|编译|格式化|调试|移动|复制|改(?![天日口])|用(?![户量途法例品])|确认|验证|实现"
    r"|设置|配置|禁用|列出|显示|告诉|比较"
)
"""What is asked for behind a Chinese please; in 请购单, 请款 and whatever else begins so there is none of it."""
UNORDERED: Final = re.compile(r"^.{1,2}的|[吗嗎呢]$")
UNORDERED_WORD: Final = re.compile(r"[的了吗嗎呢么麼谁誰哪是很太吧]|失[败敗]|^.{1,2}$")
"""Where one of these stands, something may be told or asked: behind 请, and behind 麻烦 and 帮我, words too."""
VERB: Final = (
    r"(?:(?<![そうとま決対関大際])(?<!果た)して|ないで|(?<![一-鿿])せて|[一-鿿](?:せて|いて|けて|えて|べて|れて|げて|んで|いで)"
    r"|(?<![従却因依])って|[止決始進求認確深早集]めて|[見出来]て|て(?:みて|おいて))"
)
"""How Japanese verbs end that ask for something; 全て, 改めて and 組み立て are none, nor is a noun with its で."""
KOREAN: Final = (
    r"(?:[가-힣](?<![이피오손방침저올재상자박북남])해|[가-힣](?<![단언용제영국본색령약검중한일독불외모원])[어아])"
)
ENDINGS: Final = re.compile(r"(?<=[てで])(?:ください|下さい)$|(?<=[해어아])(?:주세요|줘요|줘)$")
VERBAL: Final = re.compile(rf"(?:{VERB}|{KOREAN})$")
"""What stands before them; 단어 and 검색어 are nouns."""
ONCE: Final = re.compile(r"(?<=[看试查跑])一下(?!子)")
"""What makes Chinese, Japanese and Korean polite, written without a space."""
POLITE_APART: Final = re.compile(rf"((?:^|\s)\S*?{KOREAN})(?: 주세요| 줘요| 줘)(?=[\s.!]|$)")
"""The same with a space, as Korean may be written; with a question mark, it may be one only without."""
FEWEST_OF_MANY: Final = 3
"""Letters of a plural, which is no verb and so no name of a method."""
SPACES: Final = str.maketrans("\t\n\r", "   ")


WRITTEN_OTHERWISE: Final = frozenset({*IS, *SPELLED_OUT, *HYPHENED})
"""Words that may be told by more than one word, or by none of theirs."""


class Word(NamedTuple):
    """
    A word or a sign.

    Attributes:
        typed: as it stands in the prompt; empty for a sign, and for the second of two that were typed as one.
        meant: as it is told by.
    """

    typed: str
    meant: str

    @property
    def spelled(self) -> str:
        """It as the score sees it: as it was typed where it was repaired, else as it is told by."""
        is_repaired = self.typed != self.meant and respelled(self.typed) == self.meant
        return self.typed if is_repaired else self.meant


def is_legible(text: str) -> bool:
    """Tell whether everything in a text can be seen: no control characters, no odd spaces, no signs of direction."""
    return text.translate(SPACES).isprintable()


def words_of(parts: Iterable[Part], is_literal: bool = False, is_repaired: bool = True) -> Pieces[list[Word]]:
    """
    Read parts word by word, as many at a stretch as one sentence has.

    Args:
        is_literal: how a word is spelled is what the prompt is about, so spelling is left alone.
        is_repaired: slips may be repaired, where they can be no name.
    """
    words: list[Word] = []
    due = AT_A_STRETCH
    is_apart = True
    for part in parts:
        if part.kind is Kind.BREAK:
            if words and not _is_start(words):
                words.append(Word("", LINE))
            elif part.text and words and words[-1].meant == STOP:
                words[-1] = Word("", LINE)
            is_apart = True
        elif part.kind is Kind.EXACT:
            if not is_apart:
                words.append(Word("", GLUE))
            words.append(Word(part.text, LETTER + part.text))
            is_apart = False
        else:
            rest = part.text.lstrip(MARKS) if words and not is_apart else part.text
            if len(rest) < len(part.text):
                words.append(Word("", _sign(part.text[: len(part.text) - len(rest)])))
            elif not is_apart and not rest[0].isspace():
                words.append(Word("", GLUE))
            for word in _prose(rest, is_literal, is_repaired and not is_literal, _is_start(words)):
                words.append(word)
                if len(words) >= due:
                    yield
                    due = len(words) + AT_A_STRETCH
            is_apart = rest[-1:].isspace() or rest[-1:] == "("
    return words


def _is_start(words: list[Word]) -> bool:
    return not words or words[-1].meant in ENDS


def _prose(prose: str, is_literal: bool, is_repaired: bool, is_start: bool) -> Iterator[Word]:
    if not prose.isascii():
        prose = POLITE_APART.sub(r"\1", HAN_BESIDE_ASCII.sub(" ", WIDE_MARK.sub(r"\1 ", prose)))
    chunks = prose.split()
    is_alone = len(chunks) == 1
    earlier, before = "", ""
    for at, chunk in enumerate(chunks):
        following = chunks[at + 1] if at + 1 < len(chunks) else ""
        if chunk.isascii() and chunk.isalpha() and chunk.islower() and chunk not in WRITTEN_OTHERWISE:
            # Most words are such; what follows here would come to the same, and takes three times as long.
            meant = chunk if is_literal else respelled(chunk)
            if meant != chunk and not _is_no_name(chunk, before, following, is_start, not following, is_repaired):
                meant = chunk
            yield Word(chunk, meant)
            is_start, earlier, before = False, before, chunk
            continue
        core, marks = _cut(_opened(chunk, prose) if chunk[0] in "¿¡" else chunk, before)
        if (
            core
            and marks[:1] in ("!", "！")
            and (is_literal or not _is_exclaimed(core, marks, (earlier, before), is_alone))
        ):
            core, marks = core + marks[0], marks[1:]  # a method's name or a factorial may end so
        if core:
            lower = core.lower()
            rest = chunks[at + 1 : at + 3]
            may_be_lowered = is_start if core == lower else _may_be_lowered(core, before, rest, is_start)
            is_last = bool(marks) or not following
            may_repair = not is_literal and _is_no_name(lower, before, following, is_start, is_last, is_repaired)
            verb = None if is_literal else IS.get(lower.replace("’", "'"))
            is_verb = verb is not None and following.rstrip(MARKS).lower() in BEHIND_IS
            if verb is not None and is_verb and (may_be_lowered or core == lower):
                yield from (Word(core, verb), Word("", "is"))
            else:
                yield from _word(
                    core,
                    is_literal,
                    may_be_lowered,
                    may_repair,
                    is_asked=not core.isascii() and marks != "" and _sign(marks) == ASK,
                )
            is_start = False
        if marks:
            sign = _sign(marks)
            if sign == ASK and following[:1].islower() and following.rstrip(MARKS) not in INTERJECTIONS:
                sign = ASK_ON
            yield Word("", sign)
            is_start = sign in ENDS
        earlier, before = before, "" if marks else core.lower()


def _opened(chunk: str, prose: str) -> str:
    """Take off a sign that begins a question or an exclamation in Spanish, if one ends it."""
    is_closed = ("?" if chunk[0] == "¿" else "!") in prose
    return chunk.lstrip("¿¡") or chunk if is_closed else chunk


def _is_exclaimed(core: str, marks: str, before: tuple[str, str], is_alone: bool) -> bool:
    """Tell whether "!" ends a sentence, and no name or number."""
    lower = core.lower()
    if core[-1:].isdigit() or not core[-1:].isalpha():
        return False
    if not core[-1:].isascii() or marks[0] == "！" or lower in INTERJECTIONS or len(marks) > 1:
        return True
    is_noun = lower in NOUNS or (lower.endswith("s") and not lower.endswith("ss") and len(lower) > FEWEST_OF_MANY)
    is_thing = core == lower and core.isalpha() and is_noun and not DETERMINERS.isdisjoint(before)
    return is_thing or lower in EXCLAIMED or (is_alone and lower in OPENING)


def _may_be_lowered(core: str, before: str, rest: Sequence[str], is_start: bool) -> bool:
    """Tell whether a capital is one of the sentence's, and none of a name."""
    following = rest[0].rstrip(MARKS).lower() if rest else ""
    if not is_start:
        return core == "I" and before in BEFORE_I
    if core in PRONOUNS:
        return core != "I" or following not in PREDICATES
    if following in PREDICATES:
        return False
    if len(core) == 1:
        # "A" may be what something is called: "A records are wrong".
        return False
    is_order = following in ARTICLES and not (len(rest) > 1 and rest[1][0].isdigit())
    return core.lower().replace("’", "'") in OPENING or is_order


def _is_no_name(word: str, before: str, following: str, is_start: bool, is_last: bool, is_repaired: bool) -> bool:
    """Tell whether a misspelled word stands where it names nothing: an opening verb, a small word."""
    meant = HYPHENED.get(word) or respelled(word)
    if meant == word:
        return False
    is_order = following.lower() in ARTICLES and meant not in CHANGING
    if is_start and (is_repaired or is_order) and (meant in OPENING or meant in OPENERS):
        return True
    if not is_repaired:
        return False
    if meant in OPENERS:
        return before in ("and", "then", "please")
    if before == "this":
        return True
    is_notion = before in ("the", "that") and (meant in NOTIONS or is_variant(word))
    return (is_notion and (is_last or following in BEHIND_NOTIONS)) or (not is_last and meant in FUNCTION_WORDS)


def _cut(chunk: str, before: str) -> tuple[str, str]:
    """Part a chunk from the marks at its end, unless they are a part of it: "..", "src/.", "?"; 5 ! is 120."""
    core = chunk.rstrip(MARKS)
    marks = chunk[len(core) :]
    if core and not (marks.startswith(".") and core[-1] in "/\\~-") and not marks.startswith(("..", "::")):
        return core, marks
    is_mark = chunk in ("?", ";") or (chunk == "!" and (before in INTERJECTIONS or not before.isascii()))
    return ("", chunk) if is_mark else (chunk, "")


def _sign(marks: str) -> str:
    if any(each in "?？؟" for each in marks):
        return ASK
    if marks[-1] in ",，、،":
        return PAUSE
    if marks[-1] in ";；؛":
        return SEMICOLON
    return ":" if marks[-1] in ":：" else STOP


def _word(core: str, is_literal: bool, is_start: bool, may_repair: bool, *, is_asked: bool) -> Iterator[Word]:
    lower = core.lower()
    contracted = lower.replace("’", "'")
    if not is_literal and WORD.fullmatch(core.replace("’", "'")):
        core, lower = core.replace("’", "'"), contracted
    if not is_literal and contracted in SPELLED_OUT and (is_start or core == lower):
        first, second = SPELLED_OUT[contracted]
        yield Word(core, first)
        yield Word("", second)
    elif WORD.fullmatch(core) is None:
        known = POLITE_FORMS.get(lower) if is_start else None
        known = known or (HYPHENED.get(lower) if may_repair else None)
        yield Word(core, known or LETTER + core)
    elif core == lower or (is_start and core[1:] == lower[1:]):
        yield Word(core if core == lower else lower, _meant(lower, is_literal, is_start, may_repair, is_asked))
    else:
        yield Word(core, LETTER + core)


def _meant(lower: str, is_literal: bool, is_start: bool, may_repair: bool, is_asked: bool) -> str:
    if is_literal:
        return lower
    if lower.isascii():
        return respelled(lower) if may_repair else lower
    polite = POLITE_FORMS.get(lower) if is_start else None
    return polite or (lower if is_asked else _plain(lower))


def _plain(word: str) -> str:
    """Leave out what makes a word of a script without spaces polite."""
    ended = ENDINGS.sub("", word)
    if ended != word and VERBAL.search(ended) is not None:
        word = ended
    begun = BEGINNINGS.match(word)
    if begun is not None:
        rest, unordered = word[begun.end() :], UNORDERED_WORD if begun["is_word"] else UNORDERED
        if ORDERED.match(rest) is not None and unordered.search(rest) is None:
            word = rest
    return ONCE.sub("", word)
