"""The corpus of hostile packages: a generator, so that nobody has to trust or review binary files.

``python tests/unit/signing/hostile.py FOLDER`` writes every package as ``FAMILY/NAME.zip``, the public keys that a
victim trusts, and ``index.json`` with the reason that each must be refused with. Tests generate the same in memory.
Keys are new in each run; nothing else varies.
"""

import base64
import hashlib
import hmac
import io
import json
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from sluice_signing import PackageLimits, PrivateKey, PublicKey, keygen, load_private_key
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest
from sluice_signing.domain.manifest import (
    MANIFEST_NAME,
    PAYLOAD_TYPE,
    Manifest,
    ManifestEntry,
    pre_authentication_encoding,
)
from sluice_signing.domain.signature_schemes import Ecdsa

_MIB = 1024 * 1024
_PASSPHRASE = "Hostile corpus 1"  # noqa: S105 - opens keys that live as long as the process
_SIGNED_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
_IMAGE = b"firmware " * 400
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_BIN = ("app.bin", _IMAGE)
_Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One package of the corpus.

    Attributes:
        name: What is done to it.
        raw: The file.
        before: The zip before its hostile signer signed it, where its form alone is hostile: signing is refused too.
    """

    name: str
    raw: bytes
    before: bytes | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Packages that are hostile in the same way.

    Attributes:
        name: The family.
        code: The reason that all of them are refused with.
        make: Makes them.
    """

    name: str
    code: str
    make: Callable[[], Iterator[Hostile]]


def signer(algorithm: str = "ED25519") -> PrivateKey:
    """Return a private key whose public half the victim trusts."""
    return _key(algorithm)


@cache
def _key(algorithm: str) -> PrivateKey:
    return load_private_key(keygen(algorithm, _PASSPHRASE).private_pem, _PASSPHRASE)


_TRUSTED = ("ED25519", "ECDSA_256K1+SHA256", "ECDSA_P256+SHA256", "RSA2048+SHA256")


def trusted() -> list[PublicKey]:
    """Return the public keys that the victim trusts."""
    return [signer(algorithm).public for algorithm in _TRUSTED]


def trusted_pems() -> list[str]:
    """Return them as PEM."""
    return [
        key.material.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        for key in trusted()
    ]


