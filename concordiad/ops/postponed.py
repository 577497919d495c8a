"""Modules that are imported by others and seldom used here: they are loaded when somebody does use them."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

OWN_HASHES: Final = (
    *("_blake2", "_md5", "_sha1", "_sha3"),
    *(("_sha2",) if sys.version_info >= (3, 12) else ("_sha256", "_sha512")),
)
"""The modules of Python's own hash functions: hashlib complains about each one that is not there."""


class _Postponed(ModuleType):
    """A module's place; what is asked of it, and it does not know, is asked of the module, which is loaded by that."""

    def __getattr__(self, name: str) -> Any:
        # Whoever imports one name from a module asks first whether it is a package.
        if name == "__path__" and self.__spec__ is not None and self.__spec__.submodule_search_locations is None:
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        # Whoever has this place goes on with it: from now on it has all that the module has, and needs no detour.
        vars(self).update(vars(module))
        return getattr(module, name)


def postpone(name: str, **known: Any) -> None:
    """
    Have a module loaded when it is first used and not when it is first imported; nothing if it is there already.

    importlib.util.LazyLoader would load it at its second import. Trio imports ssl, for connections that a daemon behind
    a proxy never has, which would take 1.2 MiB; structlog imports asyncio, for loggers that a Trio program never has,
    which would take 2.

    Args:
        name: the module's.
        known: what it can be asked for without being loaded.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        place = _Postponed(name)
        place.__spec__, place.__loader__, place.__file__ = spec, spec.loader, spec.origin
        if known and spec.submodule_search_locations is not None:
            place.__path__ = spec.submodule_search_locations
        vars(place).update(known)
        sys.modules[name] = place
        package, _, within = name.rpartition(".")
        if package:
            setattr(sys.modules[package], within, place)


def version(distribution: str) -> str:
    """
    Tell a distribution's version as importlib.metadata does, without a search where a module of that name says it.

    trio-websocket asks for Trio's as it is imported, and the search would load the parsers of mails and archives, of
    which 1.5 MiB would stay.

    Raises:
        ImportError: there is no such distribution.
    """
    said = vars(sys.modules[distribution]).get("__version__") if distribution in sys.modules else None
    if isinstance(said, str):
        return said
    from importlib.metadata import distribution as find  # noqa: PLC0415

    return find(distribution).version


def import_own_hashes() -> None:
    """
    Import hashlib and hmac with Python's own hash functions, and not with OpenSSL's, which would take 3.4 MiB.

    What a daemon hashes is short: tokens, keys, prompts. Both modules are written for a Python without OpenSSL, and TLS
    has OpenSSL when it is used. Nothing is done where Python was built without some of its own functions, as for FIPS,
    or where OpenSSL's are there already.
    """
    if "_hashlib" not in sys.modules and "hashlib" not in sys.modules and all(map(find_spec, OWN_HASHES)):
        # So an import is refused (The import system, 5.3.1 in Python's reference).
        sys.modules["_hashlib"] = None  # type: ignore[assignment]
        try:
            import_module("hmac")
        finally:
            del sys.modules["_hashlib"]
