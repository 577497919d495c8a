"""
The Gemini API over HTTP.

Laws: one question takes no longer than its deadline, tries and all; the key stands in one header and nowhere else;
nothing but the configured address is spoken to: no proxy of the environment, no redirection, and no certificate that
this machine does not trust.
"""

import random
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpx  # noqa: ASYNC127  # 0.28 is what was measured; moving to its successor is a step of its own
import stamina
import stamina.instrumentation
import trio

import concordiad
from concordiad.config.tables import Gemini as Settings
from concordiad.core.breaker import Breaker, BreakerInput
from concordiad.core.grouping import GARBAGE, Candidate, Doubt, Grouped, read_answer, request_body
from concordiad.meaning import MeaningError
from concordiad.meaning.replies import Trouble, describes, read_failure
from concordiad.ops.threads import in_thread

ATTEMPTS: Final = 3
"""Tries of one question: what fails three times within seconds fails a fourth time too."""
FIRST_WAIT_S: Final = 0.1
MOST_WAIT_S: Final = 1.0
JITTER_S: Final = 0.2
"""Added to each wait by chance, so that the rooms of many daemons do not come back in step."""
MOST_ANSWER_BYTES: Final = 64 * 1024
"""Of a response: as many tokens as are wanted at most are half of it, and reading it must not take long."""
CONNECTIONS: Final = 16
"""To the API at once: a question a room at a time."""
KEPT_S: Final = 60.0
"""How long an idle connection is kept: a new one costs a TLS handshake, which the deadline would have to pay."""
FAILURES: Final = 5
PAUSE_S: Final = 10.0
MOST_PAUSE_S: Final = 300.0
"""After so many questions in a row that failed, none is asked for so long, and at most for so long."""


class Gemini:
    """
    A model that can be asked; shared by all rooms.

    Args:
        settings: which model, where, and how long it may take.
        http: the client, with the key in its headers.
    """

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._breaker = Breaker(FAILURES, PAUSE_S, MOST_PAUSE_S)

    async def group(self, candidates: Sequence[Candidate]) -> list[Grouped]:
        """
        Ask which of these prompts mean the same; takes at most `deadline_s`.

        Raises:
            MeaningError: there is no answer, or it is not believed.
        """
        with _deadline(self._settings.deadline_s):
            return await self._ask(candidates)

    async def _ask(self, candidates: Sequence[Candidate]) -> list[Grouped]:
        entry = self._breaker.enter(trio.current_time())
        if entry is None:
            wait_s = self._breaker.wait_s(trio.current_time())
            raise MeaningError(Trouble.PAUSED, f"the API failed too often, it is not asked for {wait_s:.0f} s")
        began, how = trio.current_time(), BreakerInput.GIVEN_UP
        try:
            body = await self._ask_often(request_body(candidates), began + self._settings.deadline_s)
            # Long prompts take a while to compare, and the daemon has other things to do.
            grouped = await in_thread(read_answer, body, candidates, abandon_on_cancel=True)
            how = BreakerInput.SUCCEEDED
        except Doubt as doubt:
            how = BreakerInput.FAILED if doubt.reason in GARBAGE else BreakerInput.SUCCEEDED
            raise MeaningError(doubt.reason, str(doubt)) from None
        except MeaningError:
            how = BreakerInput.FAILED
            raise
        finally:
            now = trio.current_time()
            # Cancelled by its deadline it has failed; cancelled because the daemon stops it says nothing.
            is_late = how is BreakerInput.GIVEN_UP and now >= began + self._settings.deadline_s
            self._breaker.leave(entry, BreakerInput.FAILED if is_late else how, now)
        return grouped

    async def _ask_often(self, question: bytes, deadline: float) -> bytes:
        def backoff(error: Exception) -> bool | float:
            if not isinstance(error, MeaningError) or not error.is_passing:
                return False
            if error.retry_after_s is None:
                return True
            wait_s = error.retry_after_s + random.uniform(0, JITTER_S)  # noqa: S311  # no secret: it spreads load
            # Whoever is told to wait for longer than anybody will has the answer already.
            return wait_s if trio.current_time() + wait_s < deadline else False

        body = b""
        async for attempt in stamina.retry_context(
            backoff, ATTEMPTS, None, wait_initial=FIRST_WAIT_S, wait_max=MOST_WAIT_S, wait_jitter=JITTER_S
        ):
            with attempt:
                body = await _request(self._http, "POST", f"{_path_of(self._settings)}:generateContent", question)
        return body


