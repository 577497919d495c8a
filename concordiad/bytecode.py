"""
Half of a compiled module, as a full disk leaves it, is passed over: its source is whole.

Python 3.11, and 3.12 and 3.13 in their first versions, do not see that only a part of it could be written
(github.com/python/cpython/issues/126606), and then start nothing any more that imports it, however much space there is.
"""

from __future__ import annotations

from _frozen_importlib_external import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def pass_over_half() -> None:
    """See to that for everything that this process imports from now on."""
    read = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        try:
            return read(loader, name)
        except EOFError:
            path = loader.get_filename(name)
            return loader.source_to_code(loader.get_data(path), path)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
