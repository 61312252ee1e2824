"""Files that are read, and files that appear as a whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(package: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path, to be closed with the block; a file is left open.

    Raises:
        OSError: It cannot be opened.
    """
    with package.open("rb") if isinstance(package, Path) else nullcontext(package) as file:
        yield file


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends without an error, and never otherwise.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f".{path.stem[:64]}-{secrets.token_hex(8)}")
    try:
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
