"""From coverage to window."""

import pytest
from tests.unit.rules.story.lwm2m import Story

from sluice_common.messages.device_events import RequestResult, ResourceValue
from sluice_common.messages.execution_events import ExecutionStatus, Step
from sluice_common.messages.lwm2m_commands import Read
from sluice_common.messages.slots import CoverageClass, WindowKey
from sluice_common.messages.snapshots import ProductSnapshot, UpgradePolicy


def coverage(**values: ResourceValue) -> RequestResult:
    paths = {"rsrp": "/4/0/2", "cell": "/4/0/8", "sinr": "/4/0/11"}
    found = {paths[name]: value for name, value in values.items()}
    return RequestResult(path="/4/0", code="2.05", values=found)


@pytest.mark.requirement("R066")
def test_coverage_is_read_in_one_request(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE)
    assert story.requests == (Read(path="/4/0"),)


@pytest.mark.requirement("R066", "R074")
def test_what_is_read_is_shown_with_the_class(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(coverage(rsrp=-110, cell=77, sinr=9))
    shown = story.snapshot.coverage
    assert shown
    assert (shown.cell_id, shown.rsrp, shown.sinr, shown.coverage_class) == (77, -110, 9, CoverageClass.LEVEL_1)


@pytest.mark.requirement("R067", "R072")
def test_the_device_joins_the_window_of_its_cell_and_class(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(coverage(rsrp=-95, cell=77, sinr=9))
    (ask,) = story.asks
    assert ask.window == WindowKey(network="default", cell_id=77, coverage_class=CoverageClass.LEVEL_0)


@pytest.mark.requirement("R066")
def test_scales_and_the_path_of_the_sinr_come_from_the_product(story: Story) -> None:
    product = ProductSnapshot(product_id="p", network="46001", rsrp_scale=0.1, sinr_scale=0.1, sinr_path="/33333/0/1")
    story.register().request(product=product).deadline().answer(story.read("/3/0/3", "1.0"))
    assert story.requests == (Read(path="/4/0"), Read(path="/33333/0/1"))
    story.answer(coverage(rsrp=-1101, cell=77), story.read("/33333/0/1", "120"))
    (ask,) = story.asks
    assert ask.window == WindowKey(network="46001", cell_id=77, coverage_class=CoverageClass.LEVEL_1)


def test_the_network_is_never_a_reading_of_the_device(story: Story) -> None:
    values = {"/4/0/2": -95, "/4/0/8": 77, "/4/0/9": 11, "/4/0/10": 460, "/4/0/11": 9}
    story.reach(Step.QUERY_COVERAGE).answer(RequestResult(path="/4/0", code="2.05", values=dict(values)))
    assert story.asks[0].window.network == "default"


@pytest.mark.requirement("R075")
@pytest.mark.parametrize(
    "answer",
    [
        coverage(rsrp=-95, sinr=9),
        coverage(rsrp=-95, cell=-1, sinr=9),
        RequestResult(path="/4/0", code="4.04"),
        RequestResult(path="/4/0", code="2.05", error="bad TLV"),
    ],
)
def test_a_missing_cell_id_leads_to_the_query_of_the_cell_id_alone(answer: RequestResult, story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(answer)
    assert story.step is Step.QUERY_CELL
    assert story.requests == (Read(path="/4/0/8"),)


@pytest.mark.requirement("R075", "D03")
@pytest.mark.parametrize(
    ("answer", "rsrp", "sinr"),
    [
        (coverage(rsrp=-80, cell=77), -80, None),
        (coverage(rsrp=-130, cell=77), -130, None),
        (coverage(cell=77, sinr=9), None, 9),
        (coverage(rsrp="weak", cell=77, sinr=9), None, 9),
        (coverage(cell=77), None, None),
    ],
)
def test_a_device_that_tells_its_cell_but_not_both_quantities_is_asked_no_more_and_classed_by_its_cell_alone(
    answer: RequestResult, rsrp: float | None, sinr: float | None, story: Story
) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(answer)
    assert not story.commands
    assert [ask.window.coverage_class for ask in story.asks] == [CoverageClass.CELL_ONLY]
    shown = story.snapshot.coverage
    assert shown
    assert (shown.rsrp, shown.sinr, shown.coverage_class) == (rsrp, sinr, CoverageClass.CELL_ONLY)


@pytest.mark.requirement("R075")
def test_what_was_told_without_a_cell_id_is_kept_and_classes_the_device_once_its_cell_is_known(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(coverage(rsrp=-110, sinr=9)).answer(story.read("/4/0/8", 77))
    assert story.asks[0].window == WindowKey(network="default", cell_id=77, coverage_class=CoverageClass.LEVEL_1)


def test_a_refused_sinr_elsewhere_leaves_what_the_instance_told(story: Story) -> None:
    product = ProductSnapshot(product_id="p", sinr_path="/33333/0/1")
    story.register().request(product=product).deadline().answer(story.read("/3/0/3", "1.0"))
    story.answer(coverage(rsrp=-95, cell=77), story.refused("/33333/0/1", "4.04"))
    assert story.asks[0].window.coverage_class is CoverageClass.CELL_ONLY
    assert story.snapshot.coverage
    assert story.snapshot.coverage.rsrp == -95


@pytest.mark.requirement("R074")
@pytest.mark.parametrize(
    ("bearer", "quality", "shown"),
    [(7, -11, (7, -11)), ("7", "-11.5", (7, -11.5)), (None, None, (None, None)), (-1, "bad", (None, None))],
)
def test_bearer_and_link_quality_are_shown_where_they_are_given(
    bearer: ResourceValue, quality: ResourceValue, shown: tuple[int | None, float | None], story: Story
) -> None:
    values = {"/4/0/0": bearer, "/4/0/3": quality, "/4/0/8": 77}
    story.reach(Step.QUERY_COVERAGE).answer(RequestResult(path="/4/0", code="2.05", values=values))
    coverage = story.snapshot.coverage
    assert coverage
    assert (coverage.bearer, coverage.link_quality) == shown


@pytest.mark.requirement("R075")
@pytest.mark.parametrize("code", ["5.03", "4.29"])
def test_a_busy_device_is_asked_for_its_coverage_again_and_not_for_its_cell_alone(code: str, story: Story) -> None:
    began = story.reach(Step.QUERY_COVERAGE).now
    story.answer(story.busy("/4/0", 30, code))
    assert not story.commands
    story.deadline()
    assert (story.now, story.requests) == (began + 30, (Read(path="/4/0"),))
    story.answer(coverage(rsrp=-95, cell=77, sinr=9))
    assert story.asks[0].window.coverage_class is CoverageClass.LEVEL_0


@pytest.mark.requirement("R075")
def test_an_unanswered_coverage_query_leads_to_the_query_of_the_cell_id_alone(story: Story) -> None:
    began = story.reach(Step.QUERY_COVERAGE).now
    story.deadline()
    assert story.requests == (Read(path="/4/0"),)
    story.deadline()
    assert story.now == began + 180
    assert story.step is Step.QUERY_CELL


@pytest.mark.requirement("R076")
def test_a_cell_id_alone_joins_the_cells_own_window(story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(story.refused("/4/0")).answer(story.read("/4/0/8", 77))
    (ask,) = story.asks
    assert ask.window.coverage_class is CoverageClass.CELL_ONLY


@pytest.mark.requirement("R077")
@pytest.mark.parametrize("answered", [True, False])
def test_without_a_cell_id_the_upgrade_fails(answered: bool, story: Story) -> None:
    story.reach(Step.QUERY_COVERAGE).answer(story.refused("/4/0"))
    if answered:
        story.answer(story.refused("/4/0/8", "4.04"))
    else:
        story.timed_out().deadline().deadline()
    assert (story.status, story.reason) == (ExecutionStatus.FAILED, "cell_id_unavailable")
    assert not answered or story.params == {"code": "4.04", "path": "/4/0/8"}


def test_a_further_attempt_reads_its_coverage_anew_and_may_join_another_window(story: Story) -> None:
    story.reach(Step.AWAIT_SLOT, UpgradePolicy(max_retries=1)).grant()
    story.answer(story.refused("/5/0/3")).answer()
    assert [r.window.cell_id for r in story.returns] == [77]
    story.deadline().answer(story.read("/3/0/3", "1.0"), story.read("/5/0/3", 0))
    story.answer(coverage(rsrp=-95, cell=78, sinr=9))
    (ask,) = story.asks
    assert (ask.window.cell_id, ask.grant.attempt) == (78, 2)
