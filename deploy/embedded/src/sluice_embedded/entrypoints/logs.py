"""The command `logs`."""

import sys
import time
from pathlib import Path

from sluice_embedded.adapters.supervisor import tail
from sluice_embedded.domain.services import kind_of
from sluice_embedded.settings import EmbeddedSettings

_POLL = 0.3


def show(settings: EmbeddedSettings, service: str | None, lines: int, *, follow: bool) -> int:
    """Print the end of each service's log, or of one service's, and go on if asked to."""
    found = sorted(path for path in settings.logs.glob("*.log") if not path.name.endswith(".old.log"))
    logs = [path for path in found if service in (None, path.stem, kind_of(path.stem))]
    if not logs:
        known = ", ".join(path.stem for path in found) or "none yet"
        sys.stderr.write(f"no log of {service or 'any service'}; there are: {known}\n")
        return 1
    places = {log: log.stat().st_size for log in logs}
    for log in logs:
        _print(log, tail(log, lines), named=len(logs) > 1)
    while follow:
        time.sleep(_POLL)
        for log in logs:
            places[log] = _print_new(log, places[log], named=len(logs) > 1)
    return 0


def _print_new(log: Path, place: int, *, named: bool) -> int:
    size = log.stat().st_size if log.exists() else 0
    if size > place:
        with log.open("rb") as file:
            file.seek(place)
            _print(log, file.read(size - place).decode(errors="replace"), named=named)
    return size


def _print(log: Path, text: str, *, named: bool) -> None:
    prefix = f"{log.stem:<18} " if named else ""
    for line in text.splitlines():
        sys.stdout.write(f"{prefix}{line}\n")
    sys.stdout.flush()
