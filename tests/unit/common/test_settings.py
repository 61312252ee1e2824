import pytest
from pydantic import SecretStr

from sluice_common.settings import keys_of, required_keys

KEY, OTHER = "k" * 32, "o" * 32


@pytest.mark.parametrize("text", [f"{KEY},{OTHER}", f" {KEY} , {OTHER} ,", f"{KEY}\n\n{OTHER}\n"])
def test_keys_are_read_in_their_order_with_commas_or_one_a_line(text: str) -> None:
    assert keys_of(text) == required_keys(SecretStr(text), "keys") == (KEY, OTHER)


@pytest.mark.parametrize("text", ["", " ", ",", "short", f"{KEY},short"])
def test_a_key_that_is_missing_or_short_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="access_token_keys needs at least one key, and each at least 32 characters"):
        required_keys(SecretStr(text), "access_token_keys")