def zipped(entries: _Entries, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip as the standard library writes it; names may repeat."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return buffer.getvalue()


def signed(raw: bytes, key: PrivateKey | None = None) -> bytes:
    """Return a zip with a valid signature, whatever its entries are: a hostile signer's."""
    file = io.BytesIO(raw)
    append_manifest(file, ZipArchive(file, PackageLimits(max_entries=10_000)), key or signer(), _SIGNED_AT)
    return file.getvalue()


def honest() -> bytes:
    """Return an honest signed package with a trusted key."""
    return signed(zipped([_BIN, ("docs/readme.txt", "读我".encode())]))


def _forms(cases: dict[str, _Entries]) -> Callable[[], Iterator[Hostile]]:
    def make() -> Iterator[Hostile]:
        for name, entries in cases.items():
            raw = zipped(entries)
            yield Hostile(name, signed(raw), raw)

    return make


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _dos_folder(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0x10
    return info


def _patched(raw: bytes, record: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """Overwrite bytes of the first (or last) record of a kind."""
    at = (raw.rindex(record) if last else raw.index(record)) + offset
    return raw[:at] + value + raw[at + len(value) :]


def _both(raw: bytes, local_offset: int, central_offset: int, value: bytes) -> bytes:
    """Overwrite the same field in the first entry's local header and in its directory record."""
    return _patched(_patched(raw, _LOCAL, local_offset, value), _CENTRAL, central_offset, value)


def _bombs() -> Iterator[Hostile]:
    bomb = zipped([("app.bin", bytes(17 * _MIB))])
    yield Hostile("a uniform image of 17 MiB", signed(bomb), bomb)
    yield Hostile("a second entry that is a bomb", signed(zipped([_BIN, ("pad.dat", bytes(40 * _MIB))])))


def _commented(length: int) -> bytes:
    return zipped([_BIN])[:-2] + struct.pack("<H", length) + bytes(length)


def _nested() -> Iterator[Hostile]:
    cases: dict[str, _Entries] = {
        "by name": [_BIN, ("inner.zip", b"anything")],
        "as the image": [("app.bin", zipped([_BIN]))],
        "empty, in disguise": [_BIN, ("a.dat", _END + bytes(18))],
        "by a name in full width": [_BIN, ("inner.\uff3a\uff49\uff50", b"anything")],
        "by the name of a folder": [_BIN, ("inner.zip/", b"")],
        "split into volumes": [_BIN, ("a.dat", b"PK\x07\x08" + zipped([_BIN]))],
        "split into one volume": [_BIN, ("a.dat", b"PK00" + zipped([_BIN]))],
        "behind a script, as the image": [("app.bin", b"#!/bin/sh\n" + zipped([_BIN]))],
        "behind an image of 300 KiB": [("app.bin", _IMAGE * 85 + zipped([_BIN]))],
        "between two images": [("app.bin", _IMAGE + zipped([_BIN]) + _IMAGE)],
        "with a comment of 65,535 bytes": [_BIN, ("a.dat", b"x" + _commented(0xFFFF))],
        "with a directory of 200 KiB": [_BIN, ("a.dat", b"x" + zipped([(f"{n:0200}", b"") for n in range(800)]))],
    }
    for name, entries in cases.items():
        yield Hostile(name, _sealed(signer(), signer().sign, entries=entries), zipped(entries))


class _Pipe(io.BytesIO):
    """Cannot tell where it is: sizes follow contents then."""

    def tell(self) -> int:
        raise io.UnsupportedOperation


def _uncommon() -> Iterator[Hostile]:
    for flag in (0x0010, 0x0020, 0x0080, 0x1000, 0x8000):
        yield Hostile(f"flag {flag:#06x}", _both(honest(), 6, 8, struct.pack("<H", flag)))
    for method in (1, 9, 12, 14, 93, 99):
        yield Hostile(f"compression method {method}", _both(honest(), 8, 10, struct.pack("<H", method)))
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, content in _contents(honest()).items():
            archive.writestr(name, content)
    yield Hostile("stored content with its size behind it", pipe.getvalue())
    needless = {"app.bin": _field(0x0001, struct.pack("<2Q", len(_IMAGE), len(_IMAGE)))}
    yield Hostile("needless ZIP64 in the directory", _altered(honest(), central=needless))
    yield Hostile("needless ZIP64 in the local header", _altered(honest(), local=needless))
    yield Hostile("several volumes", _patched(honest(), _END, 4, b"\1\0\1\0"))


def _encrypted() -> Iterator[Hostile]:
    for name, flags in (("traditional", 0x0001), ("strong", 0x0041), ("masked headers", 0x2000)):
        yield Hostile(name, _both(honest(), 6, 8, struct.pack("<H", flags)))


def _truncated() -> Iterator[Hostile]:
    raw = honest()
    for kept in (20, 100, len(raw) // 2, len(raw) - 60, len(raw) - 22, len(raw) - 1):
        yield Hostile(f"{kept} of {len(raw)} bytes", raw[:kept])


def _concatenated() -> Iterator[Hostile]:
    yield Hostile("unsigned, then signed", zipped([_BIN]) + honest())
    yield Hostile("signed, then unsigned", honest() + zipped([_BIN]))


def _outside() -> Iterator[Hostile]:
    yield Hostile("a self-extracting stub before", b"MZ self-extracting" + honest())
    buffer = io.BytesIO(b"#!/bin/sh\n")
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("app.bin", _IMAGE)
    yield Hostile("a script before, known to the offsets", buffer.getvalue())
    yield Hostile("a line break behind", honest() + b"\n")
    yield Hostile("zeros behind", honest() + bytes(1000))
    raw = zipped([_BIN], zipfile.ZIP_STORED)
    at = raw.index(_CENTRAL)
    between = raw[:at] + b"hidden!!" + raw[at:]
    yield Hostile("data before the directory", _patched(between, _END, 16, struct.pack("<L", at + 8)))


def _hidden() -> Iterator[Hostile]:
    for pieces in (1, 3):
        # A reader that works in pieces of 64 KiB sees the end of the stream and the end of a piece at once.
        length = pieces * 64 * 1024
        blocks = [bytes(n) for n in [_BLOCK_BYTES] * (length // (_BLOCK_BYTES + 5))]
        blocks.append(bytes(length - sum(len(block) + 5 for block in blocks) - 5))
        stream = b"".join(_stored_block(block, last=block is blocks[-1]) for block in blocks)
        yield Hostile(f"behind a stream of {pieces} x 64 KiB", *_with_stream(b"".join(blocks), stream + _IMAGE))
    yield Hostile("behind a short stream", *_with_stream(b"", _stored_block(b"", last=True) + _IMAGE))


_BLOCK_BYTES = 0xFFFF


def _stored_block(content: bytes, *, last: bool) -> bytes:
    """Return an uncompressed block of a deflate stream (RFC 1951 §3.2.4)."""
    return struct.pack("<BHH", last, len(content), len(content) ^ 0xFFFF) + content


def _with_stream(content: bytes, stream: bytes) -> tuple[bytes, bytes]:
    """Return a package, signed and not yet, where this is the deflate stream of a text beside the image."""
    entries: _Entries = [("a.txt", stream), _BIN]
    manifest = _manifest_of(_sealed(signer(), signer().sign, entries=[("a.txt", content), _BIN]))

    def patched(raw: bytes) -> bytes:
        raw = _both(raw, 8, 10, struct.pack("<H", zipfile.ZIP_DEFLATED))
        raw = _both(raw, 22, 24, struct.pack("<L", len(content)))
        return _both(raw, 14, 16, struct.pack("<L", zlib.crc32(content)))

    stored = zipfile.ZIP_STORED
    return patched(zipped([*entries, (MANIFEST_NAME, manifest)], stored)), patched(zipped(entries, stored))


def _manifest_of(raw: bytes) -> bytes:
    return _contents(raw)[MANIFEST_NAME]


def _overlapping() -> Iterator[Hostile]:
    raw = zipped([_BIN, ("bpp.bin", _IMAGE)], zipfile.ZIP_STORED)
    yield Hostile("two entries with the same data", _patched(raw, _CENTRAL, 42, struct.pack("<L", 0), last=True))
    yield Hostile("an entry inside another", _patched(raw, _CENTRAL, 42, struct.pack("<L", 40), last=True))


def _contents(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rezipped(raw: bytes, **changes: bytes) -> bytes:
    return zipped(list((_contents(raw) | changes).items()))


def _added() -> Iterator[Hostile]:
    yield Hostile("a file", _rezipped(honest(), **{"more.txt": b"x"}))
    yield Hostile("an empty folder", _rezipped(honest(), **{"empty/": b""}))
    yield Hostile("a second image", _rezipped(honest(), **{"evil.bin": b"evil"}))


def _swapped() -> Iterator[Hostile]:
    other = signed(zipped([("app.bin", b"older firmware")]))
    envelope = _contents(other)[MANIFEST_NAME]
    yield Hostile("of an older package", zipped([("app.bin", b"new! firmware!"), (MANIFEST_NAME, envelope)]))
    yield Hostile("of another size", zipped([_BIN, (MANIFEST_NAME, envelope)]))


def _wrong_key() -> Iterator[Hostile]:
    stranger = load_private_key(keygen("ED25519", _PASSPHRASE).private_pem, _PASSPHRASE)
    yield Hostile("a stranger's", signed(zipped([_BIN]), stranger))


def _sealed(
    key: PrivateKey,
    sign: Callable[[bytes], bytes],
    *,
    algorithm: str | None = None,
    entries: _Entries | None = None,
    rewrite: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Return a package whose manifest and signature are made by hand."""
    contents = entries or [_BIN]
    manifest = Manifest(
        algorithm=algorithm or key.public.algorithm.name,
        key_id=key.public.key_id,
        signed_at=_SIGNED_AT,
        entries=tuple(_manifest_entry(str(name), content) for name, content in contents),
    )
    payload = rewrite(_json(manifest))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": key.public.key_id,
                "sig": base64.b64encode(sign(pre_authentication_encoding(payload))).decode(),
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
        yield Hostile(f"the manifest says {name!r}", _sealed(key, key.sign, algorithm=name or " "))


def _confused() -> Iterator[Hostile]:
    key = signer("RSA2048+SHA256")
    assert isinstance(key.material, rsa.RSAPrivateKey)
    material = key.material
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    yield Hostile(
        "an RSA key used with the other padding",
        _sealed(key, lambda message: material.sign(message, pss, hashes.SHA256()), algorithm="RSA3072_PSS+SHA256"),
    )
    yield Hostile(
        "an RSA key used with another hash",
        _sealed(key, lambda message: material.sign(message, padding.PKCS1v15(), hashes.SHA1())),  # noqa: S303
    )
    public = trusted_pems()[-1].encode()
    yield Hostile(
        "the public key as the secret of an HMAC",
        _sealed(key, lambda message: hmac.digest(public, message, hashlib.sha256), algorithm="HS256"),
    )
    curve, other = signer("ECDSA_256K1+SHA256"), signer("ECDSA_P256+SHA256")
    yield Hostile("a signature on another curve", _sealed(curve, other.sign))
    yield Hostile("an Ed25519 signature under an ECDSA key", _sealed(curve, signer().sign))
    yield Hostile("no signature", _sealed(curve, lambda _: b""))


def _doubled() -> Iterator[Hostile]:
    key = signer()
    twice = b'"algorithm": "none", "algorithm"'
    yield Hostile("the algorithm", _sealed(key, key.sign, rewrite=lambda raw: raw.replace(b'"algorithm"', twice)))
    twice = b'"sha256": "' + b"0" * 64 + b'", "sha256"'
    yield Hostile("a digest", _sealed(key, key.sign, rewrite=lambda raw: raw.replace(b'"sha256"', twice)))
    envelope = _manifest_of(honest())
    for name, field in (("the payload", b'"payload":"e30="'), ("the signatures", b'"signatures":[]')):
        for order, raw in (
            ("first", b"{" + field + b"," + envelope[1:]),
            ("last", envelope[:-1] + b"," + field + b"}"),
        ):
            yield Hostile(f"{name}, another one {order}", _rezipped(honest(), **{MANIFEST_NAME: raw}))


def _malleable() -> Iterator[Hostile]:
    for name in ("ECDSA_256K1+SHA256", "ECDSA_P256+SHA256"):
        key = signer(name)
        row = key.public.algorithm
        assert isinstance(row, Ecdsa)
        order = row.order

        def twin(message: bytes, key: PrivateKey = key, order: int = order) -> bytes:
            r, s = decode_dss_signature(key.sign(message))
            return encode_dss_signature(r, order - s)

        yield Hostile(f"the high s of {name}", _sealed(key, twin))


def _comments() -> Iterator[Hostile]:
    for length in (1, 0xFFFF):
        raw = honest()[:-2] + struct.pack("<H", length) + b"c" * length
        yield Hostile(f"{length} bytes", raw)


def _entry_comments() -> Iterator[Hostile]:
    for length in (1, 0xFFFF):
        buffer = io.BytesIO(honest())
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.getinfo("app.bin").comment = b"c" * length
            archive.comment = b"so that the directory is written anew"
            archive.comment = b""
        yield Hostile(f"{length} bytes", buffer.getvalue())


def _foreign_names() -> Iterator[Hostile]:
    for encoding in ("gbk", "shift_jis"):
        name = "固.bin".encode(encoding)
        placeholder = b"x" * (len(name) - 4) + b".bin"
        raw = zipped([(placeholder.decode(), _IMAGE)])
        yield Hostile(encoding, raw.replace(placeholder, name))


def _field(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _unicode_path(name: str, other: str) -> bytes:
    """Return the field by which Info-ZIP's unzip calls the entry `name` by another name."""
    return _field(0x7075, struct.pack("<BL", 1, zlib.crc32(name.encode())) + other.encode())


def _altered(raw: bytes, *, local: dict[str, bytes] | None = None, central: dict[str, bytes] | None = None) -> bytes:
    """Return a package with extra fields, by entry, that were put in after it was signed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in _contents(raw).items():
            info = zipfile.ZipInfo(name)
            info.extra = (local or {}).get(name, b"")
            archive.writestr(info, content)
            info.extra = (central or {}).get(name, b"")
    return buffer.getvalue()


def _extra() -> Iterator[Hostile]:
    raw = signed(zipped([_BIN, ("a.txt", b"evil firmware")]))
    swap = {"app.bin": _unicode_path("app.bin", "a.txt"), "a.txt": _unicode_path("a.txt", "app.bin")}
    yield Hostile("image and text change names by Unicode paths", _altered(raw, local=swap, central=swap))
    cases = {
        "a Unicode path that leads out": _unicode_path("app.bin", "../app.bin"),
        "a Unicode path whose checksum is that of another name": _unicode_path("other", "app.bin"),
        "a type of its own": _field(0xEEEE, b"hidden"),
        "the link of ASi": _field(0x756E, struct.pack("<LHLHH", 0, 0o120777, 3, 0, 0) + b"a.b"),
        "a header cut off": _field(0x5455, b"\1\0\0\0\0") + b"UT",
        "a field cut off": _field(0x5455, b"\1\0\0\0\0")[:-1],
        "513 bytes": _field(0x000A, bytes(509)),
        "65,535 bytes": _field(0x7875, bytes(65_531)),
    }
    for name, extra in cases.items():
        yield Hostile(f"{name}, in the directory", _altered(raw, central={"app.bin": extra}))
        yield Hostile(f"{name}, in the local header", _altered(raw, local={"app.bin": extra}))


FAMILIES: tuple[Family, ...] = (
    Family("zip bombs", "zip_bomb", _bombs),
    Family("too many entries", "too_many_entries", _forms({"1002": [_BIN, *((f"{n}.txt", b"") for n in range(1000))]})),
    Family("nested zips", "nested_archive", _nested),
    Family(
        "path traversal",
        "path_traversal",
        _forms(
            {
                "up": [_BIN, ("../app.txt", b"x")],
                "up from inside": [_BIN, ("a/../../app.txt", b"x")],
                "absolute": [_BIN, ("/etc/passwd", b"x")],
                "drive letter": [_BIN, ("C:/x.txt", b"x")],
                "drive letter without a slash": [_BIN, ("c:x.txt", b"x")],
                "backslashes": [_BIN, ("a\\..\\..\\b.txt", b"x")],
                "up in full width": [_BIN, ("\uff0e\uff0e/app.txt", b"x")],
                "up by a leader of two dots": [_BIN, ("a/\u2025/\u2025/app.txt", b"x")],
                "up by a full-width slash": [_BIN, ("..\uff0fapp.txt", b"x")],
                "absolute in full width": [_BIN, ("\uff0fetc/passwd", b"x")],
                "network share": [_BIN, ("\\\\host\\share", b"x")],
            }
        ),
    ),
    Family(
        "deceptive names",
        "bad_name",
        _forms(
            {
                "empty part": [_BIN, ("a//b.txt", b"x")],
                "line break": [_BIN, ("a\nb.txt", b"x")],
                "reversed reading direction": [_BIN, ("txt.\u202enib", b"x")],
                "trailing dot": [_BIN, ("readme.", b"x")],
                "trailing space in a folder": [_BIN, ("docs /readme", b"x")],
                "stream of another file": [_BIN, ("readme.txt:evil", b"x")],
                "a device of Windows": [_BIN, ("CON", b"x")],
                "a device with an ending": [_BIN, ("docs/nul.tar.gz", b"x")],
                "a device as a folder": [_BIN, ("aux/readme.txt", b"x")],
                "a port in superscript": [_BIN, ("com\u00b9.txt", b"x")],
                "256 bytes": [_BIN, ("固" * 86, b"x")],
                "folder with content": [_BIN, ("docs/", b"x")],
                "beside the manifest": [_BIN, ("META-INF/sluice/more.json", b"x")],
            }
        ),
    ),
    Family("duplicate names", "duplicate_name", _forms({"twice": [_BIN, ("a.txt", b"x"), ("a.txt", b"y")]})),
    Family(
        "case tricks",
        "ambiguous_name",
        _forms(
            {
                "other case": [_BIN, ("APP.BIN", b"other")],
                "other Unicode form": [_BIN, ("\u00e9.txt", b"x"), ("e\u0301.txt", b"y")],
                "full width": [_BIN, ("\uff41pp.bin", b"x")],
                "file and folder": [_BIN, ("a", b"x"), ("a/", b"")],
            }
        ),
    ),
    Family(
        "symlinks",
        "special_file",
        _forms(
            {
                "symbolic link": [_BIN, (_info("link", 0o120777), b"/etc/passwd")],
                "the image": [(_info("app.bin", 0o120777), b"/etc/passwd")],
                "device": [_BIN, (_info("null", 0o020666), b"")],
                "pipe": [_BIN, (_info("pipe", 0o010600), b"x")],
            }
        ),
    ),
    Family(
        "files that are folders",
        "file_and_folder",
        _forms(
            {
                "a file in the image": [_BIN, ("app.bin/readme.txt", b"x")],
                "a file in the image, in other case": [("APP.BIN/docs/readme.txt", b"x"), _BIN],
                "a file in a file, by a full-width slash": [_BIN, ("a", b"x"), ("a\uff0fb", b"y")],
                "an image with a folder's mode": [(_info("app.bin", 0o040755), _IMAGE)],
                "an image with a folder's attribute": [(_dos_folder("app.bin"), _IMAGE)],
                "a folder with a file's mode": [_BIN, (_info("docs/", 0o100644), b"")],
            }
        ),
    ),
    Family("uncommon features", "unsupported_zip", _uncommon),
    Family("encrypted entries", "encrypted_entry", _encrypted),
    Family("truncated zips", "broken_zip", _truncated),
    Family("concatenated zips", "concatenated_zip", _concatenated),
    Family("prefix and suffix data", "extra_data", _outside),
    Family("data behind compressed contents", "hidden_data", _hidden),
    Family("extra fields", "extra_field", _extra),
    Family("overlapping entries", "overlapping_entries", _overlapping),
    Family("entries added after signing", "entry_added", _added),
    Family("swapped manifests", "entry_changed", _swapped),
    Family("wrong key", "unknown_key", _wrong_key),
    Family("wrong algorithm", "wrong_algorithm", _wrong_algorithm),
    Family("algorithm confusion", "wrong_signature", _confused),
    Family("signature malleability", "malleable_signature", _malleable),
    Family("fields given twice", "bad_manifest", _doubled),
    Family("huge comments", "comment", _comments),
    Family("comments of entries", "entry_comment", _entry_comments),
    Family("non-UTF-8 names", "name_encoding", _foreign_names),
)
"""Every family, each with a reason of its own."""


def write(folder: Path) -> None:
    """Write the corpus into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pem in enumerate(trusted_pems()):
        (folder / f"public-{number}.pem").write_text(pem)
    index = {}
    for family in FAMILIES:
        (folder / family.name).mkdir(exist_ok=True)
        for number, package in enumerate(family.make()):
            path = folder / family.name / f"{number}.zip"
            path.write_bytes(package.raw)
            index[str(path.relative_to(folder))] = {"hostile": package.name, "refused_with": family.code}
    (folder / "index.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
