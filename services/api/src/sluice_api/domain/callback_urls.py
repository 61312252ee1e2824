"""Where app servers may be called: the rules of callback URLs without I/O.

URLs are read by the HTTP client's own library, so that the host that is judged is the host that is called: it turns
`http://①27.0.0.1/` into an address that no resolver sees.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from yarl import URL

_MAX_CHARACTERS = 2048
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(\.{_LABEL})*\.?", re.ASCII)
"""A name that can be resolved (RFC 1035 §2.3.4), with underscores, which some networks use inside."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAT64 = ip_network("64:ff9b::/96")
"""IPv4 addresses as networks with IPv6 alone see them (RFC 6052 §2.1)."""
_INWARD = tuple(map(ip_network, ("::/96", "64:ff9b:1::/48", "fec0::/10")))
"""Networks that Python calls global: IPv4-compatible, local NAT64 (RFC 8215), site-local (RFC 3879)."""


class CallbackUrlError(ValueError):
    """The URL cannot be a callback; the text says why."""


def check_callback_url(url: str, *, allow_private: bool) -> None:
    """Refuse what must not be called.

    Host names are checked again when they are resolved, since they may change.

    Raises:
        CallbackUrlError: Not http(s), too long, with credentials or a fragment, of a host that cannot be, or of a
            private address.
    """
    if len(url) > _MAX_CHARACTERS:
        raise CallbackUrlError(f"the URL is longer than {_MAX_CHARACTERS} characters")
    if _CONTROL.search(url):
        raise CallbackUrlError("the URL has a control character")
    try:
        parts = URL(url)
    except ValueError as error:
        raise CallbackUrlError("not a URL") from error
    if parts.scheme not in {"http", "https"}:
        raise CallbackUrlError("the scheme must be http or https")
    if parts.user is not None or parts.password is not None:
        raise CallbackUrlError("the URL must not carry credentials")
    if parts.fragment:
        raise CallbackUrlError("the URL must not have a fragment")
    _check_host(parts.raw_host or "", allow_private=allow_private)


def _check_host(host: str, *, allow_private: bool) -> None:
    if not host:
        raise CallbackUrlError("the URL has no host")
    address = _address(host)
    if "%" in host or (address is None and not _NAME.fullmatch(host)):  # %: a zone, which only one machine knows
        raise CallbackUrlError("the host is no name and no address")
    if not allow_private and not (is_public(address) if address else _may_be_public(host)):
        raise CallbackUrlError("the address is private")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _may_be_public(name: str) -> bool:
    return not f".{name.removesuffix('.')}".endswith(".localhost")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address, or the IPv4 address that it carries, is of the internet."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _INWARD):
            return False
        carried = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            carried = IPv4Address(int(address) & 0xFFFF_FFFF)
        if carried is not None:
            return carried.is_global
    return address.is_global


def target_of(app_id: str, url: str) -> str:
    """Return the receiver of a URL as one app has it, `app/host:port`: receivers do not wait for one another.

    Two apps that share a server share no receiver. A URL that is none is its own receiver, which nothing reaches.
    """
    return f"{app_id}/{host_of(url)}"


def host_of(url: str) -> str:
    """Return host and port of a URL; one that is none is returned as it is."""
    try:
        parts = URL(url)
    except ValueError:
        return url
    return f"{parts.raw_host}:{parts.port}"
