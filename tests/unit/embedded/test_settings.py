import pytest
from pydantic import ValidationError

from sluice_embedded.settings import EmbeddedSettings


def test_real_clusters_are_named_by_their_customary_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka.example:9092")
    monkeypatch.setenv("MONGODB_URI", "mongodb://db.example")
    monkeypatch.setenv("MQTT_URL", "mqtts://broker.example")
    settings = EmbeddedSettings()
    assert (settings.kafka_bootstrap, settings.mongodb_uri) == ("kafka.example:9092", "mongodb://db.example")
    assert settings.mqtt_url == "mqtts://broker.example"


def test_tests_start_their_own_parts_even_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "kafka.example:9092")
    assert EmbeddedSettings(kafka_bootstrap=None).kafka_bootstrap is None


def test_parts_are_told_to_clients_at_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_PARTS_LISTEN", "0.0.0.0")  # noqa: S104 - refused
    with pytest.raises(ValidationError, match="name one address"):
        EmbeddedSettings()