async def check_key(settings: Settings, key: str) -> None:
    """
    Ask the API for a description of the model, which costs nothing; takes at most `deadline_s`.

    Whatever else answers in its place, such as the login page of a network, says nothing of a key.

    Raises:
        MeaningError: the key, the model or the address is no good, or it cannot be told now.
    """
    async with _open_http(settings, key) as http:
        try:
            with _deadline(settings.deadline_s):
                body = await _request(http, "GET", _path_of(settings))
        except MeaningError as error:
            if error.reason in (Trouble.GARBLED, Trouble.TOO_LARGE):
                raise MeaningError(error.reason, str(error), is_passing=True) from None
            # Nothing else in this request is anybody's own, so that it is the key that the API does not like.
            if error.status == 400:
                raise MeaningError(Trouble.KEY_REFUSED, str(error)) from None
            raise
    if not describes(body, settings.model):
        message = "what answers is not the API: it does not describe the model"
        raise MeaningError(Trouble.GARBLED, message, is_passing=True)


@asynccontextmanager
async def open_gemini(settings: Settings, key: str) -> AsyncIterator[Gemini]:
    """Hold connections to the API for as long as the daemon runs."""
    async with _open_http(settings, key) as http:
        yield Gemini(settings, http)


@asynccontextmanager
async def _open_http(settings: Settings, key: str) -> AsyncIterator[httpx.AsyncClient]:
    # By default it logs what it retries, with the error in it; how a question ended is one line of ours.
    stamina.instrumentation.set_on_retry_hooks(())
    async with httpx.AsyncClient(
        base_url=settings.base_url,
        headers={
            "x-goog-api-key": key,
            "user-agent": f"concordia/{concordiad.__version__}",
            "content-type": "application/json",
            # What is not compressed cannot grow when it is read.
            "accept-encoding": "identity",
        },
        verify=ssl.create_default_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113  # each question has a deadline of its own, which covers every wait in it
        limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEPT_S),
    ) as http:
        yield http


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        message = f"the API gave no answer within {seconds:g} s"
        raise MeaningError(Trouble.TIMEOUT, message, is_passing=True) from None


def _path_of(settings: Settings) -> str:
    return f"/v1beta/models/{settings.model}"


async def _request(http: httpx.AsyncClient, method: str, path: str, content: bytes | None = None) -> bytes:
    """
    Make one request and read its response whole.

    Raises:
        MeaningError: there is none, or it is not one of 200.
    """
    try:
        async with http.stream(method, path, content=content) as response:
            body = await _read(response)
    # The library's errors may hold the request, and with it the key.
    except httpx.TransportError as error:
        raise _explain(error) from None
    except httpx.HTTPError as error:
        raise MeaningError(Trouble.GARBLED, f"the API's response is none: {type(error).__name__}") from None
    if response.status_code != 200:
        raise read_failure(response.status_code, response.headers, body, time.time())
    return body


async def _read(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise MeaningError(Trouble.GARBLED, "the API's response is compressed, which was not asked for")
    body = bytearray()
    # Leaving the loop would leave the library's generators half read, which Trio complains of; cancelled, they end.
    with trio.CancelScope() as scope:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MOST_ANSWER_BYTES:
                scope.cancel()
    if len(body) > MOST_ANSWER_BYTES:
        raise MeaningError(Trouble.TOO_LARGE, f"the API's response is larger than {MOST_ANSWER_BYTES} bytes")
    return bytes(body)


def _explain(error: httpx.TransportError) -> MeaningError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            message = f"the API's certificate is not trusted: {cause.verify_message}"
            return MeaningError(Trouble.UNTRUSTED, message)
        cause = cause.__cause__ or cause.__context__
    message = f"the API cannot be reached: {type(error).__name__}"
    return MeaningError(Trouble.UNREACHABLE, message, is_passing=True)
