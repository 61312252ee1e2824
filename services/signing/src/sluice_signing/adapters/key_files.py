"""Key pairs as files: ``private.pem`` for its owner only, ``public.pem`` for everyone."""

from pathlib import Path

from sluice_signing.adapters.files import appearing
from sluice_signing.domain.errors import BadKeyError, KeyExistsError
from sluice_signing.domain.keys import KeyPair

PRIVATE_NAME = "private.pem"
PUBLIC_NAME = "public.pem"
_MAX_KEY_BYTES = 64 * 1024


def write_key_pair(pair: KeyPair, folder: Path) -> tuple[Path, Path]:
    """Write both files into a folder, made if need be, and return their paths (R041).

    Each appears as a whole, the private one last: whoever is cut off in between has no private key without its public
    one, and no half of either.

    Raises:
        KeyExistsError: One of them is there already; nothing is overwritten.
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for path in (private, public):
        if path.exists():
            raise KeyExistsError(path=path)
    _write_new(public, pair.public_pem, mode=0o644)
    try:
        _write_new(private, pair.private_pem, mode=0o600)
    except KeyExistsError:  # somebody else's, of this moment
        public.unlink(missing_ok=True)
        raise
    except BaseException:
        for path in (private, public):
            path.unlink(missing_ok=True)
        raise
    return private, public


def read_key(path: Path, kind: str) -> bytes:
    """Return a key file's content.

    Args:
        path: The file.
        kind: ``public`` or ``private``, for the message.

    Raises:
        BadKeyError: It is too large for a key.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_MAX_KEY_BYTES + 1)
    if len(content) > _MAX_KEY_BYTES:
        raise BadKeyError(kind=kind, detail="the file is too large for a key")
    return content


def _write_new(path: Path, content: bytes, mode: int) -> None:
    # The mode is there from the first moment, and nobody's file is written to instead of a new one.
    try:
        with appearing(path, mode=mode, is_new=True) as file:
            file.write(content)
    except FileExistsError as error:
        raise KeyExistsError(path=path) from error
