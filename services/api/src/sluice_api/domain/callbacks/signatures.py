"""How callbacks are signed: Standard Webhooks 1.0.0, symmetric (HMAC-SHA256, RFC 2104).

A secret is given as `whsec_` and base64, as libraries of Standard Webhooks take it, or as any other text, whose UTF-8
bytes are the key. While one takes over from another both sign, so that a receiver never refuses what is ours.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_KEY_BYTES = 24


class CallbackSecretError(ValueError):
    """The secret cannot be a key; the text says why."""


def key_of(secret: str) -> bytes:
    """Return the key that a secret stands for; of one that begins as `whsec_` and goes on as no base64, its bytes."""
    return _decoded(secret) or secret.encode()


def check_secret(secret: str) -> None:
    """Refuse a secret that can be guessed, or is not what it seems to be.

    Raises:
        CallbackSecretError: It is a key of fewer than 24 bytes, or begins as `whsec_` and goes on as no base64.
    """
    if secret.startswith(PREFIX) and _decoded(secret) is None:
        raise CallbackSecretError("after whsec_ there must be base64")
    if len(key_of(secret)) < LEAST_KEY_BYTES:
        raise CallbackSecretError(f"the key has fewer than {LEAST_KEY_BYTES} bytes")


def _decoded(secret: str) -> bytes | None:
    if not secret.startswith(PREFIX):
        return None
    try:
        return b64decode(secret.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):  # the latter for what is not ASCII
        return None


def signature_of(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each key.

    Args:
        keys: The keys.
        message_id: `webhook-id`.
        timestamp: `webhook-timestamp`, seconds since 1970.
        body: The body as it is sent.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
