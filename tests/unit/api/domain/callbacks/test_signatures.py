"""How callbacks are signed (Standard Webhooks 1.0.0)."""

import pytest

from sluice_api.domain.callbacks.signatures import CallbackSecretError, check_secret, key_of, signature_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Of the examples of Standard Webhooks."""


def test_a_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    body = b'{"test": 2432232314}'
    found = signature_of([key_of(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_of_two_keys_both_sign_the_newer_one_first() -> None:
    first, second = (signature_of([key], "d", 1, b"{}") for key in (b"new", b"old"))
    assert signature_of([b"new", b"old"], "d", 1, b"{}") == f"{first} {second}"


def test_a_secret_that_is_any_text_is_a_key_by_its_bytes() -> None:
    assert key_of("grüße" * 5) == ("grüße" * 5).encode()


@pytest.mark.parametrize("secret", [SECRET, "x" * 24, "ü" * 12])
def test_a_key_of_24_bytes_is_long_enough(secret: str) -> None:
    check_secret(secret)


@pytest.mark.parametrize("secret", ["", "x" * 23, "ü" * 11, "whsec_", "whsec_" + "A" * 28, "whsec_" + "x" * 31])
def test_a_shorter_key_or_one_that_is_no_base64_is_refused(secret: str) -> None:
    with pytest.raises(CallbackSecretError):
        check_secret(secret)


@pytest.mark.parametrize("text", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\n", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSü", "MfKQ 9r8G"])
def test_what_is_no_base64_after_whsec_is_refused_and_signs_by_its_bytes_where_it_was_taken_before(text: str) -> None:
    with pytest.raises(CallbackSecretError):
        check_secret(f"whsec_{text}")
    assert key_of(f"whsec_{text}") == f"whsec_{text}".encode()
