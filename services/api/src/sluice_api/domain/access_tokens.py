"""Access tokens: signed JWTs (RFC 7519, HS256) that say which app calls, or that the administrator does.

Leaves out whether the app still exists; the API asks the database.
"""

from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

ADMIN = "admin"
"""Client id of the administrator; no app can have it."""
_ISSUER = "sluice"
_ALGORITHM = "HS256"


class InvalidAccessTokenError(ValueError):
    """Malformed, expired, or not signed with this key."""


@dataclass(frozen=True)
class AccessTokens:
    """Issues and checks access tokens.

    Attributes:
        key: Key of at least 32 bytes.
        lifetime: Seconds a token is valid.
    """

    key: OctKey
    lifetime: int

    @classmethod
    def of(cls, key: bytes, lifetime: int) -> "AccessTokens":
        """Return an issuer with this key."""
        return cls(OctKey.import_key(key), lifetime)

    def issue(self, client_id: str, now: float) -> str:
        """Return a token for an app, or for `ADMIN`, at `now` (seconds since 1970)."""
        issued = int(now)
        claims = {"iss": _ISSUER, "sub": client_id, "iat": issued, "exp": issued + self.lifetime}
        return jwt.encode({"alg": _ALGORITHM}, claims, self.key)

    def client_of(self, token: str, now: float) -> str:
        """Return the client id of a valid token.

        Raises:
            InvalidAccessTokenError: Malformed, expired, or not signed with this key.
        """
        try:
            claims = jwt.decode(token, self.key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError) as error:
            raise InvalidAccessTokenError(str(error)) from error
        subject, expires = claims.get("sub"), claims.get("exp")
        if claims.get("iss") != _ISSUER or not isinstance(subject, str) or not isinstance(expires, int):
            raise InvalidAccessTokenError("claims missing")
        if now >= expires:
            raise InvalidAccessTokenError("expired")
        return subject
