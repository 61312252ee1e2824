import pytest

from sluice_api.settings import ApiSettings

KEY = "k" * 32


def test_the_key_of_access_tokens_is_its_own_or_derived() -> None:
    own = ApiSettings(access_token_key=KEY).signing_key()
    derived = ApiSettings(token_key=KEY).signing_key()
    assert own == KEY.encode()
    assert len(derived) == 32
    assert derived != KEY.encode()


@pytest.mark.parametrize(
    "settings",
    [ApiSettings(token_key=""), ApiSettings(token_key="short"), ApiSettings(access_token_key="short", token_key=KEY)],
)
def test_a_key_that_is_missing_or_short_is_refused(settings: ApiSettings) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        settings.signing_key()
