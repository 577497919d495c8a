"""concordiactl: what hosts type. The import is before any other one, so that no module has to be there whole."""

from concordiad import __version__

__all__ = ["__version__"]
