"""Register and Update requests (OMA TS 1.0.2 §5.3, §8.2.3; TS 1.1.1 §6.2): parameters and object list.

Leaves out who the client is: the directory of devices knows that. What fielded clients write otherwise than the
specifications is taken where it can mean one thing only (`docs/state-of-lwm2m.md`, "Dialects").
"""

import re

import msgspec

from sluice_common.endpoint_names import is_endpoint_name
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.errors import CoapError
from sluice_lwm2m.domain.coap.link_format import ObjectList, parse_object_list
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.domain.encoding.content import LINK_FORMAT
from sluice_lwm2m.domain.encoding.errors import PayloadError

VERSIONS = ("1.0", "1.1")
MAX_OBJECT_LIST_BYTES = 2_048
_AROUND = " \t\r\n\0\"'"
"""Blanks, quotes and the NUL that ends a string in C, around a value."""
_VERSION = re.compile(r"1(?:\.([01])(?:\.[0-9]+)*)?", re.ASCII)
"""Two numbers decide: 1.0.2 is the number of a document, whose clients behave as those of 1.0 do."""
_LIFETIME = re.compile(r"[0-9]{1,20}", re.ASCII)
_BINDING = re.compile(r"[A-Z]*", re.ASCII)
_JOINT = re.compile(r"&(?=(?:ep|lt|lwm2m|b|sms|q)(?:[=&]|$))", re.IGNORECASE)
"""Between the parameters of a query in one option."""


class LifetimeBounds(msgspec.Struct, frozen=True):
    """Seconds: what holds if a client gives none, and what others are clamped to."""

    default: int
    minimum: int
    maximum: int

    def clamp(self, lifetime: int) -> int:
        """Return the lifetime within the bounds; 0 is infinite (OMA registry, object 1 version 1.2, resource 1)."""
        return max(self.minimum, min(self.maximum, lifetime or self.maximum))


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a Register or an Update; None is what an Update leaves as it is.

    Attributes:
        endpoint: Endpoint client name; empty in an Update.
        lifetime: Seconds, within the bounds.
        version: LwM2M version.
        queue_mode: Whether the client sleeps.
        objects: What it lists.
    """

    endpoint: str = ""
    lifetime: int | None = None
    version: str = VERSIONS[0]
    queue_mode: bool | None = None
    objects: ObjectList | None = None


def parse_register(request: Message, bounds: LifetimeBounds) -> Parameters:
    """Return the parameters of a Register request.

    Raises:
        CoapError: 4.00 without a usable endpoint name or with malformed parts, 4.12 for another LwM2M version.
    """
    query = _query(request)
    endpoint = query.get("ep", "")
    if not is_endpoint_name(endpoint):
        raise CoapError(coap.BAD_REQUEST, "no usable endpoint client name")
    return Parameters(
        endpoint=endpoint,
        lifetime=_lifetime(query, bounds) or bounds.default,
        version=_version(query),
        queue_mode=_queue_mode(query) or False,
        objects=_objects(request),
    )


def parse_update(request: Message, bounds: LifetimeBounds) -> Parameters:
    """Return the parameters of an Update request.

    Raises:
        CoapError: 4.00 for malformed parts.
    """
    query = _query(request)
    return Parameters(lifetime=_lifetime(query, bounds), queue_mode=_queue_mode(query), objects=_objects(request))


def _query(request: Message) -> dict[str, str]:
    """Return the parameters by their names in lower case; of those that come more than once, the first.

    Raises:
        CoapError: 4.00 for two endpoint client names.
    """
    options = [value.decode(errors="surrogateescape") for value in request.values(coap.URI_QUERY)]
    if len(options) == 1:
        options = _JOINT.split(options[0].removeprefix("?"))
    query: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if query.setdefault(name.strip().lower(), value) != value and name == "ep":
            raise CoapError(coap.BAD_REQUEST, "two endpoint client names")
    return query


def _version(query: dict[str, str]) -> str:
    found = _VERSION.fullmatch(query.get("lwm2m", VERSIONS[0]).strip(_AROUND))
    if found is None:
        raise CoapError(coap.PRECONDITION_FAILED, "unsupported LwM2M version")
    return VERSIONS[int(found[1] or 0)]


def _lifetime(query: dict[str, str], bounds: LifetimeBounds) -> int | None:
    text = query.get("lt")
    if text is None:
        return None
    found = _LIFETIME.fullmatch(text.strip(_AROUND))
    if found is None:
        raise CoapError(coap.BAD_REQUEST, "a lifetime that is no number of seconds")
    return bounds.clamp(int(found[0]))


def _queue_mode(query: dict[str, str]) -> bool | None:
    """Return whether the client queues: `b=UQ` (LwM2M 1.0) or the flag `Q` (LwM2M 1.1); None if it says neither."""
    binding = query.get("b")
    letters = "" if binding is None else binding.strip(_AROUND).upper()
    if not _BINDING.fullmatch(letters):
        raise CoapError(coap.BAD_REQUEST, "a binding that is no letters")
    if "q" in query:
        return True
    return None if binding is None else "Q" in letters


def _objects(request: Message) -> ObjectList | None:
    if not request.payload:
        return None
    if request.uint(coap.CONTENT_FORMAT) not in {None, LINK_FORMAT}:
        raise CoapError(coap.UNSUPPORTED_CONTENT_FORMAT, "an object list that is not link format")
    if len(request.payload) > MAX_OBJECT_LIST_BYTES:
        raise CoapError(coap.REQUEST_ENTITY_TOO_LARGE, "an object list that is too long")
    try:
        return parse_object_list(request.payload.decode("utf-8-sig", errors="replace").rstrip("\0"))
    except PayloadError as error:
        raise CoapError(coap.BAD_REQUEST, "a malformed object list") from error
