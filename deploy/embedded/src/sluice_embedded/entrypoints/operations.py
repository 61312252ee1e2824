"""Commands for operators that are a service's own programs: they are told where the running system's parts are."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from sluice_embedded.adapters.supervisor import StartError
from sluice_embedded.running import RunningStack
from sluice_embedded.settings import EmbeddedSettings

PROGRAMS = {
    "dead-letters": "sluice_api.entrypoints.dead_letters",
    "rebuild": "sluice_api.entrypoints.rebuild",
}
"""Modules by command."""


def arguments_of(command: str, arguments: Sequence[str]) -> list[str]:
    """Return what Python is to be given for a command; the environment says from now on where Kafka and MongoDB are.

    Raises:
        StartError: Nothing runs on the state folder, and the environment does not name both.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--state-dir", type=Path)
    options, rest = parser.parse_known_args(arguments)
    given = {} if options.state_dir is None else {"state_dir": options.state_dir.resolve()}
    settings = EmbeddedSettings(**given)
    if not {"-h", "--help"}.intersection(rest):
        os.environ.update(_addresses(settings))
    return ["-m", PROGRAMS[command], *rest]


def _addresses(settings: EmbeddedSettings) -> dict[str, str]:
    """Return the settings with which a service finds Kafka and MongoDB."""
    if running := RunningStack.find(settings):
        found = running.endpoints
        return {
            "SLUICE_KAFKA_BOOTSTRAP": found.kafka_bootstrap,
            "SLUICE_MONGODB_URI": found.mongodb_uri,
            "SLUICE_MONGODB_DATABASE": found.mongodb_database,
        }
    if settings.kafka_bootstrap is None or settings.mongodb_uri is None:
        raise StartError(
            "Sluice is not running. ./sluice up starts it; or name KAFKA_BOOTSTRAP and MONGODB_URI of one elsewhere."
        )
    return {}
