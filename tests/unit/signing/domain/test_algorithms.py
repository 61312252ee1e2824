import base64
import importlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sluice_signing import ALGORITHMS, PrivateKey
from sluice_signing.domain.algorithms import algorithm_named, algorithm_of
from sluice_signing.domain.errors import BadKeyError, UnknownAlgorithmError
from sluice_signing.domain.signature_schemes import Ecdsa

ML_DSA_65 = json.loads((Path(__file__).parent / "ml_dsa_65.json").read_text())
MESSAGE = b"DSSEv1 4 kind 4 body"
NAMES = [algorithm.name for algorithm in ALGORITHMS]
PrivateKeys = Callable[[str], PrivateKey]


@pytest.mark.requirement("R041")
def test_the_algorithms_of_the_guide_come_first() -> None:
    assert NAMES[:2] == ["ECDSA_256K1+SHA256", "RSA2048+SHA256"]


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_verifies_the_message_and_no_other(name: str, private_key: PrivateKeys) -> None:
    key = private_key(name)
    signature = key.sign(MESSAGE)
    assert key.public.verifies(signature, MESSAGE)
    assert not key.public.verifies(signature, MESSAGE + b"!")


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_with_any_bit_flipped_or_any_length_is_refused(name: str, private_key: PrivateKeys) -> None:
    key = private_key(name)
    signature = key.sign(MESSAGE)
    for position in range(len(signature)):
        changed = bytearray(signature)
        changed[position] ^= 1
        assert not key.public.verifies(bytes(changed), MESSAGE)
    for other in (b"", signature[:-1], signature + b"\0", b"\0" + signature):
        assert not key.public.verifies(other, MESSAGE)


@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_algorithm_owns_a_key(name: str, private_key: PrivateKeys) -> None:
    material = private_key(name).public.material
    assert [algorithm.name for algorithm in ALGORITHMS if algorithm.owns(material)] == [name]


@pytest.mark.parametrize("name", ["ECDSA_256K1+SHA256", "ECDSA_P256+SHA256"])
def test_the_twin_of_an_ecdsa_signature_is_refused(name: str, private_key: PrivateKeys) -> None:
    key = private_key(name)
    row = algorithm_named(name)
    assert isinstance(row, Ecdsa)
    r, s = decode_dss_signature(key.sign(MESSAGE))
    twin = encode_dss_signature(r, row.order - s)
    assert isinstance(key.public.material, ec.EllipticCurvePublicKey)
    key.public.material.verify(twin, MESSAGE, ec.ECDSA(hashes.SHA256()))  # valid mathematically
    assert not key.public.verifies(twin, MESSAGE)
    assert row.is_twin(twin)


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_made_here_is_never_the_twin(name: str, private_key: PrivateKeys) -> None:
    key = private_key(name)
    assert not any(key.public.algorithm.is_twin(key.sign(MESSAGE)) for _ in range(8))
    assert not key.public.algorithm.is_twin(b"noise")


def test_the_other_rsa_padding_is_refused(private_key: PrivateKeys) -> None:
    key = private_key("RSA3072_PSS+SHA256")
    assert isinstance(key.material, rsa.RSAPrivateKey)
    assert not key.public.verifies(key.material.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()), MESSAGE)


def test_another_hash_is_refused(private_key: PrivateKeys) -> None:
    key = private_key("RSA2048+SHA256")
    assert isinstance(key.material, rsa.RSAPrivateKey)
    assert not key.public.verifies(key.material.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()), MESSAGE)


@pytest.mark.parametrize(
    "generate",
    [
        partial(rsa.generate_private_key, 65537, 1024),  # the weak key is what is refused
        partial(rsa.generate_private_key, 3, 2048),
        partial(ec.generate_private_key, ec.SECP384R1()),
        ed448.Ed448PrivateKey.generate,
    ],
    ids=["RSA-1024", "exponent 3", "P-384", "Ed448"],
)
def test_a_key_of_no_algorithm_is_refused(
    generate: Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey],
) -> None:
    with pytest.raises(BadKeyError):
        algorithm_of(generate().public_key())


@pytest.mark.skipif("ML-DSA-65" not in NAMES, reason="the installed cryptography does not have ML-DSA-65")
@pytest.mark.parametrize("vector", ML_DSA_65["vectors"], ids=lambda vector: vector["count"])
def test_ml_dsa_65_agrees_with_published_vectors(vector: dict[str, str]) -> None:
    mldsa = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mldsa")
    raw = {name: base64.b64decode(vector[name]) for name in vector if name != "count"}
    public = mldsa.MLDSA65PublicKey.from_public_bytes(raw["public_key"])
    private = mldsa.MLDSA65PrivateKey.from_seed_bytes(raw["seed"])
    assert private.public_key().public_bytes_raw() == raw["public_key"]
    assert algorithm_of(public).name == algorithm_of(private.public_key()).name == "ML-DSA-65"
    public.verify(raw["signature"], raw["message"], raw["context"])
    assert not algorithm_named("ML-DSA-65").verifies(public, raw["signature"], raw["message"])  # of another context


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownAlgorithmError, match="MD5"):
        algorithm_named("RSA2048+MD5")
