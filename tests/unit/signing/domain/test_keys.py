import hashlib
import re
import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.signing.openssl import need_openssl

from sluice_signing import ALGORITHMS, KeyPair, keygen, load_private_key, load_public_key
from sluice_signing.domain import pkcs8
from sluice_signing.domain.errors import (
    BadKeyError,
    UnknownAlgorithmError,
    WeakPassphraseError,
    WrongPassphraseError,
)

NAMES = [algorithm.name for algorithm in ALGORITHMS]
KeyPairs = Callable[[str], KeyPair]


@pytest.mark.requirement("R041", "R042")
@pytest.mark.parametrize("name", NAMES)
def test_a_key_pair_is_read_back(name: str, key_pair: KeyPairs, passphrase: str) -> None:
    pair = key_pair(name)
    private, public = load_private_key(pair.private_pem, passphrase), load_public_key(pair.public_pem)
    assert private.public.key_id == public.key_id == pair.key_id
    assert public.algorithm.name == pair.algorithm == name
    assert public.verifies(private.sign(b"message"), b"message")


@pytest.mark.requirement("R042", "R049")
@pytest.mark.parametrize("wrong", ["", "correct horse 5", "Correct horse 5 ", "\udcff"])
def test_a_wrong_passphrase_is_reported(wrong: str, key_pair: KeyPairs) -> None:
    with pytest.raises(WrongPassphraseError):
        load_private_key(key_pair("ED25519").private_pem, wrong)


@pytest.mark.parametrize("passphrase", ["口令 1234", "x\udcff12345", "a1" * 500])
def test_any_characters_make_a_passphrase(passphrase: str) -> None:
    pair = keygen("ED25519", passphrase)
    assert load_private_key(pair.private_pem, passphrase).public.key_id == pair.key_id


@pytest.mark.requirement("R042")
@pytest.mark.parametrize("name", NAMES)
def test_openssl_opens_private_keys(name: str, key_pair: KeyPairs, passphrase: str) -> None:
    need_openssl(name)
    command = ["openssl", "pkey", "-passin", f"pass:{passphrase}", "-pubout"]
    shown = subprocess.run(command, input=key_pair(name).private_pem, capture_output=True, check=True)
    assert shown.stdout == key_pair(name).public_pem


@pytest.mark.requirement("R042")
def test_private_keys_are_derived_by_slow_scrypt_and_hold_nothing_in_the_clear(
    passphrase: str, scrypt_cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_openssl("ED25519")
    monkeypatch.setattr(pkcs8, "_SCRYPT_N", scrypt_cost)
    pair = keygen("ED25519", passphrase)
    raw = load_private_key(pair.private_pem, passphrase).material.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    command = ["openssl", "asn1parse"]
    shown = subprocess.run(command, input=pair.private_pem, capture_output=True, check=True).stdout
    assert b":scrypt" in shown
    assert re.findall(rb"INTEGER +:(\w+)", shown)[-3:] == [b"4000", b"08", b"05"]
    assert b":aes-256-cbc" in shown
    assert raw[-32:].hex().upper().encode() not in shown


def test_keys_of_openssl_are_read(passphrase: str) -> None:
    material = ec.generate_private_key(ec.SECP256K1())
    pem = material.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    assert load_private_key(pem, passphrase).public.algorithm.name == "ECDSA_256K1+SHA256"


def test_a_key_id_is_the_digest_of_the_public_key(key_pair: KeyPairs) -> None:
    pair = key_pair("RSA2048+SHA256")
    public = serialization.load_pem_public_key(pair.public_pem)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert pair.key_id == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("cut", [0, 1, 40, 100, -30])
def test_a_cut_private_key_is_no_key(cut: int, key_pair: KeyPairs, passphrase: str) -> None:
    with pytest.raises(BadKeyError):
        load_private_key(key_pair("ED25519").private_pem[:cut], passphrase)


def test_a_private_key_without_passphrase_is_refused(passphrase: str) -> None:
    pem = ec.generate_private_key(ec.SECP256K1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(BadKeyError, match="passphrase"):
        load_private_key(pem, passphrase)


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_bytes_that_are_no_public_key_are_refused(pem: bytes) -> None:
    with pytest.raises(BadKeyError):
        load_public_key(pem)


def test_a_private_key_is_no_public_key(key_pair: KeyPairs) -> None:
    with pytest.raises(BadKeyError):
        load_public_key(key_pair("ED25519").private_pem)


def test_a_private_key_shows_only_its_id(key_pair: KeyPairs, passphrase: str) -> None:
    pair = key_pair("ED25519")
    assert repr(load_private_key(pair.private_pem, passphrase)) == f"PrivateKey(key_id={pair.key_id!r})"


def test_no_key_is_made_for_an_unknown_algorithm_or_a_weak_passphrase() -> None:
    with pytest.raises(UnknownAlgorithmError):
        keygen("ROT13", "abc123")
    with pytest.raises(WeakPassphraseError):
        keygen("ED25519", "abcdef")
