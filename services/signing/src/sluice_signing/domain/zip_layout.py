"""The zip format as packages may use it: records to values, and checks that leave no doubt.

The strict subset of PKWARE's APPNOTE 6.3.10 that ordinary zip tools write: one volume, no ZIP64, no
comments, no extra fields but those of times and owners, entries one after the other from the first
byte to the directory. Whatever two readers could understand differently is refused, so that what
was signed is what everybody sees.

Here are the records, the directory and its entries as values. `zip_directory` and `zip_entries` read and check them,
`zip_writing` writes them. Reading bytes from files, inflating, and rules about names and contents are found elsewhere.
"""

import struct
from dataclasses import dataclass

STORED = 0
DEFLATED = 8
FLAG_ENCRYPTED = 0x0001
FLAG_HINTS = 0x0006
"""How hard the compressor tried; no reader needs it."""
FLAG_DESCRIPTOR = 0x0008
"""Sizes and checksum follow the data instead of standing in the local header (APPNOTE §4.3.9)."""
FLAG_STRONG_ENCRYPTION = 0x0040
FLAG_UTF8 = 0x0800
"""The name is UTF-8; without it readers differ in what a name beyond ASCII is (APPNOTE §4.4.4, appendix D)."""
FLAG_MASKED_HEADERS = 0x2000

HOST_DOS = 0
HOST_NTFS = 10

MAX_NEEDED = 20
"""Version 2.0 of the format, with folders and deflate (APPNOTE §4.4.3); readers refuse what is far above."""

END = struct.Struct("<4s4H2LH")
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
DESCRIPTOR = struct.Struct("<3L")
LOCAL_SIGNATURE = b"PK\x03\x04"
END_SIGNATURE = b"PK\x05\x06"
CENTRAL_SIGNATURE = b"PK\x01\x02"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
ZIP64_SIZE = 0xFFFFFFFF
MODE_SHIFT = 16

END_BYTES = END.size
LOCAL_BYTES = LOCAL.size
MAX_DESCRIPTOR_BYTES = len(DESCRIPTOR_SIGNATURE) + DESCRIPTOR.size
MAX_TAIL_BYTES = END_BYTES + 0xFFFF
"""As far from the end as the end record can lie behind a comment."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies.

    Attributes:
        offset: Its first byte in the archive.
        size: Its length in bytes.
        entries: How many entries it lists.
    """

    offset: int
    size: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as the central directory lists it.

    Attributes:
        name: Path inside the archive.
        host: System whose attributes these are (APPNOTE §4.4.2).
        needed: Version of the format that a reader needs, times ten (§4.4.3).
        flags: General purpose flags (APPNOTE §4.4.4).
        method: Compression method (§4.4.5).
        crc32: CRC-32 of the content.
        compressed_size: Bytes in the archive.
        size: Bytes of the content.
        mode: Unix file type and permissions, 0 where unknown.
        dos_attributes: Attributes of MS-DOS and Windows, 0 where unknown.
        header_offset: First byte of the local header.
    """

    name: str
    host: int
    needed: int
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    mode: int
    dos_attributes: int
    header_offset: int
