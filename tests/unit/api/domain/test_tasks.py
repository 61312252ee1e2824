from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.tasks import (
    TaskStatus,
    is_done,
    package_snapshot,
    product_for,
    product_snapshot,
    progress_of,
    result_of,
    stored,
    upgrade_policy,
)
from sluice_api.entrypoints.rest.schemas.tasks import Policy
from sluice_common.messages.execution_events import ExecutionStatus
from sluice_common.messages.snapshots import UpgradePolicy

COUNTS = st.dictionaries(st.sampled_from([s.value for s in ExecutionStatus]), st.integers(0, 10**6))


@pytest.mark.requirement("R139")
@given(COUNTS)
def test_progress_always_adds_up(counts: dict[str, int]) -> None:
    progress = progress_of(counts)
    assert progress["total"] == sum(counts.values()) == sum(v for k, v in progress.items() if k != "total")


@given(COUNTS)
def test_a_task_is_done_when_nothing_waits_or_runs(counts: dict[str, int]) -> None:
    assert is_done(progress_of(counts)) == (not counts.get("WAITING") and not counts.get("RUNNING"))


@pytest.mark.parametrize(
    ("counts", "result"),
    [
        ({}, None),
        ({"SUCCEEDED": 3}, "SUCCEEDED"),
        ({"SUCCEEDED": 1, "FAILED": 2}, "PARTIAL"),
        ({"FAILED": 2}, "FAILED"),
        ({"SUCCEEDED": 5, "STOPPED": 1}, "STOPPED"),
        ({"FAILED": 5, "STOPPED": 1}, "STOPPED"),
    ],
)
def test_the_result_of_a_task(counts: dict[str, int], result: str | None) -> None:
    assert result_of(progress_of(counts)) == result


@pytest.mark.requirement("R141", "R142")
def test_only_what_has_ended_may_be_deleted() -> None:
    assert {s for s in TaskStatus if s.is_final} == {TaskStatus.FINISHED, TaskStatus.STOPPED}


PRODUCT = {
    "_id": "p1",
    "protocol": "LWM2M",
    "maintenance": {"firmware_upgrade": True, "upgrade_protocol": "LWM2M"},
    "network": "n1",
    "radio": {"rsrp_scale": 0.1, "sinr_scale": 1, "sinr_path": "/4/0/11"},
}


@pytest.mark.requirement("R015")
def test_a_device_of_another_product_has_no_capability_for_the_package() -> None:
    product = product_snapshot(PRODUCT)
    assert product_for("p1", product) == product
    assert product_for("p2", product).firmware_upgrade is False
    assert product_for("p2", product).product_id == "p2"


@pytest.mark.requirement("R012", "R013")
def test_a_capability_without_protocol_is_kept_as_such() -> None:
    product = product_snapshot(PRODUCT | {"maintenance": {"firmware_upgrade": True, "upgrade_protocol": None}})
    assert (product.firmware_upgrade, product.upgrade_protocol) == (True, "")


def test_products_of_devices_that_count_bytes_from_1_say_so() -> None:
    assert product_snapshot(PRODUCT).one_based_ranges is False
    assert product_snapshot(PRODUCT | {"one_based_ranges": True}).one_based_ranges is True


def test_snapshots_survive_storage() -> None:
    package = {
        "_id": "k1",
        "version": "2",
        "image_id": "i",
        "image_size": 7,
        "image_sha256": "ab",
        "source_versions": ["1.*"],
    }
    assert stored(package_snapshot(package))["source_versions"] in (["1.*"], ("1.*",))
    assert stored(product_snapshot(PRODUCT))["network"] == "n1"


@pytest.mark.requirement("R117", "R134", "R135")
def test_a_policy_that_is_left_out_is_the_platforms_default() -> None:
    assert upgrade_policy(Policy().model_dump()) == UpgradePolicy()


def test_a_policy_keeps_what_was_asked_for() -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    policy = Policy.model_validate({"max_retries": 5, "end_at": end, "start_at": end.replace(year=2029)})
    kept = upgrade_policy(policy.model_dump())
    assert (kept.max_retries, kept.end_at) == (5, end)
