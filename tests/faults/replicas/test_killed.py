"""Each service is killed in mid-campaign: one replica and then the other, and both at once."""

import pytest
from tests.faults.replicas.harm import both_killed, one_killed_after_the_other
from tests.faults.replicas.trial import Trial, require_sound

from sluice_embedded.domain.ports import Ports
from sluice_embedded.domain.services import all_services

_SERVICES = [service.name for service in all_services(Ports(1024), "127.0.0.1")]
_WITH_A_SHORT_ONE = [
    pytest.param(name, marks=pytest.mark.short) if name == "scheduler-devices" else name for name in _SERVICES
]


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("service", _SERVICES)
async def test_a_campaign_ends_as_without_it_when_one_replica_is_killed_and_then_the_other(
    service: str, trial: Trial
) -> None:
    judgement = await trial.under(
        f"{service}: SIGKILL of one replica, then of the other", one_killed_after_the_other(service)
    )
    require_sound(judgement)


@pytest.mark.timeout(600)
@pytest.mark.requirement("R067", "R143")
@pytest.mark.parametrize("service", _WITH_A_SHORT_ONE)
async def test_a_campaign_ends_as_without_it_when_both_replicas_are_killed_at_once(service: str, trial: Trial) -> None:
    judgement = await trial.under(f"{service}: SIGKILL of both replicas", both_killed(service))
    require_sound(judgement)
