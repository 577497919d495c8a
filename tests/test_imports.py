"""What a daemon imports before it is asked anything: memory that each one takes, whether it is used or not."""

import subprocess
import sys
from typing import Final

LIBRARIES: Final = {
    *("attr", "attrs", "cattrs", "h11", "idna", "msgspec", "outcome", "sniffio", "sortedcontainers"),
    *("structlog", "trio", "trio_websocket", "typing_extensions", "wsproto"),
}
"""What pip has installed and the daemon cannot do without, or what these cannot: a new one costs each daemon memory."""
LATER: Final = {
    *(
        "concordiad.core.details",
        "concordiad.core.phrasing",
        "concordiad.journal.salvage",
        "concordiad.core.layout",
        "concordiad.core.openrpc",
        "concordiad.core.shapes",
    ),
    *("concordiad.meaning.client", "concordiad.agent.rehearsal", "rapidfuzz", "numpy", "httpx", "stamina"),
    *("concordiad.core.spans", "concordiad.ops.traces", "opentelemetry", "requests", "google.protobuf"),
    *("http.client", "multiprocessing", "unittest", "urllib.request", "xml"),
    *("_hashlib", "_lzma", "_ssl", "asyncio.events", "click", "csv", "email", "zipfile"),
}
"""What is imported when somebody needs it, if anybody does."""


def _imported(program: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {program}; print(*sys.modules.keys() - before)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    return set(done.stdout.split())


def test_a_daemon_starts_with_no_library_that_it_can_do_without() -> None:
    """All that is imported from elsewhere is listed here; nothing of it only in case that it is needed."""
    imported = _imported("import concordiad.__main__")
    elsewhere = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"concordiad"}
    assert not elsewhere - LIBRARIES
    assert not LATER & imported


def test_what_compares_prompts_comes_with_the_first_one() -> None:
    """Reading and comparing prompts imports nothing but what is imported for it beforehand."""
    imported = _imported("from concordiad.room.comparison import load_comparison as load; load()")
    compared = _imported(
        "from concordiad.core.similarity import Stage, features, judge;"
        " judge(features('please explain the reciever'), features('explain the receiver'), list(Stage))"
    )
    assert "rapidfuzz.fuzz" in imported
    assert not compared - imported
