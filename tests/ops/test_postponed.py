"""What nobody uses takes no memory, and is there for whoever does use it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def say(program: str) -> str:
    """Run a program and return what it prints."""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_daemon_does_without_asyncio() -> None:
    """Whatever the daemon imports, another event loop is not loaded with it."""
    everything = "import concordiad.__main__, concordiad.meaning.client, sys"
    assert say(f"{everything}; print('asyncio.events' in sys.modules)") == "False"


def test_daemon_names_some_modules_and_loads_none_of_them() -> None:
    """What is there of a module that only few daemons use, once all is imported, is its place."""
    names = {"asyncio": "run", "difflib": "SequenceMatcher", "importlib.metadata": "metadata", "ssl": "SSLContext"}
    loaded = f"[name for name, part in {names}.items() if part in vars(sys.modules[name])]"
    assert say(f"import concordiad.__main__, sys; print({loaded})") == "[]"


def test_postponed_module_is_there_when_it_is_used() -> None:
    """Whoever asks it for anything has the module."""
    begin = "from concordiad.ops.postponed import postpone; postpone('asyncio'); import asyncio, sys;"
    use = "async def five(): return 5"
    assert say(
        f"{begin}\n{use}\nprint(asyncio.run(five()), sys.modules['asyncio'] is asyncio.sys.modules['asyncio'])"
    ) == ("5 True")


def test_module_that_is_there_stays() -> None:
    """What was imported before is not imported twice."""
    begin = "import json; before = json; from concordiad.ops.postponed import postpone; postpone('json'); import json;"
    assert say(f"{begin} print(json is before)") == "True"


def test_place_of_a_postponed_module_has_all_of_it_once_it_is_used() -> None:
    """Who got hold of a module before it was loaded pays for the detour once, and not at every use."""
    begin = "from concordiad.ops.postponed import postpone; postpone('ssl'); import ssl as place, sys;"
    use = "before = set(vars(place)); place.CERT_NONE;"
    assert say(f"{begin} {use} print('SSLError' in before, 'SSLError' in vars(place))") == "False True"


def test_what_a_module_is_known_to_say_does_not_load_it() -> None:
    """One name is imported from a package that is not loaded, and another one loads it for everybody."""
    begin = "from concordiad.ops.postponed import postpone; postpone('importlib.metadata', version=len);"
    use = "import importlib.metadata, sys; from importlib.metadata import version;"
    early = "print(version('abc'), 'zipfile' in sys.modules);"
    late = "import importlib.metadata._meta; print(importlib.metadata.metadata('trio')['name'])"
    assert say(f"{begin} {use} {early} {late}") == "3 False\ntrio"


def test_version_is_that_of_the_distribution() -> None:
    """It is the same, whether the module says it, says nothing, or is not there at all."""
    begin = "import importlib.metadata as all, attr, trio; from concordiad.ops.postponed import version;"
    same = "[version(name) == all.version(name) for name in ('trio', 'h11', 'outcome', 'prompt_toolkit')]"
    assert say(f"{begin} print({same})") == "[True, True, True, True]"


def test_version_of_what_is_not_installed_is_an_error() -> None:
    """What asks for it learns the same as from the module itself."""
    begin = "from importlib.metadata import PackageNotFoundError; from concordiad.ops.postponed import version\n"
    assert say(f"{begin}try: version('no-such-thing')\nexcept PackageNotFoundError as error: print(error.name)") == (
        "no-such-thing"
    )


def test_hashes_are_what_they_are_with_openssl() -> None:
    """Without OpenSSL's functions hashlib and hmac give the same, and OpenSSL is there for whoever imports it then."""
    begin = "from concordiad.ops.postponed import import_own_hashes; import_own_hashes(); import hashlib, hmac, sys;"
    same = "hashlib.sha256(b'a').digest() == _hashlib.openssl_sha256(b'a').digest()"
    keyed = "hmac.digest(b'k', b'a', 'sha1') == _hashlib.hmac_digest(b'k', b'a', 'sha1')"
    assert say(f"{begin} before = '_hashlib' in sys.modules; import _hashlib, ssl; print(before, {same}, {keyed})") == (
        "False True True"
    )


def test_python_without_hashes_of_its_own_has_openssls() -> None:
    """Where Python was built without one of its functions nothing is left out."""
    begin = "from concordiad.ops import postponed; postponed.OWN_HASHES = ('_no_such_hash',);"
    use = "postponed.import_own_hashes(); import hashlib, sys;"
    assert say(f"{begin} {use} print('_hashlib' in sys.modules)") == "True"
