"""Device requests as CoAP messages, and the answers as results (OMA TS 1.0.2 §8.2.5, §8.2.6).

Reads carry no Accept option: every client then answers in a format that it has, and all of them are decoded here, so
that no read is repeated for a 4.06.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import itemgetter

from sluice_common.messages.device_events import FirmwareState, RequestResult
from sluice_common.messages.lwm2m_commands import (
    CancelObserve,
    DeviceRequest,
    Execute,
    Observe,
    Read,
    Write,
    WritePackageUri,
)
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.link_format import segments_of
from sluice_lwm2m.domain.coap.message import Message, code_text, uint_bytes
from sluice_lwm2m.domain.coap.request_response import Options, Request
from sluice_lwm2m.domain.encoding.content import TEXT, decode_content
from sluice_lwm2m.domain.encoding.errors import PayloadError
from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Asked, Path, parse_path

PACKAGE_URI = "/5/0/1"
FIRMWARE_STATE = "/5/0/3"
_REBOOTING = frozenset(("/3/0/4", "/3/0/5"))
"""Reboot and Factory Reset: Message IDs are forgotten with it, so that a retransmission would begin it anew."""
RESTARTING = frozenset(("/5/0/2", *_REBOOTING))
"""Resources whose Execute restarts the device; Update does nothing where its state is none (OMA TS 1.1.1 §E.6)."""
MAX_VALUE_BYTES = 1_024
"""Longest value that is written; no block-wise transfer towards devices."""

_DEFAULT_MAX_AGE = 60
"""Seconds (RFC 7252 §5.10.5)."""
_BUSY = frozenset((coap.SERVICE_UNAVAILABLE, coap.TOO_MANY_REQUESTS))
"""Codes by which a device asks to be asked again later (RFC 7252 §5.9.3.4, RFC 8516)."""

_REGISTER_OBSERVATION = b""
_CANCEL_OBSERVATION = b"\x01"
_AS_TEXT: Options = ((coap.CONTENT_FORMAT, uint_bytes(TEXT)),)


class UnsendableError(ValueError):
    """A device request that LwM2M has no message for."""


def path_of(request: DeviceRequest) -> str:
    """Return the path that a request is about."""
    return PACKAGE_URI if isinstance(request, WritePackageUri) else request.path


def coap_request(request: DeviceRequest, sign: Callable[[WritePackageUri], str], root: str = "") -> Request:
    """Return the CoAP request of a device request.

    Args:
        request: The request.
        sign: Returns the image URI of a `WritePackageUri`.
        root: Alternate path of the device's objects; empty for the top.

    Raises:
        UnsendableError: Malformed path, too long a value, or an observation of anything but the firmware state.
    """
    path = _uri_path(root, _parse(request))
    match request:
        case Read():
            return Request(coap.GET, path)
        case Write(value=value, content_format=content_format):
            return _write(path, value, content_format)
        case WritePackageUri():
            return _write(path, sign(request), TEXT)
        case Execute(arguments=arguments):
            payload = _value(arguments)
            options = (*path, *(_AS_TEXT if payload else ()))
            return Request(coap.POST, options, payload, once=request.path in _REBOOTING)
        case Observe() | CancelObserve():
            action = _REGISTER_OBSERVATION if isinstance(request, Observe) else _CANCEL_OBSERVATION
            return Request(coap.GET, ((coap.OBSERVE, action), *path), observation=True)


def next_block(request: Request, block: bytes) -> Request:
    """Return the request for a further block of an answer (RFC 7959 §2.4)."""
    options = [option for option in request.options if option[0] != coap.OBSERVE]
    return Request(request.code, tuple(sorted((*options, (coap.BLOCK2, block)), key=itemgetter(0))))


def result_of(request: DeviceRequest, response: Message, root: str = "") -> RequestResult:
    """Return what a device answered; what cannot be decoded is an error of a Read's result.

    Not of an Observe's: by the Observe option the observation stands (RFC 7641 §3.1), only its value is not known.
    """
    path = path_of(request)
    code = code_text(response.code)
    if response.code in _BUSY:
        return RequestResult(path=path, code=code, max_age=_max_age(response))
    if not response.is_success or not isinstance(request, Read | Observe):
        return RequestResult(path=path, code=code)
    if isinstance(request, Observe) and response.option(coap.OBSERVE) is None:
        return RequestResult(path=path, code=code, error="the device answered but does not observe")
    try:
        values = decode_content(Asked(_parse(request), root), response.uint(coap.CONTENT_FORMAT), response.payload)
    except PayloadError as error:
        if isinstance(request, Observe):
            return RequestResult(path=path, code=code)
        return RequestResult(path=path, code=code, error=str(error))
    return RequestResult(path=path, code=code, values=values)


def without_values(results: Iterable[RequestResult]) -> tuple[RequestResult, ...]:
    """Return results as they can be passed on when their values cannot."""
    return tuple(
        RequestResult(
            path=result.path, code=result.code, error="values that cannot be passed on", max_age=result.max_age
        )
        if result.values
        else result
        for result in results
    )


def firmware_state(response: Message, root: str = "") -> FirmwareState:
    """Return the state in a notification of `/5/0/3`.

    Raises:
        PayloadError: There is none, or none that exists.
    """
    if not response.is_success:
        raise PayloadError("no answer of success")
    values = decode_content(Asked((5, 0, 3), root), response.uint(coap.CONTENT_FORMAT), response.payload)
    state = values.get(FIRMWARE_STATE)
    if isinstance(state, int):
        with suppress(ValueError):
            return FirmwareState(state)
    raise PayloadError("no firmware state")


def _max_age(response: Message) -> int:
    """Return the seconds of Max-Age."""
    value = response.uint(coap.MAX_AGE)
    return _DEFAULT_MAX_AGE if value is None else value


def _parse(request: DeviceRequest) -> Path:
    path = parse_path(path_of(request))
    if path is None:
        raise UnsendableError("not a path")
    if not isinstance(request, Read) and len(path) < RESOURCE_DEPTH:
        raise UnsendableError("not a resource")
    if isinstance(request, Observe | CancelObserve) and request.path != FIRMWARE_STATE:
        raise UnsendableError(f"only {FIRMWARE_STATE} can be observed")
    return path


def _uri_path(root: str, path: Path) -> Options:
    segments = (*segments_of(root), *(str(number).encode() for number in path))
    return tuple((coap.URI_PATH, segment) for segment in segments)


def _write(path: Options, value: str, content_format: int) -> Request:
    return Request(coap.PUT, (*path, (coap.CONTENT_FORMAT, uint_bytes(content_format))), _value(value))


def _value(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > MAX_VALUE_BYTES:
        raise UnsendableError(f"a value of more than {MAX_VALUE_BYTES} bytes")
    return raw
