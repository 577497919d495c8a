"""Which prompts speak of who asks."""

import pytest

from concordiad.core.layout import LONGEST
from concordiad.core.similarity import features


@pytest.mark.parametrize(
    "text",
    [
        "delete my branch",
        "My build is red",
        "why can't I log in?",
        "what did I break",
        "I'm blocked, why?",
        "rebase mine",
        "invite me",
        "give me write access",
        "assign the issue to me",
        "explain the task assigned to me",
        "let me run the tests",
        "git checkout my-branch && git push my",
        "lösche meinen Branch",
        "zeig mir meine Logs",
        "supprime ma branche",
        "j'ai cassé le build, pourquoi ?",
        "ajoute-moi aux relecteurs",
        "Donne-moi les droits",
        "borra mi rama",
        "dame acceso a la base",
        "lösche meins",
        "apague minha branch",
        "удали мою ветку",
        "删除我的分支",
        "给我的分支改名",
        "为什么我不能登录",
        "私のブランチを削除して",
        "내 브랜치를 삭제해줘",
    ],
)
def test_what_is_ones_own_is_seen(text: str) -> None:
    """By the same words, somebody else would mean another thing."""
    assert features(text).is_own


@pytest.mark.parametrize(
    "text",
    [
        "delete the branch",
        "show me the logs",
        "tell me what failed",
        "let me know when it is done",
        "help me understand the parser",
        "walk me through the code",
        "how do I run the tests?",
        "where can i find the docs?",
        "I want you to run the tests",
        "I think the parser is wrong, fix it",
        "explain it to me",
        "explain `my branch`",
        'what does "my" do in Perl?',
        "fix our build",
        "what is wrong with src/my.py",
        "why is the I/O slow",
        "fix the io error in eu-west-1",
        "zeig mir die Logs",
        "montre-moi les logs",
        "wie kann ich die Tests starten?",
        "покажи мне логи",
        "给我看日志",
        "我们的构建失败了",
        "for (i = 0; i < 3; i++)",
    ],
)
def test_whom_something_is_told_is_no_difference(text: str) -> None:
    """Nor is what belongs to all of them, what anybody could say, or what is quoted."""
    assert not features(text).is_own


def test_of_a_long_prompt_both_ends_are_looked_at() -> None:
    """There is what was typed; what was pasted between is everybody's."""
    log = "a line of the log that fails\n" * LONGEST
    assert features(f"why is my build red?\n\n{log}").is_own
    assert features(f"{log}\nfix my build").is_own
    assert not features(f"{log} my line\n {log}").is_own
