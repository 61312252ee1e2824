import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from sluice_api.domain.access_tokens import AccessTokens, InvalidAccessTokenError

KEY, OTHER = "k" * 32, "x" * 32
TOKENS = AccessTokens.of([KEY], 60)


@given(st.floats(min_value=0, max_value=59))
def test_a_token_names_its_client_until_it_expires(age: float) -> None:
    token = TOKENS.issue("app", 1000)
    assert TOKENS.verified(token, 1000 + age) == ("app", 1000)
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.verified(token, 1060 + age)


def test_a_token_outlives_a_new_key_as_long_as_the_old_one_is_kept() -> None:
    token = TOKENS.issue("app", 1000)
    assert AccessTokens.of([OTHER, KEY], 60).verified(token, 1001).client_id == "app"
    with pytest.raises(InvalidAccessTokenError):
        AccessTokens.of([OTHER], 60).verified(token, 1001)


def test_who_knows_the_public_keys_can_check_tokens_and_make_none() -> None:
    public = KeySet.import_key_set(json.loads(json.dumps(TOKENS.jwks)))
    assert jwt.decode(TOKENS.issue("app", 1000), public, algorithms=["Ed25519"]).claims["sub"] == "app"
    assert "d" not in TOKENS.jwks["keys"][0]


@given(st.text(max_size=300))
def test_text_is_no_token(text: str) -> None:
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.verified(text, 0)


def other_key(token: str) -> str:
    return AccessTokens.of([OTHER], 60).issue("app", 1000) + token[:0]


def by_what_is_public(token: str) -> str:
    public = json.dumps(TOKENS.jwks["keys"][0])
    claims = jwt.decode(token, TOKENS.keys, algorithms=["Ed25519"]).claims
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(public))


def with_header(token: str, header: bytes) -> str:
    return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{token.partition('.')[2]}"


@pytest.mark.parametrize("critical", [b'["unheard-of"]', b"null", b"true", b"7", b'"exp"', b"{}", b"[]", b"[7]"])
def test_a_token_with_a_critical_header_is_refused_whatever_it_holds(critical: bytes) -> None:
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.verified(with_header(TOKENS.issue("app", 1000), b'{"alg":"Ed25519","crit":%b}' % critical), 1001)


def cut(token: str) -> str:
    return token[:-2]


def unsigned(token: str) -> str:
    return "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."


@pytest.mark.parametrize("forge", [other_key, by_what_is_public, cut, unsigned])
def test_a_forged_token_is_refused(forge: Callable[[str], str]) -> None:
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.verified(forge(TOKENS.issue("app", 1000)), 1001)


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
    key = TOKENS.keys.keys[0]
    token = jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, algorithms=["Ed25519"])
    with pytest.raises(InvalidAccessTokenError):
        TOKENS.verified(token, 1000)
