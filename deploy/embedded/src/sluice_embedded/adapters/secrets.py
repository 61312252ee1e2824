"""The secrets of a system, kept in its state folder."""

import msgspec

from sluice_embedded.adapters import state
from sluice_embedded.adapters.state import Secrets
from sluice_embedded.settings import EmbeddedSettings

_ONE_FOR_ALL_GATEWAYS = "token_key"
"""What an earlier version signed all tokens of gateways with: those that devices have are to stay valid."""


def secrets_of(settings: EmbeddedSettings) -> Secrets:
    """Return the secrets of a state folder; made when they are first asked for, as are those new in this version."""
    path = settings.data / "secrets.json"
    known = state.read(path, dict[str, str]) or {}
    shared = known.get(_ONE_FOR_ALL_GATEWAYS)
    inherited = {"image_token_key": shared, "download_token_key": shared} if shared else {}
    found = msgspec.convert({**inherited, **known}, Secrets)
    # What is not known here is kept: the version before may come back and know it.
    made = {**known, **msgspec.to_builtins(found)}
    if made != known:
        state.write_private(path, made)
    return found
