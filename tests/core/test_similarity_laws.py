"""What holds for every text, tried with texts that nobody thought of."""

from random import Random
from typing import Final

from hypothesis import assume, given
from hypothesis import strategies as st

from concordiad.core.model import Stage
from concordiad.core.similarity import Index, features, judge
from tests.core.pairs import LOCAL, read_pairs

PAIRS: Final = read_pairs("pairs.jsonl")
WRITTEN: Final = st.sampled_from([text for pair in PAIRS for text in (pair.one, pair.other)])
COMMON: Final = "run fix test parser please the a not all only foo get_user src/app.py 30s is could you thanks , . ?"
WORDS: Final = st.sampled_from([*COMMON.split(), "`x  y`", '"A b"'])
SENTENCES: Final = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
TEXTS: Final = st.one_of(WRITTEN, SENTENCES, st.text(max_size=60))
PLAIN: Final = st.lists(
    st.sampled_from(
        ["fix", "parser", "in", "worker", "module", "explain", "broken", "slow", "retry", "login", "today"]
    ),
    min_size=1,
    max_size=8,
)
STAGES: Final = st.sampled_from([(Stage.SAME,), (Stage.NEAR,), LOCAL, ()])
NAMES: Final = st.from_regex(r"[a-z]{1,6}(_[a-z]{1,6}|\.[a-z]{1,4}|[A-Z][a-z]{1,4}|/[a-z]{1,6})", fullmatch=True)


@given(TEXTS)
def test_every_text_is_the_same_as_itself(text: str) -> None:
    """Nothing that can be submitted is too odd to be read, or unlike itself."""
    match = judge(features(text), features(text), LOCAL)
    assert match is not None and match.stage is Stage.SAME


@given(TEXTS, TEXTS, STAGES)
def test_a_verdict_is_symmetric(one: str, other: str, stages: tuple[Stage, ...]) -> None:
    """It does not matter whose prompt waited first."""
    assert judge(features(one), features(other), stages) == judge(features(other), features(one), stages)


@given(st.lists(TEXTS, max_size=30), st.sets(st.integers(0, 29)), TEXTS, STAGES)
def test_the_index_finds_what_a_comparison_with_all_finds(
    texts: list[str], removed: set[int], asked: str, stages: tuple[Stage, ...]
) -> None:
    """Whatever came and went, the same verdicts in the same order."""
    index = Index()
    for place, text in enumerate(texts):
        index.add(str(place), features(text))
    for place in removed:
        index.remove(str(place))
    waiting = [(place, text) for place, text in enumerate(texts) if place not in removed]
    verdicts = [(place, judge(features(asked), features(text), stages)) for place, text in waiting]
    found = [(place, match) for place, match in verdicts if match is not None]
    found.sort(key=lambda entry: (entry[1].stage is not Stage.SAME, -entry[1].similarity, entry[0]))
    assert index.matches(features(asked), stages) == [(str(place), match) for place, match in found]
    assert len(index) == len(waiting)


@given(PLAIN, st.integers(0, 8), st.integers(0, 9999), st.integers(0, 9999))
def test_another_number_is_another_prompt(words: list[str], place: int, one: int, other: int) -> None:
    """One digit is enough, wherever it stands."""
    assume(one != other)
    assert_different(put(words, place, str(one)), put(words, place, str(other)))


@given(PLAIN, st.integers(0, 8), NAMES, NAMES)
def test_another_name_is_another_prompt(words: list[str], place: int, one: str, other: str) -> None:
    """So is one letter of an identifier or a path, be it only its case."""
    assume(one != other)
    assert_different(put(words, place, one), put(words, place, other))


@given(PLAIN, st.integers(0, 8), NAMES)
def test_another_case_is_another_name(words: list[str], place: int, name: str) -> None:
    """Programs tell names by their case."""
    assert_different(put(words, place, name), put(words, place, name.upper()))


@given(
    PLAIN, st.integers(0, 8), st.sampled_from(["not", "don't", "never", "no", "without", "nicht", "pas", "не", "不要"])
)
def test_a_negation_makes_another_prompt(words: list[str], place: int, no: str) -> None:
    """What says no is never merged with what does not."""
    assert_different(" ".join(words), put(words, place, no))


@given(PLAIN, st.randoms(use_true_random=False))
def test_another_order_of_words_is_another_prompt(words: list[str], random: Random) -> None:
    """Words mean by their order."""
    shuffled = random.sample(words, len(words))
    assume(shuffled != words)
    assert_different(" ".join(words), " ".join(shuffled))


@given(PLAIN, st.lists(st.sampled_from([" ", "  ", "\t", " \t "]), min_size=9, max_size=9))
def test_blanks_between_words_are_one_space(words: list[str], spaces: list[str]) -> None:
    """So is a tab."""
    spaced = "".join(word + space for word, space in zip(words, spaces, strict=False))
    match = judge(features(" ".join(words)), features(spaced), LOCAL)
    assert match is not None and match.stage is Stage.SAME


@given(
    PLAIN,
    st.integers(0, 8),
    st.sampled_from("\u000b\u0085\u2028\u200b\u200c\u200d\u200e\u200f\u202e\u2066\u2069\ufeff\u00ad\u0000\U000e0041"),
)
def test_what_cannot_be_seen_hides_nothing(words: list[str], place: int, unseen: str) -> None:
    """A prompt with an invisible character is no other prompt's like, even if it looks like one."""
    text = " ".join(words)
    place %= len(text)
    assert_different(text, text[:place] + unseen + text[place:])


@given(TEXTS, st.sampled_from(["`x  = 1`", '"Foo  bar"', "```\na\n  b\n```"]))
def test_quotes_and_code_are_taken_to_the_letter(text: str, quoted: str) -> None:
    """Neither their spaces nor their case are passed over."""
    assert_different(f"{text} {quoted}", f"{text} {quoted.replace('  ', ' ')}")
    assert_different(f"{text} {quoted}", f"{text} {quoted.swapcase()}")


def put(words: list[str], place: int, word: str) -> str:
    """Write words with another one among them."""
    place = min(place, len(words))
    return " ".join([*words[:place], word, *words[place:]])


def assert_different(one: str, other: str) -> None:
    """No stage may find that these ask the same."""
    assert judge(features(one), features(other), LOCAL) is None, (one, other)
