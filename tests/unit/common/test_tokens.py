"""The image token: signed, bound, and refused when touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_common.tokens import TOKEN_LENGTH, ImageToken, InvalidTokenError, TokenSigner

KEY = b"0123456789abcdef0123456789abcdef"
TOKEN = ImageToken("65f000000000000000000001", "65f000000000000000000002", "65f000000000000000000003", 1, 1_800_000_000)
IDS = st.binary(min_size=12, max_size=12).map(bytes.hex)
TOKENS = st.builds(ImageToken, IDS, IDS, IDS, st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))


@given(TOKENS)
def test_a_signed_token_says_what_it_was_made_of(token: ImageToken) -> None:
    text = TokenSigner(KEY).sign(token)
    assert len(text) == TOKEN_LENGTH
    assert TokenSigner(KEY).verify(text) == token


@given(TOKENS, st.integers(0, TOKEN_LENGTH - 1), st.characters(codec="ascii"))
def test_a_changed_character_is_refused(token: ImageToken, position: int, character: str) -> None:
    text = TokenSigner(KEY).sign(token)
    if text[position] == character:
        return
    with pytest.raises(InvalidTokenError):
        TokenSigner(KEY).verify(text[:position] + character + text[position + 1 :])


def test_the_vector_of_the_first_format_stays_valid() -> None:
    vector = "AWXwAAAAAAAAAAAAAWXwAAAAAAAAAAAAAmXwAAAAAAAAAAAAAwABAGtJ0gDCkjTkuB872KTPRR9abOzy"
    assert TokenSigner(KEY).sign(TOKEN) == vector


def test_another_key_refuses_the_token() -> None:
    with pytest.raises(InvalidTokenError, match="signature"):
        TokenSigner(b"x" * 32).verify(TokenSigner(KEY).sign(TOKEN))


@pytest.mark.parametrize("text", ["", "x", "é" * TOKEN_LENGTH, "!" * TOKEN_LENGTH, "A" * 79, "A" * 81])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        TokenSigner(KEY).verify(text)


def test_a_short_key_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        TokenSigner(b"short")


@pytest.mark.parametrize("broken", [{"attempt": 70_000}, {"device_id": "device-1"}, {"image_id": "00"}])
def test_what_does_not_fit_into_a_token_is_refused(broken: dict[str, object]) -> None:
    fields = {name: getattr(TOKEN, name) for name in ("device_id", "task_id", "image_id", "attempt", "not_after")}
    with pytest.raises(ValueError, match=r"."):
        TokenSigner(KEY).sign(ImageToken(**{**fields, **broken}))


def test_what_an_older_key_has_signed_is_valid_as_long_as_that_key_is_kept() -> None:
    text = TokenSigner(b"x" * 32).sign(TOKEN)
    assert TokenSigner(KEY, b"x" * 32).verify(text) == TOKEN
    assert TokenSigner(KEY, b"x" * 32).sign(TOKEN) == TokenSigner(KEY).sign(TOKEN)
