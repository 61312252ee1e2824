"""Which messages are handled, and which are dropped."""

import asyncio

from sluice_mqtt.adapters.message_intake import MessageIntake


async def test_a_message_of_qos_0_is_dropped_while_the_most_messages_are_handled() -> None:
    gate, handled, dropped = asyncio.Event(), list[bytes](), list[None]()

    async def handle(_topic: str, payload: bytes) -> None:
        await gate.wait()
        handled.append(payload)

    intake = MessageIntake(handle, lambda: dropped.append(None), 1)
    first = asyncio.create_task(intake.handle("t", b"1", 1))
    await asyncio.sleep(0)
    assert await intake.handle("t", b"2", 0)
    assert len(dropped) == 1
    second = asyncio.create_task(intake.handle("t", b"3", 1))
    gate.set()
    assert all(await asyncio.gather(first, second))
    assert sorted(handled) == [b"1", b"3"]
    assert await intake.handle("t", b"4", 0)
    assert (handled[-1], len(dropped)) == (b"4", 1)


async def test_a_message_whose_handler_raises_may_not_be_acknowledged() -> None:
    async def fail(_topic: str, _payload: bytes) -> None:
        raise RuntimeError("a mistake")

    assert not await MessageIntake(fail, lambda: None, 1).handle("t", b"1", 0)
