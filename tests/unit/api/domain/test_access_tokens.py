from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from sluice_api.domain.access_tokens import AccessTokens, InvalidAccessTokenError

KEY = b"k" * 32
TOKENS = AccessTokens.of(KEY, 60)


@given(st.floats(min_value=0, max_value=59))
def test_a_token_names_its_client_until_it_expires(age: float) -> None:
    token = TOKENS.issue("app", 1000)
    assert TOKENS.client_of(token, 1000 + age) == "app"
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.client_of(token, 1060 + age)


@given(st.text(max_size=300))
def test_text_is_no_token(text: str) -> None:
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.client_of(text, 0)


def other_key(token: str) -> str:
    return AccessTokens.of(b"x" * 32, 60).issue("app", 1000) + token[:0]


def cut(token: str) -> str:
    return token[:-2]


def unsigned(token: str) -> str:
    return "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."


@pytest.mark.parametrize("forge", [other_key, cut, unsigned])
def test_a_forged_token_is_refused(forge: Callable[[str], str]) -> None:
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.client_of(forge(TOKENS.issue("app", 1000)), 1001)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "app", "exp": 2000},
        {"iss": "other", "sub": "app", "exp": 2000},
        {"iss": "sluice", "exp": 2000},
        {"iss": "sluice", "sub": "app"},
        {"iss": "sluice", "sub": 7, "exp": 2000},
        {"iss": "sluice", "sub": "app", "exp": "2000"},
    ],
)
def test_a_token_needs_all_claims(claims: dict[str, str | int]) -> None:
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(KEY))
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.client_of(token, 1000)
