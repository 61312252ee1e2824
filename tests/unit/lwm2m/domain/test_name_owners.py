"""Which app a name belongs to on plain CoAP, and which device registers by it."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from sluice_lwm2m.domain.name_owners import NameOwners, UnboundNames


class Device(NamedTuple):
    """A device of an app."""

    device_id: str
    app_id: str


NAMES = st.text("ab", max_size=5)
DEVICES = st.lists(st.builds(Device, st.text("0123", min_size=1, max_size=3), st.sampled_from("xyz")), max_size=5)


def test_the_longest_prefix_counts_and_the_empty_one_stands_for_all_other_names() -> None:
    owners = NameOwners({"": "x", "urn:imei:86": "y", "urn:imei:861": "z"}, UnboundNames.REFUSED)
    assert [owners.app_of(name) for name in ("urn:imei:8612", "urn:imei:8699", "meter")] == ["z", "y", "x"]


@given(st.dictionaries(NAMES, st.sampled_from("xyz")), NAMES)
def test_the_app_of_a_name_is_that_of_its_longest_prefix(apps: dict[str, str], name: str) -> None:
    prefixes = [prefix for prefix in apps if name.startswith(prefix)]
    expected = apps[max(prefixes, key=len)] if prefixes else None
    assert NameOwners(apps, UnboundNames.REFUSED).app_of(name) == expected


@given(st.dictionaries(NAMES, st.sampled_from("xyz")), NAMES, DEVICES, st.sampled_from(UnboundNames))
def test_what_other_apps_have_changes_nothing_for_the_app_to_which_a_name_is_bound(
    apps: dict[str, str], name: str, devices: list[Device], unbound: UnboundNames
) -> None:
    owners = NameOwners(apps, unbound)
    app_id = owners.app_of(name)
    if app_id is None:
        return
    alone = owners.choose(name, [device for device in devices if device.app_id == app_id])
    assert owners.choose(name, devices) == alone
    assert alone is None or alone.app_id == app_id


@given(DEVICES)
def test_a_name_that_is_bound_to_no_app_is_the_first_device_s_or_nobody_s(devices: list[Device]) -> None:
    assert NameOwners({}, UnboundNames.REFUSED).choose("n", devices) is None
    first = NameOwners({}, UnboundNames.FIRST_DEVICE).choose("n", devices)
    assert first == min(devices, key=lambda device: device.device_id, default=None)
