"""Packages whose signatures, manifests or keys are wrong, or that were changed after they were signed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sluice_signing import PrivateKey, keygen, load_private_key
from sluice_signing.domain.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestEntry,
    pre_authentication_encoding,
)
from sluice_signing.domain.signature_schemes import Ecdsa

from .making import (
    BIN,
    PASSPHRASE,
    SIGNED_AT,
    Entries,
    Family,
    Hostile,
    contents,
    honest,
    manifest_of,
    rezipped,
    signed,
    signer,
    trusted_pems,
    zipped,
)


def _added() -> Iterator[Hostile]:
    yield Hostile("a file", rezipped(honest(), **{"more.txt": b"x"}))
    yield Hostile("an empty folder", rezipped(honest(), **{"empty/": b""}))
    yield Hostile("a second image", rezipped(honest(), **{"evil.bin": b"evil"}))


def _swapped() -> Iterator[Hostile]:
    other = signed(zipped([("app.bin", b"older firmware")]))
    envelope = contents(other)[MANIFEST_NAME]
    yield Hostile("of an older package", zipped([("app.bin", b"new! firmware!"), (MANIFEST_NAME, envelope)]))
    yield Hostile("of another size", zipped([BIN, (MANIFEST_NAME, envelope)]))


def _wrong_key() -> Iterator[Hostile]:
    stranger = load_private_key(keygen("ED25519", PASSPHRASE).private_pem, PASSPHRASE)
    yield Hostile("a stranger's", signed(zipped([BIN]), stranger))


def sealed(
    key: PrivateKey,
    sign: Callable[[bytes], bytes],
    *,
    algorithm: str | None = None,
    entries: Entries | None = None,
    rewrite: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Return a package whose manifest and signature are made by hand."""
    contents = entries or [BIN]
    manifest = Manifest(
        algorithm=algorithm or key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=SIGNED_AT,
        entries=tuple(_manifest_entry(str(name), content) for name, content in contents),
    )
    payload = rewrite(_json(manifest))
    envelope = {
        "payloadType": manifest.payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": key.public.key_id,
                "sig": base64.b64encode(sign(pre_authentication_encoding(manifest.payload_type, payload))).decode(),
            }
        ],
    }
    return zipped([*contents, (MANIFEST_NAME, json.dumps(envelope).encode())])


def _manifest_entry(name: str, content: bytes) -> ManifestEntry:
    return ManifestEntry(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _json(manifest: Manifest) -> bytes:
    entries = [{"name": entry.name, "size": entry.size, "sha256": entry.sha256} for entry in manifest.entries]
    fields = {"algorithm": manifest.algorithm, "key_id": manifest.key_id, "signed_at": manifest.signed_at.isoformat()}
    return json.dumps(fields | {"entries": entries}).encode()


def _wrong_algorithm() -> Iterator[Hostile]:
    key = signer()
    for name in ("RSA2048+SHA256", "ED448", "none", ""):
        yield Hostile(f"the manifest says {name!r}", sealed(key, key.sign, algorithm=name or " "))


def _confused() -> Iterator[Hostile]:
    key = signer("RSA2048+SHA256")
    assert isinstance(key.material, rsa.RSAPrivateKey)
    material = key.material
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    yield Hostile(
        "an RSA key used with the other padding",
        sealed(key, lambda message: material.sign(message, pss, hashes.SHA256()), algorithm="RSA3072_PSS+SHA256"),
    )
    yield Hostile(
        "an RSA key used with another hash",
        sealed(key, lambda message: material.sign(message, padding.PKCS1v15(), hashes.SHA1())),  # noqa: S303
    )
    public = trusted_pems()[-1].encode()
    yield Hostile(
        "the public key as the secret of an HMAC",
        sealed(key, lambda message: hmac.digest(public, message, hashlib.sha256), algorithm="HS256"),
    )
    curve, other = signer("ECDSA_256K1+SHA256"), signer("ECDSA_P256+SHA256")
    yield Hostile("a signature on another curve", sealed(curve, other.sign))
    yield Hostile("an Ed25519 signature under an ECDSA key", sealed(curve, signer().sign))
    yield Hostile("no signature", sealed(curve, lambda _: b""))


def _doubled() -> Iterator[Hostile]:
    key = signer()
    twice = b'"algorithm": "none", "algorithm"'
    yield Hostile("the algorithm", sealed(key, key.sign, rewrite=lambda raw: raw.replace(b'"algorithm"', twice)))
    twice = b'"sha256": "' + b"0" * 64 + b'", "sha256"'
    yield Hostile("a digest", sealed(key, key.sign, rewrite=lambda raw: raw.replace(b'"sha256"', twice)))
    envelope = manifest_of(honest())
    for name, field in (("the payload", b'"payload":"e30="'), ("the signatures", b'"signatures":[]')):
        for order, raw in (
            ("first", b"{" + field + b"," + envelope[1:]),
            ("last", envelope[:-1] + b"," + field + b"}"),
        ):
            yield Hostile(f"{name}, another one {order}", rezipped(honest(), **{MANIFEST_NAME: raw}))


def _malleable() -> Iterator[Hostile]:
    for name in ("ECDSA_256K1+SHA256", "ECDSA_P256+SHA256"):
        key = signer(name)
        row = key.public.algorithm
        assert isinstance(row, Ecdsa)
        order = row.order

        def twin(message: bytes, key: PrivateKey = key, order: int = order) -> bytes:
            r, s = decode_dss_signature(key.sign(message))
            return encode_dss_signature(r, order - s)

        yield Hostile(f"the high s of {name}", sealed(key, twin))


FAMILIES: tuple[Family, ...] = (
    Family("entries added after signing", "entry_added", _added),
    Family("swapped manifests", "entry_changed", _swapped),
    Family("wrong key", "unknown_key", _wrong_key),
    Family("wrong algorithm", "wrong_algorithm", _wrong_algorithm),
    Family("algorithm confusion", "wrong_signature", _confused),
    Family("signature malleability", "malleable_signature", _malleable),
    Family("fields given twice", "bad_manifest", _doubled),
)
