"""The image token: the right of one attempt of one device to fetch one image until a moment.

A token is the payload (version, device, task, image, attempt, not-after) and a truncated HMAC-SHA256 over it
(RFC 2104; 128 bits kept, §5), base64url without padding: 80 characters, one CoAP path segment (at most 255 bytes,
RFC 7252 §5.10.1). It leaves out whether the attempt is still the current one: the gateway asks its registration.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

_FORMAT = struct.Struct(">B12s12s12sHxI")
_ID_BYTES = 12
_MAC_BYTES = 16
_VERSION = 1
_MIN_KEY_BYTES = 32
TOKEN_LENGTH = 80
"""Characters of every token."""
ENVELOPE_SUFFIX = ".dsse"
"""What a device appends to the URL of its image to fetch the signed envelope of its package's manifest.

The envelope is a file of its own in the bucket of images; its id is the image's with the same suffix.
"""


class InvalidTokenError(ValueError):
    """The token is malformed or not signed by this platform."""


@dataclass(frozen=True)
class ImageToken:
    """What a token says; ids are 24 hex digits, `not_after` is in seconds since 1970."""

    device_id: str
    task_id: str
    image_id: str
    attempt: int
    not_after: int


class TokenSigner:
    """Signs and checks image tokens with the keys of a kind of gateway.

    Args:
        key: Signs.
        older: Check too: what they have signed is valid until it ends.

    Raises:
        ValueError: A key is shorter than 32 bytes.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._keys = (key, *older)
        if any(len(each) < _MIN_KEY_BYTES for each in self._keys):
            raise ValueError(f"a token key needs at least {_MIN_KEY_BYTES} bytes")

    def sign(self, token: ImageToken) -> str:
        """Return the token as text.

        Raises:
            ValueError: An id is not 24 hex digits or a number is out of range.
        """
        ids = [bytes.fromhex(i) for i in (token.device_id, token.task_id, token.image_id)]
        if any(len(i) != _ID_BYTES for i in ids):
            raise ValueError("ids in a token are 24 hex digits")
        try:
            payload = _FORMAT.pack(_VERSION, *ids, token.attempt, token.not_after)
        except struct.error as error:
            raise ValueError(f"not representable in a token: {error}") from error
        return urlsafe_b64encode(payload + _mac(self._keys[0], payload)).decode()

    def verify(self, text: str) -> ImageToken:
        """Return what a token says; compares in constant time.

        Raises:
            InvalidTokenError: Malformed, or not signed with one of these keys.
        """
        if len(text) != TOKEN_LENGTH:
            raise InvalidTokenError("wrong length")
        try:
            raw = urlsafe_b64decode(text)
        except ValueError as error:
            raise InvalidTokenError("not base64url") from error
        payload, mac = raw[: _FORMAT.size], raw[_FORMAT.size :]
        if not any(hmac.compare_digest(mac, _mac(key, payload)) for key in self._keys):
            raise InvalidTokenError("wrong signature")
        version, device, task, image, attempt, not_after = _FORMAT.unpack(payload)
        if version != _VERSION:
            raise InvalidTokenError("unknown version")
        return ImageToken(device.hex(), task.hex(), image.hex(), attempt, not_after)


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:_MAC_BYTES]
