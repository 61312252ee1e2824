from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.application.projector.fakes import AT, execution, registration

from sluice_api.application.projector.news import DeviceNews, WrittenNews, newest, news_of, registration_of
from sluice_common.messages.execution_events import DeviceFirmwareChanged

SECOND = timedelta(seconds=1)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 9))))
def test_of_many_snapshots_the_newest_of_each_is_kept_in_any_order(reported: list[tuple[str, int]]) -> None:
    kept = newest([execution(name, version) for name, version in reported], lambda s: s.device_id)
    assert {name: s.version for name, s in kept.items()} == {
        name: max(v for n, v in reported if n == name) for name, _ in reported
    }


def test_a_device_that_left_is_not_registered() -> None:
    shown = registration_of(registration("d", deregistered=True))
    assert (shown.registered, shown.last_seen, shown.lifetime) == (False, AT, 60)


def test_a_change_by_the_platform_is_no_word_of_the_device() -> None:
    assert registration_of(registration("d", seen_at=AT - SECOND)).last_seen == AT - SECOND


def test_versions_and_registrations_of_a_device_are_reported_together() -> None:
    news = news_of([execution("d", reported_version="1"), execution("silent"), registration("d"), registration("e")])
    assert news == {
        "d": DeviceNews(firmware_version="1", registration=registration_of(registration("d"))),
        "e": DeviceNews(registration=registration_of(registration("e"))),
    }


def test_of_several_versions_of_a_device_the_last_one_counts_whoever_says_it() -> None:
    reported = DeviceFirmwareChanged(app_id="a", occurred_at=AT, device_id="d", firmware_version="2")
    upgraded = execution("d", reported_version="3")
    assert news_of([execution("d", reported_version="1"), reported]) == {"d": DeviceNews(firmware_version="2")}
    assert news_of([reported, upgraded, execution("d")]) == {"d": DeviceNews(firmware_version="3")}


class Written:
    """News that are written and remembered."""

    def __init__(self) -> None:
        self.written = WrittenNews(10 * SECOND)

    def write(self, **news: DeviceNews) -> dict[str, DeviceNews]:
        """Return what of the news was worth a write, and remember it."""
        unwritten = self.written.unwritten(news)
        self.written.remember(unwritten)
        return unwritten


def test_what_was_written_is_not_written_again() -> None:
    written, news = Written(), DeviceNews(firmware_version="1", registration=registration_of(registration("d")))
    assert written.write(d=news) == {"d": msgspec.structs.replace(news, registered=True)}
    assert written.write(d=news) == {}


def test_that_a_device_is_registered_is_written_when_it_changes() -> None:
    written = Written()

    def changed(at: datetime, *, deregistered: bool) -> bool | None:
        message = registration("d", at, deregistered=deregistered)
        return written.write(d=DeviceNews(registration=registration_of(message)))["d"].registered

    ends = (False, False, True, True, False)
    found = [changed(AT + 60 * n * SECOND, deregistered=is_end) for n, is_end in enumerate(ends)]
    assert found == [True, None, False, None, True]
    assert written.write(d=DeviceNews(firmware_version="2"))["d"].registered is None


def test_of_a_change_only_what_is_new_is_written() -> None:
    written = Written()
    written.write(d=DeviceNews(firmware_version="1", registration=registration_of(registration("d"))))
    both = DeviceNews(firmware_version="2", registration=registration_of(registration("d")))
    assert written.write(d=both) == {"d": DeviceNews(firmware_version="2")}


@pytest.mark.parametrize(("later", "is_written"), [(9, False), (10, True)])
def test_a_registration_that_only_goes_on_is_written_once_per_interval(later: int, *, is_written: bool) -> None:
    written = Written()
    written.write(d=DeviceNews(registration=registration_of(registration("d"))))
    update = DeviceNews(registration=registration_of(registration("d", AT + later * SECOND)))
    assert written.write(d=update) == ({"d": update} if is_written else {})


def test_a_registration_whose_address_changed_is_written_at_once() -> None:
    written = Written()
    written.write(d=DeviceNews(registration=registration_of(registration("d"))))
    moved = DeviceNews(registration=registration_of(registration("d", AT + SECOND, address="y")))
    assert written.write(d=moved) == {"d": moved}
