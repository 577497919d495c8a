"""Modules that are imported by others and used by nobody here: they are loaded when somebody does use them."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Postponed(ModuleType):
    """A module's place; what is asked of it is asked of the module, which is loaded by that. It is no package."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def postpone(name: str) -> None:
    """
    Have a module loaded when it is first used and not when it is first imported; nothing if it is there already.

    importlib.util.LazyLoader would load it at its second import. structlog imports asyncio, for loggers that a Trio
    program never has, and that would take 2 MiB.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is not None:
        place = _Postponed(name)
        place.__spec__, place.__loader__, place.__file__ = spec, spec.loader, spec.origin
        sys.modules[name] = place
