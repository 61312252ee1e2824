"""One package fetched by Block2 (RFC 7959 §2.4). Blocks are hashed and dropped: a device costs no image of memory."""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from sluice_simulator import packet as coap
from sluice_simulator.coap import Endpoint
from sluice_simulator.fleet import Result
from sluice_simulator.packet import Option, Packet

_DEFAULT_PORT: Final = 5683
_ASSUMED_IMAGE_BYTES: Final = 65_536
_RESERVED_EXPONENT: Final = 7
_MAX_PAUSE_SECONDS: Final = 60
_MAX_BUSY_ANSWERS: Final = 8


class UriError(ValueError):
    """A Package URI that this device cannot fetch.

    Attributes:
        result: The Update Result that says so.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.name)
        self.result = result


@dataclass(frozen=True, slots=True)
class PackageUri:
    """A `coap` URI (RFC 7252 §6) taken apart.

    Attributes:
        host: Name or address.
        port: UDP port.
        path: Percent-decoded segments.
        query: Percent-decoded arguments.
    """

    host: str
    port: int
    path: tuple[str, ...]
    query: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "PackageUri":
        """The URI in a string.

        Raises:
            UriError: Another scheme, or no URI.
        """
        try:
            parts = urlsplit(text)
            port = parts.port or _DEFAULT_PORT
        except ValueError:
            raise UriError(Result.INVALID_URI) from None
        if parts.scheme != "coap":
            known = parts.scheme in {"coaps", "coap+tcp", "coaps+tcp", "http", "https", "ftp"}
            raise UriError(Result.UNSUPPORTED_PROTOCOL if known else Result.INVALID_URI)
        if not parts.hostname:
            raise UriError(Result.INVALID_URI)
        path = tuple(unquote(segment) for segment in parts.path.split("/")[1:])
        query = tuple(unquote(argument) for argument in parts.query.split("&") if argument)
        return cls(parts.hostname, port, path, query)

    def options(self, *, path_only: bool) -> list[Option]:
        """The options of a GET for it (RFC 7252 §6.4); LiteOS clients send the path and nothing else."""
        options = [(coap.URI_PATH, segment.encode()) for segment in self.path]
        if path_only:
            return options
        if not _is_address(self.host):
            options.insert(0, (coap.URI_HOST, self.host.encode()))
        return options + [(coap.URI_QUERY, argument.encode()) for argument in self.query]


@dataclass(frozen=True, slots=True)
class Image:
    """What a finished download holds.

    Attributes:
        sha256: Hex digest.
        size: Bytes.
    """

    sha256: str
    size: int


class Download:
    """A download under way.

    Args:
        loop: Paces it.
        endpoint: Sends the GETs.
        options: Of the GET, without Block2.
        served: Called after each block with the number of blocks so far; may cancel.
        ended: Called once, with the image or with the result that tells why there is none.
        block_exponent: SZX that it asks for; the server may answer with a smaller one.
        seconds: Time over which the blocks are spread; 0 for none.
    """

    __slots__ = (
        "_block_exponent",
        "_busy_answers",
        "_ended",
        "_endpoint",
        "_etag",
        "_hash",
        "_interval",
        "_last_option",
        "_loop",
        "_options",
        "_seconds",
        "_served",
        "_started",
        "_timer",
        "blocks",
        "size",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        options: list[Option],
        *,
        served: Callable[[int], None],
        ended: Callable[[Image | Result], None],
        block_exponent: int = 6,
        seconds: float = 0.0,
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._options = coap.encode_options(options)
        self._last_option = options[-1][0] if options else 0
        self._block_exponent = block_exponent
        self._seconds = seconds
        self._served = served
        self._ended: Callable[[Image | Result], None] | None = ended
        self._hash = hashlib.sha256()
        self._etag: bytes | None = None
        self._interval = 0.0
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._busy_answers = 0
        self.blocks = 0
        self.size = 0

    def start(self) -> None:
        """Ask for the first block, and for the size of the whole (Size2, RFC 7959 §4)."""
        self._started = time.monotonic()
        self._ask()

    def cancel(self) -> None:
        """Ask for no further block; `ended` is not called any more."""
        self._ended = None
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        if self._ended is None:
            return
        number = self.size >> (self._block_exponent + 4)
        options: list[Option] = [(coap.BLOCK2, coap.uint_bytes(number << 4 | self._block_exponent))]
        if number == 0:
            options.append((coap.SIZE2, b""))
        tail = coap.encode_options(options, after=self._last_option)
        self._endpoint.request(coap.GET, self._options + tail, b"", self._answered)

    def _answered(self, response: Packet | None) -> None:
        if self._ended is None:
            return
        if response is None:
            self._end(Result.CONNECTION_LOST)
        elif response.code == coap.CONTENT:
            self._block_came(response)
        elif response.code == coap.SERVICE_UNAVAILABLE and self._busy_answers < _MAX_BUSY_ANSWERS:
            self._busy_answers += 1
            pause = response.uint(coap.MAX_AGE)
            self._ask_in(min(_MAX_PAUSE_SECONDS if pause is None else pause, _MAX_PAUSE_SECONDS))
        else:
            self._end(Result.INVALID_URI)

    def _block_came(self, response: Packet) -> None:
        more = self._take(response)
        if more is None:
            self._end(Result.INTEGRITY_CHECK_FAILED)
            return
        self._served(self.blocks)
        if self._ended is None:
            return
        if not more:
            self._end(Image(self._hash.hexdigest(), self.size))
        elif self._interval:
            self._ask_in(self._started + self.blocks * self._interval - time.monotonic())
        else:
            self._ask()

    def _take(self, response: Packet) -> bool | None:
        """Add a block; whether more follow, or None when it does not continue what is there."""
        block = response.uint(coap.BLOCK2) or 0  # without the option it is the whole (RFC 7959 §2.2)
        number, more, exponent = block >> 4, bool(block & 8), block & 7
        etag = response.option(coap.ETAG)
        if self.blocks == 0:
            self._etag = etag
            self._set_pace(response, exponent)
        block_bytes = 1 << (exponent + 4)
        whole = len(response.payload) == block_bytes or not more
        continues = number * block_bytes == self.size and etag == self._etag
        if not continues or not whole or exponent == _RESERVED_EXPONENT:
            return None
        self._block_exponent = exponent
        self._hash.update(response.payload)
        self.size += len(response.payload)
        self.blocks += 1
        return more

    def _set_pace(self, response: Packet, exponent: int) -> None:
        if self._seconds:
            size = response.uint(coap.SIZE2) or _ASSUMED_IMAGE_BYTES
            self._interval = self._seconds / max(-(-size >> (exponent + 4)), 1)

    def _ask_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(max(seconds, 0.0), self._ask)

    def _end(self, outcome: Image | Result) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(outcome)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
