"""One turn, from its first line to its result line, told in the CLI's lines. `doing` has what happens in between."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

from concordiad.agent.orders import Order
from concordiad.agent.rehearsal import shapes
from concordiad.agent.rehearsal.background import Background
from concordiad.agent.rehearsal.calls import Calls
from concordiad.agent.rehearsal.desk import Desk, Interrupted, encode
from concordiad.agent.rehearsal.options import Options
from concordiad.agent.rehearsal.session import Session
from concordiad.agent.rehearsal.speech import OutOfTurns, Speech

RETRY_CAP_S: Final = 0.5
"""The CLI's own pauses grow to minutes; ten of these are five seconds at most."""

CANCELLING: Final = frozenset({"aborted_streaming", "aborted_tools", "api_error"})
"""Terminal reasons after which the CLI calls the prompt cancelled, not completed."""


class Ending(NamedTuple):
    """How a turn ended, in the result line's terms, with `result` or with `errors` among the rest."""

    subtype: str
    is_error: bool
    terminal_reason: str
    stop_reason: str | None
    rest: dict[str, Any]
    size: int = 0
    """Bytes that the line shall have; 0: as many as it takes."""


class Over(Exception):
    """The turn ends before its last order."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.terminal_reason)
        self.ending = ending


Do = Callable[["Turn", Order], None]
"""Does an order in a turn; Interrupted, OutOfTurns or Over when the turn ends with it."""


class Turn:
    """
    One turn.

    Args:
        uuids: of the prompts it answers; none for a turn of the agent's own.
        origin: why the agent has started it by itself; None if it answers prompts.
        background: where commands go that shall outlive the turn.
    """

    def __init__(
        self,
        desk: Desk,
        session: Session,
        options: Options,
        uuids: Sequence[str],
        origin: dict[str, Any] | None,
        background: Background,
    ) -> None:
        self.desk = desk
        self.speech = Speech(desk, session, options, uuids)
        self.calls = Calls(desk, options, self.speech, background)
        self._session = session
        self._options = options
        self._uuids = uuids
        self._origin = origin
        self._started = time.monotonic()

    def run(self, prompt: str, orders: Sequence[Order], do: Do, result_index: int) -> Ending:
        """Have the orders done, write the result line, and return how it went."""
        self.desk.tell("system", **shapes.init(self._options, self._uuids))
        try:
            for order in orders:
                do(self, order)
            if self.speech.last_block != "text":
                self.speech.say(self.calls.remark)
            self.speech.close("end_turn")
            ending = self.completed(self.speech.text)
        except Interrupted:
            ending = self._abort()
        except OutOfTurns:
            errors = [f"Reached maximum number of turns ({self._options.max_turns})"]
            ending = Ending("error_max_turns", True, "max_turns", "tool_use", {"errors": errors})
        except Over as over:
            ending = over.ending
        # A request that got no answer costs nothing.
        words_in = len(prompt.split()) if self.speech.first_at is not None else 0
        self._session.spend(self._options.model, words_in, self.speech.words)
        self._session.save()
        if Order("no-result", "") not in orders:
            self.desk.send(self._result(ending, words_in, result_index))
        return ending

    def completed(self, answer: str, size: int = 0) -> Ending:
        """Return the ending of a turn that went well."""
        rest: dict[str, Any] = {"api_error_status": None, "result": answer}
        if self.speech.first_at is not None:
            rest["ttft_ms"] = milliseconds(self.speech.first_at - self._started)
        return Ending("success", False, "completed", "end_turn", rest, size)

    def fail(self, status: int, times: int | None) -> None:
        """Have the API answer with an error so many times (None: always); Over if that is too often."""
        self.speech.close("end_turn")
        self.speech.request()
        tried = 0
        while times is None or tried < times:
            if status in shapes.FINAL_STATUSES or tried == self._options.max_retries:
                text = f"API Error: {status} rehearsed on request"
                self.speech.fail(status, text)
                kind = shapes.ERROR_TYPES.get(status, "api_error")
                rest = {"api_error_status": status, "api_error_type": kind, "result": text}
                raise Over(Ending("success", True, "api_error", "stop_sequence", rest))
            tried += 1
            self.retry(tried, status, shapes.RETRY_ERRORS.get(status, "unknown"))

    def retry(self, attempt: int, status: int | None, error: str) -> None:
        """Tell that a request is tried again, and wait as long as that says."""
        delay_s = min(RETRY_CAP_S, 2**attempt * self._options.pace_s)
        count = {"attempt": attempt, "max_retries": self._options.max_retries}
        about = {"retry_delay_ms": milliseconds(delay_s), "error_status": status, "error": error}
        self.desk.tell("system", subtype="api_retry", **count, **about)
        self.desk.pause(delay_s)

    def _abort(self) -> Ending:
        """Tell what an interrupt has left of the turn."""
        if self.calls.is_open:
            self.calls.abort()
            reason, stop_reason = "aborted_tools", "tool_use"
        else:
            self.speech.break_off()
            self.calls.interrupted()
            self.speech.close_broken()
            reason, stop_reason = "aborted_streaming", None
        errors = ["[ede_diagnostic] result_type=user last_content_type=n/a"]
        return Ending("error_during_execution", True, reason, stop_reason, {"errors": errors})

    def _result(self, ending: Ending, words_in: int, result_index: int) -> dict[str, Any]:
        """Return the result line. Its type does not stand first, as in the CLI's: who peeks must not count on that."""
        took_ms = milliseconds(time.monotonic() - self._started)
        line = {
            "duration_api_ms": took_ms,
            "stop_reason": ending.stop_reason,
            "session_id": self._session.id,
            "total_cost_usd": self._session.cost_usd,
            "usage": shapes.usage(words_in, self.speech.words),
            "modelUsage": self._session.model_usage(),
            "permission_denials": self.calls.denials,
            "terminal_reason": ending.terminal_reason,
            **({"origin": self._origin} if self._origin else {}),
            "is_error": ending.is_error,
            "num_turns": 1 + self.calls.told,
            "subtype": ending.subtype,
            **ending.rest,
            "type": "result",
            "duration_ms": took_ms,
            "uuid": str(uuid4()),
            **shapes.addressed(self._uuids),
            "queued_turn_count": 0,
            "result_index": result_index,
        }
        if ending.size:
            line["result"] += "x" * max(0, ending.size - len(encode(line)))
        return line


def milliseconds(seconds: float) -> int:
    """Return a duration as lines have it."""
    return round(seconds * 1000)
