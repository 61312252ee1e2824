"""Ways of speaking LwM2M that differ between client libraries (OMA TS 1.0.2 and 1.1.1, and practice)."""

from dataclasses import dataclass
from typing import Final

from sluice_simulator.encodings import SENML_CBOR, SENML_JSON, TEXT, TLV


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of speaking.

    Attributes:
        name: For people.
        lwm2m: Enabler version in the registration.
        single: Content format of a resource when the request names none.
        instance: Content format of an instance when the request names none.
        formats: Content formats that it can write.
        strict_accept: Whether any other Accept is answered 4.06; else it answers in its own format.
        confirmable: Whether notifications are CON.
        awaits_ack: Whether each step waits until the notification before it was acknowledged.
        ignores_uri_host: Whether it downloads from the server that it is registered with, taking only the URI's path.
        keeps_observation: Whether the observation's token outlives a reboot and the last notification uses it.
        knows_only_result_8: Whether every failure is reported as 8.
        failed_update_state: `/5/0/3` after a failed update.
        delivery_resource: The resource that holds the delivery method.
    """

    name: str
    lwm2m: str = "1.0"
    single: int = TEXT
    instance: int = TLV
    formats: frozenset[int] = frozenset({TEXT, TLV})
    strict_accept: bool = True
    confirmable: bool = True
    awaits_ack: bool = False
    ignores_uri_host: bool = False
    keeps_observation: bool = False
    knows_only_result_8: bool = False
    failed_update_state: int = 0
    delivery_resource: int = 9


PLAIN_TEXT: Final = Dialect("plain-text", strict_accept=False)
TLV_ONLY: Final = Dialect("tlv", single=TLV, formats=frozenset({TLV}))
SENML_CBOR_11: Final = Dialect(
    "senml-cbor",
    lwm2m="1.1",
    single=SENML_CBOR,
    instance=SENML_CBOR,
    formats=frozenset({TEXT, TLV, SENML_CBOR, SENML_JSON}),
)
SENML_JSON_11: Final = Dialect(
    "senml-json",
    lwm2m="1.1",
    instance=SENML_JSON,
    formats=frozenset({TEXT, SENML_JSON}),
)
NON_NOTIFIER: Final = Dialect("non-notifier", lwm2m="1.1", confirmable=False)
LITEOS: Final = Dialect(
    "liteos",
    strict_accept=False,
    awaits_ack=True,
    ignores_uri_host=True,
    keeps_observation=True,
    knows_only_result_8=True,
    failed_update_state=2,
    # It uses 8, which OMA gives to the protocols, for the delivery method.
    delivery_resource=8,
)

DIALECTS: Final = (PLAIN_TEXT, TLV_ONLY, SENML_CBOR_11, SENML_JSON_11, NON_NOTIFIER, LITEOS)
"""All, the plainest first."""
