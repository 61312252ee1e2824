"""The signature algorithms, in one table, each bound to the keys that it owns.

The key decides the algorithm, never the package: `algorithm_of` finds the single row that owns a
public key, so that a manifest cannot talk a verifier into using a key in another way.
"""

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sluice_signing.domain.errors import BadKeyError, UnknownAlgorithmError
from sluice_signing.domain.signature_schemes import Algorithm, Ecdsa, Ed25519, MlDsa65, Rsa, has_ml_dsa
from sluice_signing.domain.weak_keys import why_weak

ALGORITHMS: tuple[Algorithm, ...] = (
    Ecdsa(
        "ECDSA_256K1+SHA256",
        ec.SECP256K1(),
        0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
    ),
    Rsa("RSA2048+SHA256", key_bits=2048, pss=False),
    Ecdsa(
        "ECDSA_P256+SHA256",
        ec.SECP256R1(),
        0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
    ),
    Rsa("RSA3072_PSS+SHA256", key_bits=3072, pss=True),
    Ed25519("ED25519"),
    *([MlDsa65("ML-DSA-65")] if has_ml_dsa() else []),
)
"""All algorithms; the first two are those of the guide's tool, so they come first.

ML-DSA-65 is missing where the installed `cryptography` lacks it.
"""


def algorithm_named(name: str) -> Algorithm:
    """Return the algorithm of a name.

    Raises:
        UnknownAlgorithmError: There is none.
    """
    for algorithm in ALGORITHMS:
        if algorithm.name == name:
            return algorithm
    raise UnknownAlgorithmError(name=name)


def algorithm_of(key: PublicKeyTypes) -> Algorithm:
    """Return the one algorithm that a public key is bound to.

    Raises:
        BadKeyError: No algorithm owns such a key, or one like it signs for anybody.
    """
    for algorithm in ALGORITHMS:
        if algorithm.owns(key):
            if (why := why_weak(key)) is not None:
                raise BadKeyError(kind="public", detail=why)
            return algorithm
    raise BadKeyError(kind="public", detail=f"{_described(key)} belongs to no signature algorithm")


def _described(key: PublicKeyTypes) -> str:
    """Return what a key is, for who has to choose another."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA of {key.key_size} bits with the exponent {key.public_numbers().e}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"the curve {key.curve.name}"
    return f"a key of type {type(key).__name__.removesuffix('PublicKey')}"
