"""Messages are counted by the codes that CoAP knows, whatever devices send."""

from sluice_lwm2m.adapters.udp_link import Traffic
from sluice_lwm2m.domain.coap import codec
from sluice_lwm2m.domain.coap import message as coap
from sluice_lwm2m.domain.coap.message import Message
from sluice_lwm2m.metrics import by_code


def datagram(code: int) -> bytes:
    return codec.encode(Message(coap.CON, code, 1))


def test_messages_are_counted_by_code_as_coap_writes_it() -> None:
    traffic = Traffic()
    for code in (coap.GET, coap.CONTENT, coap.CONTENT, coap.NOT_FOUND):
        traffic.note(datagram(code))
    assert by_code("in", traffic) == {("in", "0.01"): 1, ("in", "2.05"): 2, ("in", "4.04"): 1}
    assert traffic.octets == 16


def test_codes_that_nobody_knows_are_one_and_what_is_no_message_is_none() -> None:
    traffic = Traffic()
    for code in range(256):
        traffic.note(b"@" + bytes((code,)) + b"\0\0")
    traffic.note(b"")
    traffic.note(b"@")
    found = by_code("in", traffic)
    assert sum(found.values()) == 256
    assert len(found) < 32
    assert found["in", "other"] > 200
