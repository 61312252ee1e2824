import pytest

from sluice_embedded.adapters.sockets import PortTakenError, free_base
from sluice_embedded.domain.ports import HIGHEST_BASE


def test_where_no_block_of_ports_is_left_the_error_says_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_TEST_PORT_BASE", str(HIGHEST_BASE + 1))
    with pytest.raises(PortTakenError, match=f"from {HIGHEST_BASE + 1} to {HIGHEST_BASE}"):
        free_base()
