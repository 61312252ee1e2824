"""MQTT 3.1.1 packets, with the bytes that the standard prescribes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_simulator.mqtt import packet as mqtt
from sluice_simulator.mqtt.packet import LogIn, MqttError, Packet


def test_connect_names_protocol_level_flags_keep_alive_and_the_log_in() -> None:
    data = mqtt.connect(LogIn("c", "u", "p"), keep_alive=60)
    assert data == b"\x10\x13" + b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"\x00\x01c\x00\x01u\x00\x01p"


def test_a_publication_at_qos_1_carries_its_number_between_topic_and_payload() -> None:
    assert mqtt.publish("a/b", b"xy", 10) == b"\x32\x09\x00\x03a/b\x00\x0axy"
    assert mqtt.publish("a/b", b"xy", 10, duplicate=True)[0] == 0x3A
    assert mqtt.publish("a/b", b"xy") == b"\x30\x07\x00\x03a/bxy"


def test_small_packets_are_as_the_standard_has_them() -> None:
    assert mqtt.puback(0x1234) == b"\x40\x02\x12\x34"
    assert mqtt.subscribe("a", 1) == b"\x82\x06\x00\x01\x00\x01a\x01"
    assert (mqtt.PINGREQ, mqtt.DISCONNECT) == (b"\xc0\x00", b"\xe0\x00")


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (16_383, b"\xff\x7f"), (16_384, b"\x80\x80\x01")],
)
def test_lengths_take_one_to_four_bytes(size: int, length: bytes) -> None:
    body = bytes(size)
    assert mqtt.split(b"\x30" + length + body) == ([Packet(3, 0, body)], b"")


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(min_value=1, max_value=40))
def test_a_stream_in_any_pieces_gives_the_same_packets(payloads: list[bytes], piece: int) -> None:
    stream = b"".join(mqtt.publish("t", payload, 9) for payload in payloads)
    found, rest = [], b""
    for at in range(0, len(stream), piece):
        packets, rest = mqtt.split(rest + stream[at : at + piece])
        found += packets
    assert rest == b""
    assert [mqtt.read_publish(packet).payload for packet in found] == payloads


@given(st.binary(max_size=64))
def test_bytes_of_any_kind_are_packets_or_a_typed_error(data: bytes) -> None:
    try:
        packets, _ = mqtt.split(data)
        for packet in packets:
            mqtt.read_publish(packet)
            mqtt.read_packet_id(packet)
            mqtt.read_connack(packet)
    except MqttError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\x01",  # five bytes of length
        b"\x30\xff\xff\xff\x7f",  # 256 MiB
    ],
)
def test_a_length_that_is_none_or_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(MqttError):
        mqtt.split(data)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(3, 4, b"\x00\x01a\x00\x01"),  # QoS 2
        Packet(3, 2, b"\x00\x01a"),  # QoS 1 without a number
        Packet(3, 0, b"\x00\x05a"),  # topic beyond the end
        Packet(3, 0, b""),
        Packet(3, 0, b"\x00\x01\xff"),  # no UTF-8
    ],
)
def test_a_malformed_publication_is_refused(packet: Packet) -> None:
    with pytest.raises(MqttError):
        mqtt.read_publish(packet)


def test_a_refused_connack_is_put_in_words() -> None:
    assert mqtt.connack_text(mqtt.read_connack(Packet(2, 0, b"\x00\x04"))) == "bad user name or password"
    assert mqtt.connack_text(99) == "refused with 99"


def test_a_text_beyond_64_kib_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        mqtt.publish("t" * 70_000, b"")
