"""
`--answer KEY=VALUE` of `approve`, matched against the questions that the agent asked.

KEY is a question's number, its header or its text; VALUE the number or the label of a choice, or free text. Where
several may be chosen, `--answer` can be repeated, or VALUE holds numbers or labels with commas.
"""

from typing import Any

from ctl.asking import choices_of, question_lines


class BadAnswer(ValueError):
    """An answer that fits none of the questions; the message says which do."""


def match_answers(questions: list[dict[str, Any]], given: tuple[str, ...]) -> dict[str, str]:
    """
    Match what was typed with what was asked.

    Returns: the answer of each question, by the question's text.

    Raises:
        BadAnswer: a KEY or a VALUE fits nothing, a question was answered twice or not at all.
    """
    answers: dict[str, str] = {}
    for each in given:
        index, value = _split(questions, each)
        question = questions[index]
        text = question["question"]
        answer = _answer(question, index + 1, value)
        if text in answers and not question.get("multiSelect"):
            raise BadAnswer(f"question {index + 1} is answered twice: it takes one choice")
        answers[text] = f"{answers[text]}, {answer}" if text in answers else answer
    missing = [n for n, question in enumerate(questions, 1) if question["question"] not in answers]
    if missing:
        numbers = " and ".join(str(n) for n in missing)
        examples = " ".join(f"--answer {n}={'1' if choices_of(questions[n - 1]) else 'TEXT'}" for n in missing)
        raise BadAnswer(f"no answer to question {numbers}: add for example {examples}\n{question_lines(questions)}")
    return answers


def _split(questions: list[dict[str, Any]], given: str) -> tuple[int, str]:
    # A question's own text can hold "=", so every one of them may be the border.
    border = given.find("=")
    while border >= 0:
        key = given[:border].strip().casefold()
        for index, question in enumerate(questions):
            names = (str(index + 1), question.get("header"), question["question"])
            if any(isinstance(name, str) and name.strip().casefold() == key for name in names):
                return index, given[border + 1 :].strip()
        border = given.find("=", border + 1)
    problem = "has no KEY=VALUE form" if "=" not in given else "names no question"
    raise BadAnswer(
        f"--answer {given!r} {problem}: KEY is a question's number, header or text\n{question_lines(questions)}"
    )


def _answer(question: dict[str, Any], number: int, value: str) -> str:
    if not value:
        raise BadAnswer(f"the answer to question {number} is empty: give a choice or free text")
    chosen = _choice(question, number, value)
    if chosen is None and question.get("multiSelect") and "," in value:
        parts = [_choice(question, number, part.strip()) for part in value.split(",")]
        if all(parts):
            return ", ".join(part for part in parts if part)
    return chosen or value


def _choice(question: dict[str, Any], number: int, value: str) -> str | None:
    labels = choices_of(question)
    for label in labels:
        if label.casefold() == value.casefold():
            return label
    # A number that is no choice is rather a slip of the finger than an answer in one's own words.
    if labels and value.isascii() and value.isdigit():
        if not 1 <= int(value) <= len(labels):
            raise BadAnswer(
                f"question {number} has choices 1 to {len(labels)}, not {value}\n{question_lines([question])}"
            )
        return labels[int(value) - 1]
    return None
