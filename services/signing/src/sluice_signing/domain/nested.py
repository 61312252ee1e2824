"""Contents that can themselves be opened as a zip, judged by their two ends.

Readers look for an archive's end record within some 64 KiB of the end, and forgive what stands before the
archive or behind it: a script or an image followed by a zip opens as that zip. A content that only happens
to have the four bytes of a signature somewhere is no zip.
"""

from sluice_signing.domain.limits import KIB
from sluice_signing.domain.zip_layout import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DESCRIPTOR_SIGNATURE,
    END,
    END_BYTES,
    END_SIGNATURE,
    LOCAL_SIGNATURE,
    ZIP64_LOCATOR_BYTES,
    ZIP64_LOCATOR_SIGNATURE,
)

HEAD_BYTES = 4
TAIL_BYTES = 128 * KIB
"""Farther from the end than the readers look for an end record (Info-ZIP: 66,000 bytes)."""

# A descriptor's signature or PK00 before the first entry marks an archive split into volumes (APPNOTE §8.5.3).
_HEADS = (LOCAL_SIGNATURE, END_SIGNATURE, DESCRIPTOR_SIGNATURE, b"PK00")


def is_zip(head: bytes, tail: bytes | bytearray, size: int) -> bool:
    """Return whether a zip reader may find an archive with entries, or one that is empty and nothing else.

    Args:
        head: The content's first `HEAD_BYTES`, or all of it.
        tail: Its last `TAIL_BYTES`, or all of it.
        size: Its length in bytes.
    """
    if head.startswith(_HEADS):
        return True
    position = tail.find(END_SIGNATURE)
    while position >= 0:
        if _ends_archive(tail, position, size - len(tail)):
            return True
        position = tail.find(END_SIGNATURE, position + 1)
    return False


def _ends_archive(tail: bytes | bytearray, position: int, before: int) -> bool:
    """Return whether the signature at this position of the tail is that of a plausible end record.

    Args:
        tail: The end of the content.
        position: Where in it the signature lies.
        before: Bytes of the content before the tail.
    """
    if position + END_BYTES > len(tail):
        return False
    if tail.startswith(ZIP64_LOCATOR_SIGNATURE, max(0, position - ZIP64_LOCATOR_BYTES)):
        return True
    _, disk, directory_disk, here, entries, directory_bytes, offset, _ = END.unpack_from(tail, position)
    if directory_bytes < CENTRAL.size or offset + directory_bytes > before + position:
        return False
    # Readers expect the directory right before the end record, or where that says.
    starts = (position - directory_bytes, offset - before)
    if any(start >= 0 and tail.startswith(CENTRAL_SIGNATURE, start) for start in starts):
        return True
    # Where that cannot be seen any more, the other fields have to agree.
    whole = disk == directory_disk == 0 and here == entries
    return bool(min(starts) < 0 and whole and 0 < entries * CENTRAL.size <= directory_bytes)
