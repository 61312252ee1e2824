"""Ports: whether one is free, who has it, and where a block of free ones is."""

import atexit
import contextlib
import errno
import os
import random
import resource
import socket

import psutil

from sluice_embedded.domain.ports import CLIENT_HOST, HIGHEST_BASE, Ports

_BLOCK = 100
_TEST_PORTS = range(22_000, 32_000, _BLOCK)
_FIRST_TEST_PORT = "SLUICE_TEST_PORT_BASE"
_MAX_FILES = 65_536
_claims: dict[int, socket.socket] = {}


class PortTakenError(Exception):
    """A port that the system needs belongs to somebody else; the text names both."""


class NoSuchAddressError(Exception):
    """This machine does not have the address on which it shall listen."""


def is_free(port: int, *, udp: bool = False, host: str = "127.0.0.1") -> bool:
    """Return whether a socket can be bound to the port.

    Raises:
        NoSuchAddressError: The host is none of this machine's addresses.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EADDRNOTAVAIL:
                raise NoSuchAddressError(f"this machine has no address {host}") from error
            raise
    return True


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether somebody accepts TCP connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


def owner(port: int, *, udp: bool = False) -> str:
    """Name the process that has a port, as far as this user may know."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("udp" if udp else "tcp"):
            listening = udp or connection.status == psutil.CONN_LISTEN
            if listening and connection.laddr and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                command = " ".join(process.cmdline())[:80] or process.name()
                return f"process {connection.pid} ({command})"
    return "another user's process"


def require_free(port: int, service: str, *, udp: bool = False, host: str = "127.0.0.1") -> None:
    """Check a port before a service is started on it.

    Raises:
        PortTakenError: Names port and owner.
    """
    if not is_free(port, udp=udp, host=host):
        kind = "UDP" if udp else "TCP"
        raise PortTakenError(
            f"{kind} port {port}, which {service} needs, is taken by {owner(port, udp=udp)}.\n"
            f"End that process, or move all ports with --port-base."
        )


def free_base() -> int:
    """Return the base of a block of ports that are free now and that no other process gets while this one lives.

    It is for tests and their like. `SLUICE_TEST_PORT_BASE` says from where on to look; without it, several checkouts
    do not meet, as each looks elsewhere first.

    Raises:
        PortTakenError: There is none.
    """
    if first := os.environ.get(_FIRST_TEST_PORT):
        bases = list(range(int(first), HIGHEST_BASE + 1, _BLOCK))
    else:
        bases = list(_TEST_PORTS)
        random.Random(os.getpid()).shuffle(bases)  # noqa: S311 - spreads test runs, protects nothing
    for base in bases:
        ports = Ports(base)
        if _claim(base) and is_free(ports.coap(0), udp=True) and all(is_free(port) for port in ports.tcp()):
            return base
    raise PortTakenError(f"no block of {_BLOCK} free ports from {first or _TEST_PORTS[0]} to {HIGHEST_BASE}")


def _claim(base: int) -> bool:
    """Return whether a block is this process's: the socket at its last port, held until the process ends, says so."""
    if base not in _claims:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((CLIENT_HOST, base + _BLOCK - 1))
        except OSError:
            claim.close()
            return False
        _claims[base] = claim
        atexit.register(claim.close)
    return True


def raise_file_limit() -> None:
    """Raise the soft limit of open files, which thousands of device sockets need; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
