"""When the progress of a download is reported, and what is the rest of an image."""

from sluice_mqtt.domain.progress import DownloadProgress

T0 = 1_700_000_000.0
SIZE = 1000


def test_progress_is_reported_at_the_first_byte_and_then_once_an_interval() -> None:
    progress = DownloadProgress()
    assert [progress.mark_reported(T0 + second, 60.0) for second in (0, 1, 59, 60, 61, 119, 121)] == [
        *(True, False, False, True, False, False, True)
    ]


def test_completion_is_reported_once() -> None:
    progress = DownloadProgress()
    assert progress.mark_completed()
    assert not progress.mark_completed()


def test_an_image_that_is_fetched_again_after_completion_is_completed_again() -> None:
    progress = DownloadProgress()
    assert progress.mark_completed()
    assert progress.mark_reported(T0, 60.0)
    assert progress.mark_completed()


def test_a_range_to_the_end_is_the_rest_only_if_all_bytes_before_it_were_sent() -> None:
    progress = DownloadProgress()
    assert progress.is_rest(0, SIZE, SIZE)
    assert not progress.is_rest(500, SIZE, SIZE)
    progress.mark_sent(0, 500)
    assert not progress.is_rest(0, 500, SIZE)
    assert progress.is_rest(500, SIZE, SIZE)
    assert progress.is_rest(400, SIZE, SIZE)
    assert not progress.is_rest(501, SIZE, SIZE)


def test_ranges_at_the_end_or_the_beginning_do_not_reset_what_was_sent() -> None:
    progress = DownloadProgress()
    for first, end in ((0, 500), (999, 1000), (0, 10)):
        progress.mark_sent(first, end)
    assert progress.is_rest(500, SIZE, SIZE)


def test_where_another_replica_sent_the_beginning_a_range_that_continues_one_of_ours_is_the_rest() -> None:
    progress = DownloadProgress()
    progress.mark_sent(300, 600)
    assert progress.is_rest(600, SIZE, SIZE)
    assert not progress.is_rest(599, SIZE, SIZE)
    assert not progress.is_rest(601, SIZE, SIZE)
