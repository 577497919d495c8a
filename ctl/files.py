"""Writing a file so that nobody ever sees half of it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ctl.failures import Failure


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """
    Write a file anew: it is there with all of its content, or as it was before. Only its owner can read it.

    What is no regular file, such as a pipe, is written directly.

    Raises:
        Failure: it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                yield stream
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from error
    try:
        try:
            with open(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(descriptor)
            os.replace(name, path)
        except OSError as error:
            raise Failure(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
