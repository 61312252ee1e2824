"""Reads an untrusted zip from a file, streaming, with every layout check done before its contents.

Never more than one piece of a content is in memory. What names, sizes and signatures mean is for
the domain.
"""

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from sluice_signing.domain.errors import BrokenZipError, HiddenDataError, TooBigError, ZipBombError
from sluice_signing.domain.limits import PackageLimits
from sluice_signing.domain.zip_directory import parse_directory, parse_end
from sluice_signing.domain.zip_entries import (
    check_adjacent,
    check_local_name_and_extra,
    descriptor_bytes,
    local_name_and_extra_bytes,
)
from sluice_signing.domain.zip_layout import LOCAL_BYTES, MAX_DESCRIPTOR_BYTES, MAX_TAIL_BYTES, STORED, Entry

PIECE_BYTES = 64 * 1024


class ZipArchive:
    """A zip whose layout has been checked from the first byte to the last.

    Attributes:
        directory: Where the central directory lies.
        entries: Its entries, in its order.
    """

    def __init__(self, file: BinaryIO, limits: PackageLimits) -> None:
        """Read and check directory and headers; no content is read.

        Args:
            file: Seekable; has to stay open while contents are read.
            limits: Bounds on the archive.

        Raises:
            PackageRefusedError: The file is no archive of the strict layout.
        """
        self._file = file
        archive_bytes = file.seek(0, io.SEEK_END)
        if archive_bytes > limits.max_archive_bytes:
            raise TooBigError(part="zip", size=archive_bytes, limit=limits.max_archive_bytes)
        head = self._read_up_to(0, LOCAL_BYTES)
        tail = self._read_up_to(max(0, archive_bytes - MAX_TAIL_BYTES), MAX_TAIL_BYTES)
        self.directory = parse_end(head, tail, archive_bytes, limits)
        raw = self._read_up_to(self.directory.offset, self.directory.size)
        self.entries = parse_directory(raw, self.directory)
        self._data_offsets = self._check_entries()

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield an entry's content in pieces of at most 64 KiB.

        Raises:
            PackageRefusedError: At the end at the latest, if the content is damaged or has another
                size than the directory says.
        """
        stored = self._stored_pieces(entry)
        size, crc32 = 0, 0
        for piece in stored if entry.method == STORED else _inflated(stored, entry):
            size += len(piece)
            if size > entry.size:
                raise ZipBombError(name=entry.name, compressed_size=entry.compressed_size, size=size)
            crc32 = zlib.crc32(piece, crc32)
            yield piece
        if size != entry.size or crc32 != entry.crc32:
            raise BrokenZipError(detail=f"the content of {entry.name!r} is damaged")

    def _check_entries(self) -> dict[int, int]:
        """Check that the entries fill the archive, and return where their data begins."""
        data_offsets: dict[int, int] = {}
        position = 0
        for entry in sorted(self.entries, key=lambda entry: entry.header_offset):
            check_adjacent(position, entry.header_offset, entry.name)
            data_offset = self._data_offset(entry)
            position = data_offset + entry.compressed_size
            following = self._read_up_to(position, MAX_DESCRIPTOR_BYTES)
            position += descriptor_bytes(following, entry)
            data_offsets[entry.header_offset] = data_offset
        check_adjacent(position, self.directory.offset, "directory")
        return data_offsets

    def _data_offset(self, entry: Entry) -> int:
        header = self._read_up_to(entry.header_offset, LOCAL_BYTES)
        name_bytes, extra_bytes = local_name_and_extra_bytes(header, entry)
        extra_offset = entry.header_offset + LOCAL_BYTES + name_bytes
        name = self._read_up_to(entry.header_offset + LOCAL_BYTES, name_bytes)
        check_local_name_and_extra(name, self._read_up_to(extra_offset, extra_bytes), entry)
        return extra_offset + extra_bytes

    def _stored_pieces(self, entry: Entry) -> Iterator[bytes]:
        offset = self._data_offsets[entry.header_offset]
        end = offset + entry.compressed_size
        while offset < end:
            piece = self._read_up_to(offset, min(PIECE_BYTES, end - offset))
            if not piece:
                raise BrokenZipError(detail="it became shorter while it was read")
            offset += len(piece)
            yield piece

    def _read_up_to(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def _inflated(stored: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    """Yield what raw deflate data (RFC 1951) inflates to, however much one input piece yields."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in stored:
            if inflater.eof:  # it ended exactly where the piece before did
                raise HiddenDataError(name=entry.name)
            rest = piece
            while rest and not inflater.eof:
                yield inflater.decompress(rest, PIECE_BYTES)
                rest = inflater.unconsumed_tail
        # All input is taken, so what is left is less than a window.
        yield inflater.flush()
    except zlib.error as error:
        raise BrokenZipError(detail=f"the content of {entry.name!r} cannot be inflated") from error
    if not inflater.eof:
        raise BrokenZipError(detail=f"the content of {entry.name!r} ends early")
    if inflater.unused_data:
        raise HiddenDataError(name=entry.name)
