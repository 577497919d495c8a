"""Records that show themselves without what is nobody's business."""

from typing import ClassVar

from msgspec import Struct


class Discreet(Struct, frozen=True):
    """A record that leaves out of its repr the fields that its class names in `UNSAID`: secrets, and long texts."""

    UNSAID: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """Show the class and the other fields, as any record does."""
        said = (name for name in self.__struct_fields__ if name not in self.UNSAID)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in said)})"
