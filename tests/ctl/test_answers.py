import pytest

from ctl.answers import BadAnswer, match_answers
from tests.ctl.samples import question

QUESTIONS = question()["input"]["questions"]


@pytest.mark.parametrize("key", ["1", "Colour", "colour", "Which colour?", " which COLOUR? "])
def test_a_question_is_named_by_number_header_or_text(key: str) -> None:
    """The answer goes under the question's own text, as the agent wants it."""
    assert match_answers(QUESTIONS[:1], (f"{key}=2",)) == {"Which colour?": "blue"}


@pytest.mark.parametrize(("value", "answer"), [("1", "red"), ("RED", "red"), ("rather green", "rather green")])
def test_an_answer_is_a_number_a_label_or_free_text(value: str, answer: str) -> None:
    """Choices are taken by number or name; anything else is said in one's own words."""
    assert {"Which colour?": answer} == match_answers(QUESTIONS[:1], (f"1={value}",))


@pytest.mark.parametrize("given", [("2=1,3",), ("2=1", "2=file"), ("2=hammer, file",)])
def test_several_choices_are_joined(given: tuple[str, ...]) -> None:
    """A question of several choices takes them with commas or one by one."""
    assert match_answers(QUESTIONS[1:], tuple(g.replace("2=", "1=") for g in given)) == {"Which tools?": "hammer, file"}


def test_free_text_with_commas_stays_as_it_is() -> None:
    """Only what is choices all over is taken as choices."""
    assert match_answers(QUESTIONS[1:], ("1=hammer, or none",)) == {"Which tools?": "hammer, or none"}


def test_a_question_may_hold_an_equals_sign() -> None:
    """The border between KEY and VALUE is found by what the questions are."""
    questions = [{"question": "Is a=b?", "options": [{"label": "yes"}]}]
    assert match_answers(questions, ("Is a=b?=1",)) == {"Is a=b?": "yes"}


def test_a_label_that_is_a_number_is_meant_before_a_place() -> None:
    """When the choices are numbers, the number typed is the one that is read."""
    questions = [{"question": "How many?", "options": [{"label": "2"}, {"label": "1"}]}]
    assert match_answers(questions, ("1=2",)) == {"How many?": "2"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("1=3", "2=1"), "choices 1 to 2, not 3"),
        (("1=1", "1=2", "2=1"), "question 1 is answered twice"),
        (("1=1",), "no answer to question 2: add for example --answer 2=1"),
        ((), "no answer to question 1 and 2"),
        (("Size=1",), "names no question"),
        (("red",), "has no KEY=VALUE form"),
        (("1=",), "the answer to question 1 is empty"),
    ],
)
def test_a_bad_answer_is_told_what_would_be_right(given: tuple[str, ...], message: str) -> None:
    """Each fault has its own sentence."""
    with pytest.raises(BadAnswer, match=message):
        match_answers(QUESTIONS, given)


def test_the_questions_are_listed_with_the_fault() -> None:
    """Nobody has to look them up with another command."""
    with pytest.raises(BadAnswer, match=r"(?s)1\. Which colour\?  \[Colour\]\n +1\) red  like fire\n +2\) blue"):
        match_answers(QUESTIONS, ())
