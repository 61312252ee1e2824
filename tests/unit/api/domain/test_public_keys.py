import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sluice_api.domain.errors import ConflictError, InvalidError
from sluice_api.domain.models import KeyStatus
from sluice_api.domain.public_keys import read_public_key, require_usable, why_unusable
from sluice_common.reasons import ReasonCode
from sluice_signing.domain.algorithms import ALGORITHMS
from sluice_signing.domain.errors import BadKeyError
from sluice_signing.domain.keys import load_public_key


def pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.requirement("R050")
@pytest.mark.parametrize(
    ("generate", "algorithm"),
    [
        (partial(rsa.generate_private_key, 65537, 2048), "RSA-2048"),
        (partial(rsa.generate_private_key, 65537, 3072), "RSA-3072"),
        (partial(ec.generate_private_key, ec.SECP256K1()), "EC-secp256k1"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
    ],
)
def test_keys_that_can_sign_packages_are_known_by_their_fingerprint(
    generate: Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey], algorithm: str
) -> None:
    text = pem(generate().public_key())
    fingerprint, found, normal = read_public_key("\n" + text.replace("\n", "\r\n"))
    assert (found, normal) == (algorithm, text)
    assert fingerprint == read_public_key(text)[0]
    assert len(fingerprint) == 64


@pytest.mark.requirement("R050")
def test_a_fingerprint_is_the_sha_256_of_the_subject_public_key_info() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read_public_key(pem(key))[0] == hashlib.sha256(der).hexdigest()


def test_an_ml_dsa_key_is_known_where_the_library_has_it() -> None:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    try:
        key = mldsa.MLDSA65PrivateKey.generate().public_key()
    except UnsupportedAlgorithm:
        pytest.skip("the library's OpenSSL has no ML-DSA")
    assert read_public_key(pem(key))[1] == "ML-DSA-65"


def test_private_and_other_keys_are_refused() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    for text in (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        pem(ed448.Ed448PrivateKey.generate().public_key()),
        pem(rsa.generate_private_key(65537, 1024).public_key()),  # noqa: S505 - the point
        pem(rsa.generate_private_key(3, 2048).public_key()),
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "é",
        "",
    ):
        with pytest.raises(InvalidError) as caught:
            read_public_key(text)
        assert caught.value.code == "bad_public_key"


P = 2**255 - 19
Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = (0, 1, P - 1, P, P + 1, Y_OF_ORDER_8, P - Y_OF_ORDER_8)


def _ed25519(y: int, sign: int = 0) -> PublicKeyTypes:
    return ed25519.Ed25519PublicKey.from_public_bytes((y | sign << 255).to_bytes(32, "little"))


def _rsa(modulus: int) -> PublicKeyTypes:
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


WEAK: dict[str, PublicKeyTypes] = {
    **{f"small order, y {y:x}, sign {sign}": _ed25519(y, sign) for y in SMALL_ORDER for sign in (0, 1)},
    "an encoding that is not canonical": _ed25519(P + 3),
    "a modulus with a small factor": _rsa(67 * (2**2041 + 1)),
    "a prime modulus": _rsa(2**2048 - 1942289),
}


@pytest.mark.parametrize("key", WEAK.values(), ids=WEAK)
def test_a_key_for_which_anybody_can_sign_is_refused_and_told_why_by_platform_and_tool(key: PublicKeyTypes) -> None:
    with pytest.raises(InvalidError) as caught:
        read_public_key(pem(key))
    assert caught.value.code == "bad_public_key"
    with pytest.raises(BadKeyError) as refused:
        load_public_key(pem(key).encode())
    assert str(caught.value).removeprefix("pem: ") in str(refused.value)


def test_a_signature_by_a_key_of_small_order_fits_any_message() -> None:
    neutral = _ed25519(1)
    assert isinstance(neutral, ed25519.Ed25519PublicKey)
    signature = (1).to_bytes(32, "little") + bytes(32)
    for message in (b"one", b"another"):
        neutral.verify(signature, message)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (KeyStatus.ACTIVE, None),
        (KeyStatus.INACTIVE, None),
        (KeyStatus.REVOKED, ReasonCode.KEY_REVOKED),
        (KeyStatus.DELETING, ReasonCode.KEY_DELETED),
        (None, ReasonCode.KEY_DELETED),
    ],
)
def test_packages_are_usable_while_their_key_is_there_and_not_revoked(
    key: KeyStatus | None, why: ReasonCode | None
) -> None:
    assert why_unusable(key) is why


@pytest.mark.parametrize(("key", "code"), [(KeyStatus.REVOKED, "key_revoked"), (KeyStatus.DELETING, "key_deleted")])
def test_a_key_that_is_revoked_or_being_deleted_does_not_change(key: KeyStatus, code: str) -> None:
    with pytest.raises(ConflictError) as caught:
        require_usable(key)
    assert caught.value.code == code
    require_usable(KeyStatus.ACTIVE)


def test_of_several_keys_none_is_taken() -> None:
    one, two = (pem(ec.generate_private_key(ec.SECP256R1()).public_key()) for _ in range(2))
    with pytest.raises(InvalidError, match="exactly one"):
        read_public_key(one + two)
    assert read_public_key("The key of Acme:\n" + one)[2] == one


@pytest.mark.parametrize("exponent", [3, 65537])
@pytest.mark.parametrize("bits", [1024, 2048, 3072])
def test_an_rsa_key_that_is_taken_is_one_that_packages_can_be_verified_by(exponent: int, bits: int) -> None:
    key = rsa.generate_private_key(exponent, bits).public_key()
    if any(algorithm.owns(key) for algorithm in ALGORITHMS):
        assert read_public_key(pem(key))[1] == f"RSA-{bits}"
    else:
        with pytest.raises(InvalidError):
            read_public_key(pem(key))
