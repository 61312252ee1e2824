"""Commands for devices, and what a device does with an offer."""

import socket
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from tests.integration.mqtt.mqtt_device import Device

from sluice_common.ids import execution_id, new_id
from sluice_common.messages.base import now
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware, QueryVersion
from sluice_common.messages.snapshots import PackageSnapshot

APP = "app-1"


def fetch(paras: dict[str, Any], **headers: str) -> httpx.Response:
    """Do what a device does with an offer."""
    authorization = {"Authorization": f"Bearer {paras['access_token']}"}
    return httpx.get(paras["url"], headers=authorization | headers, timeout=30)


def ask_slowly(paras: dict[str, Any]) -> socket.socket:
    """Return a connection over which an image was asked for, with a small window and nothing read yet."""
    url = urlsplit(paras["url"])
    device = socket.socket()
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    device.settimeout(30)
    device.connect((url.hostname, url.port))
    token = paras["access_token"]
    device.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    device.recv(1)
    return device


def read_until_cut(device: socket.socket) -> int:
    """Read until the connection ends; return how many bytes came."""
    received = 0
    with suppress(ConnectionError):
        while data := device.recv(65_536):
            received += len(data)
    return received


def query(device: Device) -> QueryVersion:
    """Return a command that asks for the version."""
    return QueryVersion(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(new_id(), device.device_id),
        attempt=1,
        expires_at=now() + timedelta(minutes=3),
    )


def offer(device: Device, image: tuple[str, bytes], task_id: str, attempt: int = 1, **more: Any) -> OfferFirmware:
    """Return a command that offers an image."""
    package = PackageSnapshot(
        package_id=new_id(), version="2.0", image_id=image[0], image_size=len(image[1]), image_sha256="5f" * 32
    )
    return OfferFirmware(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(task_id, device.device_id),
        attempt=attempt,
        expires_at=now() + timedelta(minutes=3),
        package=package,
        not_after=now() + timedelta(hours=1),
        **more,
    )


def close(device: Device, task_id: str, attempt: int = 1) -> CloseDownload:
    """Return a command that closes an attempt."""
    return CloseDownload(
        app_id=APP,
        occurred_at=now(),
        device_id=device.device_id,
        command_id=new_id(),
        execution_id=execution_id(task_id, device.device_id),
        attempt=attempt,
    )
