"""The secrets of a system, kept in its state folder."""

import msgspec

from sluice_embedded.adapters import state
from sluice_embedded.adapters.state import Secrets
from sluice_embedded.settings import EmbeddedSettings


def secrets_of(settings: EmbeddedSettings) -> Secrets:
    """Return the secrets of a state folder; made when they are first asked for, as are those new in this version."""
    path = settings.data / "secrets.json"
    known = state.read(path, dict[str, str])
    found = state.read(path, Secrets) or Secrets()
    if msgspec.to_builtins(found) != known:
        state.write_private(path, found)
    return found
