"""Every counter of the gateway stands in one metric, and the certificate of downloads says when it expires."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sluice_mqtt import metrics
from sluice_mqtt.adapters.certificates import expiry_of
from sluice_mqtt.domain.counters import Counted


def test_every_counter_stands_in_one_metric() -> None:
    elsewhere = [*metrics._HOOKS, *metrics._COMMANDS, *metrics._DOWNLOADS, Counted.BYTES_SERVED]
    assert max(Counter(elsewhere).values()) == 1
    assert set(elsewhere) == metrics._ELSEWHERE


def test_a_certificate_says_when_it_expires(tmp_path: Path) -> None:
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, ends - timedelta(days=90), ends)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    file = tmp_path / "chain.pem"
    file.write_bytes(certificate)
    assert expiry_of({"downloads": file, "other": None}) == {"downloads": ends.timestamp()}


def test_a_certificate_that_is_none_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    file.write_text("none")
    with pytest.raises(ValueError, match="PEM"):
        expiry_of({"downloads": file})
