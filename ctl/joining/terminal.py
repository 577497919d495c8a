"""
A terminal with text that scrolls above and a line that is typed below.

prompt_toolkit runs in a thread with a loop of its own; Trio stays the host. Laws: only that thread writes to the
terminal while the line is shown; text waits here until the terminal has taken what came before, and who writes is told
when it is too much; whatever ends the program, the line is taken away and the terminal is as it was.
"""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from concordiad.core.codes import EXIT_CTRL_C, EXIT_DONE
from ctl.screen import Screen

PENDING_CHARACTERS: Final = 256 * 1024
"""Text that waits for the terminal before who writes has to wait."""
FRAME_S: Final = 0.03
"""Between two times that the line is taken away for text: no eye sees more."""
HISTORY_BYTES: Final = 1024 * 1024
LINES_AHEAD: Final = 100
"""Lines that were typed and not taken yet."""


class _Keyboard(Vt100Input):
    """
    Keys that are taken one by one also while text is written.

    In between, prompt_toolkit would let the terminal edit lines by itself: what is typed just then would be shown
    twice, and Ctrl-C would end the program instead of clearing the line.
    """

    def cooked_mode(self) -> AbstractContextManager[None]:
        """Leave the terminal as it is."""
        return nullcontext()


class Terminal:
    """
    The terminal of this process.

    Args:
        history: a file of what was typed before; None keeps it no longer than this.
        commands: words to complete at the beginning of the line.
        state: says in a few words how things are, for the last row.
    """

    def __init__(self, history: Path | None, commands: tuple[str, ...], state: Callable[[], str]) -> None:
        self._screen = Screen.out()
        self._pending: list[str] = []
        self._pending_characters = 0
        self._printing = self._partial = ""
        self._is_shown = trio.Event()
        self._has_output = trio.Event()
        self._has_room = trio.Event()
        self._asked_to_leave = False
        self._must_end = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._send_line, self.lines = trio.open_memory_channel[str](LINES_AHEAD)
        self._session: PromptSession[int] = PromptSession(
            self._message,
            history=_open_history(history),
            completer=WordCompleter(list(commands), sentence=True),
            complete_while_typing=False,
            bottom_toolbar=lambda: FormattedText([("class:bottom-toolbar.text", f" {state()} ")]),
            key_bindings=self._keys(),
            input=_Keyboard(sys.stdin),
            erase_when_done=True,
            reserve_space_for_menu=0,
        )
        self._session.default_buffer.accept_handler = self._accept
        self._session.app.min_redraw_interval = FRAME_S
        self._app = self._session.app

    def write(self, text: str) -> None:
        """Write text above the line; what does not end a line yet is shown as far as it came."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            self._pending.append(self._partial + whole + newline)
            self._pending_characters += len(self._pending[-1])
            self._partial = rest
        else:
            self._partial += text
        self._has_output.set()

    def refresh(self) -> None:
        """Show the last row anew."""
        self._has_output.set()

    async def pace(self) -> None:
        """Wait until not too much text waits."""
        while self._pending_characters > PENDING_CHARACTERS:
            self._has_room = trio.Event()
            await self._has_room.wait()

    async def run(self) -> int:
        """
        Show the line until the person leaves, or until cancelled.

        Returns: the exit code.
        """
        self._token = trio.lowlevel.current_trio_token()
        with self._send_line:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_when_cancelled)
                nursery.start_soon(self._put_out)
                code = await trio.to_thread.run_sync(self._run_line)
                nursery.cancel_scope.cancel()
        return code

    def flush(self) -> None:
        """Write what is left, once the line is gone."""
        text = self._printing + "".join(self._pending) + (self._partial + "\n" if self._partial else "")
        self._pending.clear()
        self._printing = self._partial = ""
        self._screen.write(text)

    def _run_line(self) -> int:
        try:
            return self._app.run(handle_sigint=False, set_exception_handler=False, pre_run=self._before_run)
        except EOFError:  # the terminal is gone
            return EXIT_DONE

    def _before_run(self) -> None:
        self._tell_host(self._is_shown.set)
        if self._must_end:
            self._app.exit(result=EXIT_DONE)

    async def _end_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self._must_end = True
            self._in_line_thread(self._end)

    def _end(self) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit(result=EXIT_DONE)

    def _in_line_thread(self, do: Callable[[], None]) -> bool:
        """Have something done where the line lives; tells whether the line is there."""
        loop = self._app.loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(do, context=self._app.context)
        except RuntimeError:  # how a loop says that it was closed meanwhile
            return False
        return True

    async def _put_out(self) -> None:
        await self._is_shown.wait()
        while True:
            await self._has_output.wait()
            self._has_output = trio.Event()
            if self._pending:
                await self._print()
                self._pending_characters = sum(map(len, self._pending))
                self._has_room.set()
            self._in_line_thread(self._app.invalidate)
            await trio.sleep(FRAME_S)

    async def _print(self) -> None:
        done = trio.Event()
        self._printing = "".join(self._pending)
        self._pending.clear()

        def write() -> None:
            self._app.output.write_raw(self._printing)
            self._app.output.flush()
            self._printing = ""

        def finish(_: Any) -> None:
            self._tell_host(done.set)

        def start() -> None:
            run_in_terminal(write).add_done_callback(finish)  # type: ignore[attr-defined]  # it is a future

        if not self._in_line_thread(start):
            await trio.sleep_forever()  # the line is gone, and so is this task in a moment
        await done.wait()

    def _tell_host(self, do: Callable[..., None], *arguments: Any) -> None:
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(do, *arguments)

    def _message(self) -> ANSI:
        open_line = f"{self._partial}\n" if self._partial else ""
        return ANSI(f"{open_line}{self._screen.style('>', 'bold')} ")

    def _accept(self, buffer: Buffer) -> bool:
        self._asked_to_leave = False
        if buffer.text.strip():
            self._tell_host(self._take_line, buffer.text)
        return False

    def _take_line(self, text: str) -> None:
        try:
            self._send_line.send_nowait(text)
        except trio.WouldBlock:
            self.write("(too much at once: the last line was not taken)\n")
        except trio.BrokenResourceError:
            pass  # nobody takes lines any more: the program is at its end

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-c")
        def clear_or_leave(press: KeyPressEvent) -> None:
            buffer = press.app.current_buffer
            if self._asked_to_leave and not buffer.text:
                press.app.exit(result=EXIT_CTRL_C)
                return
            if not buffer.text:
                self._tell_host(self.write, "(Ctrl-C again leaves the room)\n")
            self._asked_to_leave = True
            buffer.reset()

        @keys.add("c-d", filter=Condition(lambda: not self._session.default_buffer.text))
        def leave(press: KeyPressEvent) -> None:
            press.app.exit(result=EXIT_DONE)

        @keys.add("escape", "enter")
        def new_line(press: KeyPressEvent) -> None:
            press.app.current_buffer.insert_text("\n")

        return keys


class TerminalScreen(Screen):
    """Standard output as the terminal with a line shows it."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(sys.stdout)
        self._terminal = terminal

    def write(self, text: str) -> None:
        """Write above the line."""
        self._terminal.write(text)


def _open_history(path: Path | None) -> History:
    """Open a file of what was typed, for the person alone, and shortened where it has become long."""
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        if path.stat().st_size > HISTORY_BYTES:
            kept = path.read_bytes()[-HISTORY_BYTES // 2 :]
            path.write_bytes(kept[kept.find(b"\n\n#") + 1 :])
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
