"""Files that are read, and files that appear as a whole or not at all."""

import errno
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
def appearing(path: Path, *, mode: int | None = None, is_new: bool = False) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends without an error, and never otherwise.

    Args:
        path: Where it appears.
        mode: Its permissions, from the first moment; by the process's mask if left out.
        is_new: Whether a file of that name is an error instead of being replaced.

    Raises:
        FileExistsError: There is a file of that name, and there must not be.
        OSError: It cannot be written.
    """
    temporary = path.with_name(f".{path.stem[:64]}-{secrets.token_hex(8)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o666 if mode is None else mode), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _rename_new(temporary, path)
        else:
            temporary.replace(path)
        _keep_names(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _rename_new(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # no such links there: FAT
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)
    else:
        temporary.unlink()


def _keep_names(folder: Path) -> None:
    """Have the names of a folder survive a loss of power, where a folder can be opened (POSIX)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
