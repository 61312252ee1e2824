"""Options of the command line."""

from dataclasses import fields

import pytest

from sluice_simulator import cli
from sluice_simulator.plan import PlanOptions


def test_the_endpoint_names_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--endpoints", "--devices", "3", "--seed", "9", "--endpoint-prefix", "meter"]) == 0
    assert capsys.readouterr().out.split() == ["meter-9-00000", "meter-9-00001", "meter-9-00002"]


def test_every_trait_of_a_fleet_has_an_option_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in fields(PlanOptions):
        assert f"--{option.name.replace('_', '-')} " in text
        assert option.metadata["help"].split()[0] in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--server", "http://127.0.0.1"],
        ["--devices", "many"],
        ["--excluded-kinds", "no-such-kind"],
        ["--devices", "0"],
        ["--cells", "0"],
        ["--loss", "1.5"],
        ["--report-seconds", "-1"],
        ["--starts-per-second", "0"],
        ["--time-scale", "0"],
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err
