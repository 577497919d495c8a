"""
What the rehearsal agent remembers of a session, in the same place as the CLI: what was said, uuids, the cost.

The file only grows: a JSON object a line, written in one piece when a block is finished and when a turn ends. A
torn last line is left alone when it is read again.
"""

import json
import os
import sys
from typing import Any, Final, NoReturn
from uuid import UUID, uuid4

from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.options import Options, refuse

PRICE_PER_WORD_MICRO_USD: Final = 10
"""Made up, the same for words in and out: a turn of 3 + 7 words costs 0.0001 USD."""

TEXT_LIMIT: Final = 2000
"""Characters of a text that are kept: nobody reads this history but people who look."""


class Session:
    """
    One session.

    Attributes:
        id: its UUID.
        past: the uuids of prompts from before this process.
        words: by model, [words in, words out].
    """

    def __init__(self, session_id: str) -> None:
        self.id = session_id
        self.past: set[str] = set()
        self.words: dict[str, list[int]] = {}
        self._unsaved: list[str] = []

    @property
    def path(self) -> str:
        """The file, whether it exists or not."""
        home = os.environ.get("CLAUDE_CONFIG_DIR")
        if not home:
            state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
            home = os.path.join(state, "concordia-rehearsal")
        return os.path.join(home, "projects", os.getcwd().replace("/", "-"), f"{self.id}.jsonl")

    def load(self) -> bool:
        """Read the file; False if there is none."""
        try:
            with open(self.path, encoding="utf-8") as file:
                content = file.read()
        except FileNotFoundError:
            return False
        for line in content.split("\n")[:-1]:
            record = json.loads(line)
            match record["type"]:
                case "user" if record["uuid"]:
                    self.past.add(record["uuid"])
                case "spent":
                    self._count(record["model"], record["words_in"], record["words_out"])
        return True

    def remember(self, kind: str, **fields: object) -> None:
        """Keep a record for the next save."""
        self._unsaved.append(json.dumps({"type": kind, **fields}) + "\n")

    def save(self) -> None:
        """Write what was not written yet."""
        if not self._unsaved:
            return
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("".join(self._unsaved))
        self._unsaved.clear()

    def spend(self, model: str, words_in: int, words_out: int) -> None:
        """Count and keep the words of a turn."""
        self._count(model, words_in, words_out)
        self.remember("spent", model=model, words_in=words_in, words_out=words_out)

    @property
    def cost_usd(self) -> float:
        """What the session has cost since it began."""
        return price_usd(sum(sum(counted) for counted in self.words.values()))

    def model_usage(self) -> dict[str, dict[str, Any]]:
        """Return the session's consumption by model, in the CLI's form."""
        return {
            model: {
                "inputTokens": words_in,
                "outputTokens": words_out,
                "cacheReadInputTokens": 0,
                "cacheCreationInputTokens": 0,
                "webSearchRequests": 0,
                "costUSD": price_usd(words_in + words_out),
                "contextWindow": 200_000,
                "maxOutputTokens": 32_000,
            }
            for model, (words_in, words_out) in self.words.items()
        }

    def _count(self, model: str, words_in: int, words_out: int) -> None:
        if words_in or words_out:
            counted = self.words.setdefault(model, [0, 0])
            counted[0] += words_in
            counted[1] += words_out


def price_usd(words: int) -> float:
    """Return the price of so many words; whole micro-dollars are summed, so no rounding error gathers."""
    return words * PRICE_PER_WORD_MICRO_USD / 1_000_000


def find_session(options: Options) -> Session:
    """Return the session to work in; exits with 1 where the CLI would."""
    session = Session(options.resume or options.session_id or str(uuid4()))
    if options.resume is not None:
        if not session.load():
            refuse_unknown(session.id)
        return session
    try:
        UUID(session.id)
    except ValueError:
        refuse("Invalid session ID. Must be a valid UUID.")
    if os.path.exists(session.path):
        refuse(f"Session ID {session.id} is already in use.")
    return session


def refuse_unknown(session_id: str) -> NoReturn:
    """End the program because there is nothing to resume, with a result line as the CLI's."""
    error = f"No conversation found with session ID: {session_id}"
    result = shapes.empty_result(session_id, "error_during_execution", 0) | {"errors": [error]}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stderr.write(error + "\n")
    raise SystemExit(1)
