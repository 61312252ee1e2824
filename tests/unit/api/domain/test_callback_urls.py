"""Where app servers may be called."""

import pytest

from sluice_api.domain.callback_urls import CallbackUrlError, check_callback_url, target_of

PUBLIC = (
    "http://münchen.de/",
    "http://a_b.example.org./",
    "http://[2606:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[64:ff9b::808:808]/",
    "http://" + "a" * 63 + ".org/",
)
PRIVATE = (
    "http://１２７.0.0.1:80/",  # noqa: RUF001 - other digits of the same address
    "http://127。0。0。1:80/",
    "http://①27.0.0.1:80/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://LOCALHOST./",
    "http://a.localhost/",
)
NO_HOSTS = (
    "http://a..b/",
    "http://.example/",
    "http://a b/",
    "http://%00/",
    "http://a%2eb/",
    "http://-a.org/",
    "http://" + "a" * 70 + ".org/",
    "http://" + "a." * 130 + "org/",
)


@pytest.mark.parametrize(
    "url", ["https://example.org/cb", "http://example.org:8080/a/b?c=d", "http://93.184.216.34/", *PUBLIC]
)
def test_public_http_urls_can_be_called(url: str) -> None:
    check_callback_url(url, allow_private=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/", "scheme"),
        ("example.org", "scheme"),
        ("http:///path", "no host"),
        ("http://user:secret@example.org/", "credentials"),
        ("http://example.org/#top", "fragment"),
        ("http://example.org:99999/", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://example.org/\r\nX: y", "control character"),
        ("http://[fe80::1%25eth0]/", "no name and no address"),
        ("http://example.org/" + "x" * 2048, "longer"),
        ("http://127.0.0.1/", "private"),
        ("http://localhost:80/", "private"),
        ("http://169.254.169.254/latest", "private"),
        ("http://[::1]/", "private"),
        ("http://10.1.2.3/", "private"),
        *((url, "private") for url in PRIVATE),
        *((url, "no name and no address") for url in NO_HOSTS),
    ],
)
def test_what_must_not_be_called_is_refused_with_its_reason(url: str, why: str) -> None:
    with pytest.raises(CallbackUrlError, match=why):
        check_callback_url(url, allow_private=False)


def test_private_addresses_can_be_allowed() -> None:
    check_callback_url("http://127.0.0.1:9000/cb", allow_private=True)


def test_receivers_differ_by_host_and_port() -> None:
    assert target_of("a", "http://example.org/a") == target_of("a", "http://example.org:80/b") == "a/example.org:80"
    assert target_of("a", "https://example.org/a") == "a/example.org:443"
    assert target_of("a", "http://[1.2.3.4]/") == "a/http://[1.2.3.4]/"


def test_two_apps_that_share_a_server_share_no_receiver() -> None:
    assert target_of("a", "http://example.org/") != target_of("b", "http://example.org/")


@pytest.mark.parametrize("url", NO_HOSTS)
def test_a_host_that_cannot_be_is_refused_wherever_callbacks_may_go(url: str) -> None:
    with pytest.raises(CallbackUrlError):
        check_callback_url(url, allow_private=True)
