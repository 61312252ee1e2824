"""Register and Update requests (OMA TS 1.0.2 §5.3, §8.2.3; TS 1.1.1 §6.2): parameters and object list.

Leaves out who the client is: the directory of devices knows that.
"""

import msgspec

from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.link_format import parse_object_list
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.encoding.content import LINK_FORMAT
from sluice_lwm2m.domain.encoding.errors import PayloadError

VERSIONS = ("1.0", "1.1")
_MAX_ENDPOINT = 255
_MAX_UINT32 = 2**32 - 1
MAX_OBJECT_LIST_BYTES = 2_048


class LifetimeBounds(msgspec.Struct, frozen=True):
    """Seconds: what holds if a client gives none, and what others are clamped to."""

    default: int
    minimum: int
    maximum: int

    def clamp(self, lifetime: int) -> int:
        """Return the lifetime within the bounds."""
        return max(self.minimum, min(self.maximum, lifetime))


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a Register or an Update; None is what an Update leaves as it is.

    Attributes:
        endpoint: Endpoint client name; empty in an Update.
        lifetime: Seconds, within the bounds.
        version: LwM2M version.
        queue_mode: Whether the client sleeps.
        objects: Objects and instances that it lists.
    """

    endpoint: str = ""
    lifetime: int | None = None
    version: str = VERSIONS[0]
    queue_mode: bool | None = None
    objects: tuple[str, ...] | None = None


def parse_register(request: Message, bounds: LifetimeBounds) -> Parameters:
    """Return the parameters of a Register request.

    Raises:
        CoapError: 4.00 without a usable endpoint name or with malformed parts, 4.12 for another LwM2M version.
    """
    query = _query(request)
    endpoint = query.get("ep", "")
    if not 0 < len(endpoint.encode()) <= _MAX_ENDPOINT or not endpoint.isprintable():
        raise CoapError(coap.BAD_REQUEST, "no usable endpoint client name")
    version = query.get("lwm2m", VERSIONS[0])
    if version not in VERSIONS:
        raise CoapError(coap.PRECONDITION_FAILED, "unsupported LwM2M version")
    return Parameters(
        endpoint=endpoint,
        lifetime=_lifetime(query, bounds) or bounds.default,
        version=version,
        queue_mode=_queue_mode(query) or False,
        objects=_objects(request) or (),
    )


def parse_update(request: Message, bounds: LifetimeBounds) -> Parameters:
    """Return the parameters of an Update request.

    Raises:
        CoapError: 4.00 for malformed parts.
    """
    query = _query(request)
    return Parameters(lifetime=_lifetime(query, bounds), queue_mode=_queue_mode(query), objects=_objects(request))


def _query(request: Message) -> dict[str, str]:
    try:
        pairs = (value.decode().partition("=") for value in request.values(coap.URI_QUERY))
        return {name: value for name, _, value in pairs}
    except UnicodeDecodeError as error:
        raise CoapError(coap.BAD_REQUEST, "a query that is not UTF-8") from error


def _lifetime(query: dict[str, str], bounds: LifetimeBounds) -> int | None:
    text = query.get("lt")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < len(str(_MAX_UINT32)) + 1) or int(text) > _MAX_UINT32:
        raise CoapError(coap.BAD_REQUEST, "a lifetime that is no unsigned 32-bit integer")
    return bounds.clamp(int(text))


def _queue_mode(query: dict[str, str]) -> bool | None:
    """Return whether the client queues: `b=UQ` (LwM2M 1.0) or the flag `Q` (LwM2M 1.1); None if it says neither."""
    binding = query.get("b")
    if binding is not None and not set(binding) <= set("UTSNQ"):
        raise CoapError(coap.BAD_REQUEST, "an unknown binding mode")
    if "Q" in query:
        return True
    return None if binding is None else "Q" in binding


def _objects(request: Message) -> tuple[str, ...] | None:
    if not request.payload:
        return None
    if request.uint(coap.CONTENT_FORMAT) not in {None, LINK_FORMAT}:
        raise CoapError(coap.UNSUPPORTED_CONTENT_FORMAT, "an object list that is not link format")
    if len(request.payload) > MAX_OBJECT_LIST_BYTES:
        raise CoapError(coap.REQUEST_ENTITY_TOO_LARGE, "an object list that is too long")
    try:
        return parse_object_list(request.payload.decode())
    except (UnicodeDecodeError, PayloadError) as error:
        raise CoapError(coap.BAD_REQUEST, "a malformed object list") from error
