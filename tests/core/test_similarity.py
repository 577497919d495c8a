import subprocess
import sys
import unicodedata
from typing import Final

import pytest

from concordiad.core.model import Stage
from concordiad.core.similarity import Index, Match, features, judge

BOTH: Final = (Stage.SAME, Stage.NEAR)


@pytest.mark.parametrize(
    ("one", "other", "stage"),
    [
        ("run  the tests\n", "run the tests", Stage.SAME),
        ("Run the tests.", "please run the tests", Stage.NEAR),
        ("set the timeout to 30", "set the timeout to 60", None),
    ],
)
def test_a_pair_is_judged_alike_from_both_sides(one: str, other: str, stage: Stage | None) -> None:
    """Which of two prompts came first is not asked."""
    here, there = features(one), features(other)
    verdict = judge(here, there, BOTH)
    assert verdict == judge(there, here, BOTH)
    assert (verdict and verdict.stage) == stage


def test_a_stage_that_is_off_finds_nothing() -> None:
    """Each stage can be switched off; what the same text is by words is found by the other one too."""
    text, polite = features("run the tests"), features("please run the tests")
    assert judge(text, polite, [Stage.SAME]) is None
    assert judge(text, text, [Stage.MEANING]) is None
    assert judge(text, text, [Stage.NEAR]) == Match(Stage.NEAR, 1.0)


def test_the_best_match_comes_first() -> None:
    """The same before the near, then who was added first; what was removed is found no longer."""
    index = Index()
    for key, text in (
        ("polite", "please run the tests"),
        ("other", "run the build"),
        ("first", "run the tests"),
        ("second", "run the tests"),
    ):
        index.add(key, features(text))
    asked = features("run the tests")
    assert [key for key, _ in index.matches(asked, BOTH)] == ["first", "second", "polite"]
    index.remove("first")
    index.remove("nobody")
    assert [key for key, _ in index.matches(asked, BOTH)] == ["second", "polite"]
    assert len(index) == 3


@pytest.mark.parametrize(("marks", "is_one"), [(30, True), (31, False)])
def test_more_marks_on_a_letter_than_any_text_has_are_taken_to_the_letter(marks: int, is_one: bool) -> None:
    """A hundred thousand of them in a row would take seconds to sort: such a text is compared as it stands."""
    text = f"fix the cafe\u0301 page {'a' + chr(0x301) * marks}"
    composed = unicodedata.normalize("NFC", text)
    assert (judge(features(text), features(composed), [Stage.SAME]) is not None) is is_one


def test_numpy_stays_out() -> None:
    """Comparing costs the daemon no numpy, which rapidfuzz imports for whoever asks it for tables."""
    code = "import sys, concordiad.core.similarity; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
