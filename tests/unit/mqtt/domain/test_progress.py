"""How often a download is told of."""

from sluice_mqtt.domain.progress import is_completion, is_news
from sluice_mqtt.domain.rights import Right

T0 = 1_700_000_000.0


def test_a_download_is_told_at_the_first_byte_then_once_an_interval_and_at_the_last() -> None:
    right = Right("d", "app", "t:d", 1)
    assert [is_news(right, T0 + second, 60.0) for second in (0, 1, 59, 60, 61, 119, 121)] == [
        *(True, False, False, True, False, False, True)
    ]
    assert is_completion(right)
    assert not is_completion(right)
    assert not is_news(right, T0 + 1000, 60.0)
