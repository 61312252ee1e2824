import pytest

from sluice_embedded.adapters.sockets import NoSuchAddressError, PortTakenError, free_base, is_free
from sluice_embedded.domain.ports import HIGHEST_BASE


def test_where_no_block_of_ports_is_left_the_error_says_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_TEST_PORT_BASE", str(HIGHEST_BASE + 1))
    with pytest.raises(PortTakenError, match=f"from {HIGHEST_BASE + 1} to {HIGHEST_BASE}"):
        free_base()


def test_an_address_that_this_machine_does_not_have_is_named() -> None:
    with pytest.raises(NoSuchAddressError, match=r"no address 192\.0\.2\.1"):  # RFC 5737: nobody's
        is_free(28_000, host="192.0.2.1")
