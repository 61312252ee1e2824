"""Access tokens: signed JWTs (RFC 7519, Ed25519 by RFC 9864) that say which app calls, or that the administrator does.

Who holds no private key can check a token and make none: what it needs is public (`jwks`, RFC 7517). Leaves out
whether the app still exists; the API asks the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from sluice_common.sealing import derived

ADMIN = "admin"
"""Client id of the administrator; no app can have it."""
_ISSUER = "sluice"
_ALGORITHM = "Ed25519"
_PURPOSE = b"sluice access token"


class InvalidAccessTokenError(ValueError):
    """Malformed, expired, or not signed with one of these keys."""


class AccessToken(NamedTuple):
    """What a token says.

    Attributes:
        client_id: Who calls.
        issued_at: When it was issued, seconds since 1970.
    """

    client_id: str
    issued_at: float


@dataclass(frozen=True)
class AccessTokens:
    """Issues and checks access tokens.

    Attributes:
        keys: The key pairs; the first signs, all check.
        lifetime: Seconds a token is valid.
    """

    keys: KeySet
    lifetime: int

    @classmethod
    def of(cls, secrets: Sequence[str], lifetime: int) -> "AccessTokens":
        """Return an issuer whose key pairs follow from these texts, the first of which signs."""
        return cls(KeySet([_key_pair(secret) for secret in secrets]), lifetime)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set (RFC 7517 §5), each named by its thumbprint (RFC 7638)."""
        public = [{**key.as_dict(private=False), "alg": _ALGORITHM, "use": "sig"} for key in self.keys.keys]
        return {"keys": public}

    def issue(self, client_id: str, now: float) -> str:
        """Return a token for an app, or for `ADMIN`, at `now` (seconds since 1970)."""
        issued, key = int(now), self.keys.keys[0]
        claims = {"iss": _ISSUER, "sub": client_id, "iat": now, "exp": issued + self.lifetime}
        return jwt.encode({"alg": _ALGORITHM, "kid": key.kid}, claims, key, algorithms=[_ALGORITHM])

    def verified(self, token: str, now: float) -> AccessToken:
        """Return what a valid token says.

        Raises:
            InvalidAccessTokenError: Malformed, expired, or not signed with one of these keys.
        """
        try:
            claims = jwt.decode(token, self.keys, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError, TypeError) as error:  # the last for a `crit` that is no list
            raise InvalidAccessTokenError(str(error)) from error
        subject, issued, expires = (claims.get(name) for name in ("sub", "iat", "exp"))
        if claims.get("iss") != _ISSUER or not isinstance(subject, str) or not isinstance(expires, int):
            raise InvalidAccessTokenError("claims missing")
        if now >= expires:
            raise InvalidAccessTokenError("expired")
        return AccessToken(subject, float(issued) if isinstance(issued, int | float) else 0.0)


def _key_pair(secret: str) -> OKPKey:
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(derived(secret, _PURPOSE)))
