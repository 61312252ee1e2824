import pytest

from sluice_api.domain.secrets import hash_secret, is_secret, new_secret


def test_a_secret_is_known_by_its_hash_only() -> None:
    secret = new_secret()
    hashed = hash_secret(secret)
    assert secret not in hashed
    assert is_secret(secret, hashed)
    assert not is_secret(secret + "x", hashed)
    assert not is_secret("", hashed)


def test_equal_secrets_have_different_hashes() -> None:
    assert hash_secret("same") != hash_secret("same")


def test_secrets_are_long_and_never_repeat() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert min(map(len, secrets)) >= 43


@pytest.mark.parametrize("secret", ["密码", "a" * 1024, "\x00"])
def test_any_text_can_be_a_secret(secret: str) -> None:
    assert is_secret(secret, hash_secret(secret))
