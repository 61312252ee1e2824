"""Every setting of every service can be given to the chart, and the chart knows no other."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from sluice_common import __version__
from sluice_common.settings import CommonSettings
from sluice_embedded.domain.ports import Ports
from sluice_embedded.domain.services import all_services
from sluice_embedded.install import ROOT, secrets_among

CHART = ROOT / "deploy" / "helm" / "sluice"
TEMPLATES = "\n".join(path.read_text() for path in sorted((CHART / "templates").glob("*")))


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = loaded(CHART.parent / "generate_schema.py")
SERVICES: dict[str, type[CommonSettings]] = generator.SERVICES


def test_the_schema_is_the_one_that_the_settings_make() -> None:
    assert (CHART / "values.schema.json").read_text() == generator.rendered(), "run deploy/helm/generate_schema.py"


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_is_given_by_its_name_or_has_a_place_of_its_own(service: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["services"]["properties"][service]
    by_name = set(schema["properties"]["settings"]["properties"])
    elsewhere = {*generator.SECRETS.values(), *generator.OF_THE_CHART, *generator.FIXED}
    assert set(SERVICES[service].model_fields) <= by_name | elsewhere
    assert by_name <= set(SERVICES[service].model_fields)


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_given_by_its_value(service: str) -> None:
    given = generator.reachable(SERVICES[service])
    assert not [name for name, field in given.items() if generator.is_secret(field)]


def test_each_secret_is_the_setting_that_the_templates_say() -> None:
    table = re.search(r'define "sluice\.secret-settings" -\}\}\n(.*?)\{\{- end', TEMPLATES, re.DOTALL)
    assert table is not None
    said = dict(line.split(": SLUICE_") for line in table[1].strip().splitlines())
    assert {name: variable.lower() for name, variable in said.items()} == generator.SECRETS


def test_what_has_a_place_of_its_own_or_is_fixed_is_set_by_the_templates() -> None:
    set_there = set(re.findall(r"^([a-z0-9_]+): ", TEMPLATES, re.MULTILINE)) | {
        variable.lower() for variable in re.findall(r"name: SLUICE_([A-Z0-9_]+)$", TEMPLATES, re.MULTILINE)
    }
    assert {*generator.OF_THE_CHART, *generator.FIXED} <= set_there


def test_the_chart_starts_the_modules_that_the_launcher_starts() -> None:
    started = {service.name: service.module for service in all_services(Ports(17_000), "127.0.0.1")}
    of_the_chart = dict(re.findall(r"^([a-z0-9-]+):\n  module: ([\w.]+)$", TEMPLATES, re.MULTILINE))
    assert of_the_chart == started


def test_values_list_every_service() -> None:
    services = (CHART / "values.yaml").read_text().partition("\nservices:\n")[2]
    assert re.findall(r"^  ([a-z0-9-]+):$", services.partition("\n\n#")[0], re.MULTILINE) == list(SERVICES)


def test_the_chart_is_of_this_version() -> None:
    assert f'appVersion: "{__version__}"' in (CHART / "Chart.yaml").read_text()


def test_the_launcher_gives_each_process_the_secrets_that_its_settings_have() -> None:
    mongodb = {"SLUICE_MONGODB_URI"}
    for service in all_services(Ports(17_000), "127.0.0.1"):
        fields = SERVICES[service.name].model_fields.items()
        secret = {f"SLUICE_{name.upper()}" for name, field in fields if generator.is_secret(field)}
        withheld = secrets_among(f"SLUICE_{name.upper()}" for name, _ in fields)
        assert secret <= withheld, "by its name it is none, and all processes would get it"
        assert service.secrets - mongodb == withheld - mongodb, service.name
