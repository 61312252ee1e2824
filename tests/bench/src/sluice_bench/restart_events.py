"""First answers of the services of `bench restart` that work on events: something waits for each, and it is done.

Each prepares what waits while its service stands still, and yields what waits until it is done.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from secrets import randbelow, token_hex
from typing import Final

from sluice_bench.kafka_groups import awaited
from sluice_bench.restart_state import State
from sluice_bench.restart_system import LOOK, Answers, System
from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.cell_requests import SlotAsk
from sluice_common.messages.device_events import DeviceCommandRequested, SlotGranted
from sluice_common.messages.execution_events import (
    DeviceCommandChanged,
    DeviceFirmwareChanged,
    ExecutionChanged,
    ExecutionStatus,
    Step,
)
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.package_events import PackageVerified
from sluice_common.messages.slots import CoverageClass, Grant, WindowKey
from sluice_common.topics import CELL_REQUESTS, COMMAND_EVENTS, DEVICE_EVENTS, EXECUTION_EVENTS, PACKAGE_EVENTS
from sluice_demo.callbacks import CallbackReceiver

_CALLBACKS_PORT: Final = 90
"""Offset of the port of the receiver of callbacks."""
_HOUR: Final = timedelta(hours=1)


@asynccontextmanager
async def relay(system: System, state: State) -> AsyncIterator[Answers]:
    """A device command that the API has taken is handed to the stage."""
    created: set[str] = set()

    def is_ours(message: object) -> bool:
        return isinstance(message, DeviceCommandRequested) and message.command_id in created

    async with awaited(system.common, DEVICE_EVENTS, is_ours) as done, system.log_in() as client:
        path = f"/devices/{state.spare_id}/commands"
        created.add((await client.create(path, {"operation": "read", "path": "/3/0/0"}))["command_id"])
        yield {"command handed on": done}


@asynccontextmanager
async def scheduler_devices(system: System, state: State) -> AsyncIterator[Answers]:
    """A device command becomes known."""
    command_id, device_id = new_id(), state.spare_id
    command = DeviceCommandRequested(
        **system.head(),
        device_id=device_id,
        command_id=command_id,
        request=Read(path="/3/0/0"),
        expires_at=now() + _HOUR,
    )

    def is_ours(message: object) -> bool:
        return isinstance(message, DeviceCommandChanged) and message.command_id == command_id

    async with awaited(system.common, COMMAND_EVENTS, is_ours) as done:
        await system.publish(DEVICE_EVENTS, device_id, command)
        yield {"event decided": done}


@asynccontextmanager
async def scheduler_cells(system: System, _: State) -> AsyncIterator[Answers]:
    """A slot of a window that was empty is granted."""
    device_id = new_id()
    window = WindowKey(network="restart", cell_id=randbelow(2**28), coverage_class=CoverageClass.LEVEL_0)
    grant = Grant(execution_id=execution_id(new_id(), device_id), attempt=1, ask_no=1)
    ask = SlotAsk(**system.head(), device_id=device_id, window=window, grant=grant, awake_until=now() + _HOUR)

    def is_ours(message: object) -> bool:
        return isinstance(message, SlotGranted) and message.grant == grant

    async with awaited(system.common, DEVICE_EVENTS, is_ours) as done:
        await system.publish(CELL_REQUESTS, window.cell_key, ask)
        yield {"slot granted": done}


@asynccontextmanager
async def projector(system: System, state: State) -> AsyncIterator[Answers]:
    """The API shows the version that a device reports."""
    device_id, version = state.spare_id, token_hex(4)
    async with system.log_in() as client:

        async def shown() -> None:
            while (await client.get(f"/devices/{device_id}"))["firmware_version"] != version:  # noqa: ASYNC110 - another process
                await asyncio.sleep(LOOK)

        message = DeviceFirmwareChanged(**system.head(), device_id=device_id, firmware_version=version)
        await system.publish(EXECUTION_EVENTS, device_id, message)
        yield {"event shown": shown}


@asynccontextmanager
async def notifier(system: System, state: State) -> AsyncIterator[Answers]:
    """A result is called back."""
    device_id, task_id = state.spare_id, new_id()
    ended = ExecutionChanged(
        **system.head(),
        execution_id=execution_id(task_id, device_id),
        task_id=task_id,
        device_id=device_id,
        version=1,
        status=ExecutionStatus.SUCCEEDED,
        step=Step.ENDED,
        attempt=1,
        max_retries=0,
        target_version="2.0.0",
        created_at=now(),
        ended_at=now(),
    )
    port = system.settings.port_base + _CALLBACKS_PORT
    async with CallbackReceiver(port, token_hex(16)) as receiver, system.log_in() as client:

        async def called_back() -> None:
            while not receiver.statuses(ended.execution_id):  # noqa: ASYNC110 - another process
                await asyncio.sleep(LOOK)

        subscription = {"event": "execution_result", "callback_url": receiver.url, "secret": receiver.secret}
        await client.create("/subscriptions", subscription)
        await system.publish(EXECUTION_EVENTS, ended.execution_id, ended)
        yield {"result called back": called_back}


@asynccontextmanager
async def signing(system: System, state: State) -> AsyncIterator[Answers]:
    """A package is verified."""
    uploaded: set[str] = set()

    def is_ours(message: object) -> bool:
        return isinstance(message, PackageVerified) and message.package_id in uploaded

    async with awaited(system.common, PACKAGE_EVENTS, is_ours) as done, system.log_in() as client:
        uploaded.add(
            await client.upload_package(
                state.package.path, version="2.0.0", product_id=state.product_id, source_versions=[]
            )
        )
        yield {"package verified": done}
