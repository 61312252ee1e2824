import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from sluice_embedded.adapters.certificate import CertificateError, key_store


def test_a_certificate_for_this_machine_is_made_and_kept(tmp_path: Path) -> None:
    first = key_store(tmp_path, None, None).certificate.read_bytes()
    assert key_store(tmp_path, None, None).certificate.read_bytes() == first
    found = x509.load_pem_x509_certificate(first)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert ipaddress.ip_address("127.0.0.1") in names.get_values_for_type(x509.IPAddress)


def test_clients_can_trust_it(tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=key_store(tmp_path, None, None).certificate)
    assert context.cert_store_stats()["x509_ca"] == 1


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    store = key_store(tmp_path, None, None)
    assert {path.stat().st_mode & 0o777 for path in (store.path, tmp_path / "key.pem")} == {0o600}


def test_the_key_store_holds_what_was_given(tmp_path: Path) -> None:
    made = key_store(tmp_path / "made", None, None)
    store = key_store(tmp_path / "given", made.certificate, tmp_path / "made" / "key.pem")
    _, certificate, _ = pkcs12.load_key_and_certificates(store.path.read_bytes(), store.password.encode())
    assert certificate == x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert store.certificate == made.certificate


def test_a_broken_certificate_of_ours_is_made_anew(tmp_path: Path) -> None:
    key_store(tmp_path, None, None).certificate.write_text("half")
    found = x509.load_pem_x509_certificate(key_store(tmp_path, None, None).certificate.read_bytes())
    assert found.subject.rfc4514_string() == "CN=Sluice\\, one machine"


def test_one_of_the_two_files_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="go together"):
        key_store(tmp_path, tmp_path / "certificate.pem", None)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    made, other = (key_store(tmp_path / name, None, None).certificate for name in ("made", "other"))
    with pytest.raises(CertificateError, match=r"missing\.pem is no certificate"):
        key_store(tmp_path, tmp_path / "missing.pem", tmp_path / "made" / "key.pem")
    with pytest.raises(CertificateError, match=r"certificate\.pem is no unencrypted private key"):
        key_store(tmp_path, made, made)
    with pytest.raises(CertificateError, match=r"key\.pem is not the key of"):
        key_store(tmp_path, made, other.with_name("key.pem"))


def test_kinds_of_keys_that_tls_of_java_may_not_know_are_refused(tmp_path: Path) -> None:
    made = key_store(tmp_path, None, None).certificate
    key = tmp_path / "ed25519.pem"
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(pem)
    with pytest.raises(CertificateError, match="RSA and EC"):
        key_store(tmp_path, made, key)
