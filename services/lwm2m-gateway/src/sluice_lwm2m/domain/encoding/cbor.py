"""The part of CBOR (RFC 8949) that SenML needs: numbers, strings, arrays, maps, booleans and null.

No tags, no undefined, no nesting beyond SenML's own (ADR 0019): a decoder for all of CBOR compiles regular expressions
and builds dates, bignums and shared references for whoever can send a datagram.
"""

import struct

from sluice_lwm2m.domain.encoding.errors import PayloadError

_MAX_DEPTH = 2  # a pack is an array of maps
_INDEFINITE = 31
_BREAK = 0xFF
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None}
_EMBEDDED = 24  # below, the argument is in the head itself

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)


def decode_cbor(data: bytes) -> object:
    """Return the data item that the bytes are.

    Raises:
        PayloadError: Malformed, cut off, trailing bytes, or outside the part that is supported.
    """
    try:
        reader = _Reader(data)
        value = reader.item(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise PayloadError("malformed CBOR") from error
    if reader.at != len(data):
        raise PayloadError("bytes after the CBOR item")
    return value


class _Reader:
    """Reads one item after the other; IndexError where the bytes end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def item(self, depth: int) -> object:
        head = self._take(1)[0]
        major, low = head >> 5, head & 31
        match major:
            case _ if major == _OTHER:
                return self._simple(low)
            case _ if major in {_ARRAY, _MAP} and depth < _MAX_DEPTH:
                return self._container(major, low, depth)
        argument = self._argument(low)
        match major:
            case _ if major == _UNSIGNED:
                return argument
            case _ if major == _NEGATIVE:
                return -1 - argument
            case _ if major == _BYTES:
                return self._take(argument)
            case _ if major == _TEXT:
                return self._take(argument).decode()
        raise PayloadError("CBOR outside of what SenML uses")

    def _container(self, major: int, low: int, depth: int) -> object:
        count = None if low == _INDEFINITE else self._argument(low) * (2 if major == _MAP else 1)
        items: list[object] = []
        while len(items) != count if count is not None else self._data[self.at] != _BREAK:
            items.append(self.item(depth + 1))
        if count is None:
            self.at += 1
        if major == _ARRAY:
            return items
        if len(items) % 2:
            raise PayloadError("a CBOR key without a value")
        return dict(zip(items[::2], items[1::2], strict=True))

    def _simple(self, low: int) -> object:
        if low in _FLOATS:
            code = _FLOATS[low]
            return struct.unpack(code, self._take(struct.calcsize(code)))[0]
        if low in _SIMPLE:
            return _SIMPLE[low]
        raise PayloadError("a CBOR simple value that SenML does not use")

    def _argument(self, low: int) -> int:
        if low < _EMBEDDED:
            return low
        if low > _EMBEDDED + 3:
            raise PayloadError("a CBOR length that SenML does not use")
        return int.from_bytes(self._take(1 << (low - _EMBEDDED)))

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise IndexError
        taken = self._data[self.at : end]
        self.at = end
        return taken
