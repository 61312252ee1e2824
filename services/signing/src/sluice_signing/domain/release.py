"""What a signed package is, by the word of who signed it: whose, for which models, and which version.

Without it an old image could be uploaded under a new version, or one for another model (RFC 9124 §4.2.1, §4.2.3). Only
the form is checked here; what of it fits a product is the platform's question.
"""

from collections.abc import Collection
from typing import Annotated

import msgspec

from sluice_signing.domain.errors import BadReleaseError

MAX_MODELS = 100

# `\Z`, as `$` would let a line break pass at the end.
Name = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
"""Of a manufacturer or a model: no control characters, as for products of the platform."""
Version = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[!-~](?:[ -~]*[!-~])?\Z")]
"""Printable ASCII (R027)."""
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Counts releases, in the maker's own way."""
Models = Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=MAX_MODELS)]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a package is.

    Attributes:
        manufacturer: Who made it, as the platform's products name them.
        models: The models that it is for, at least one.
        version: The version that devices report when they have it.
        sequence: Number of the release, greater than that of all before it (RFC 9124 §3.1); None without one.
    """

    manufacturer: Name
    models: Models
    version: Version
    sequence: Sequence | None = None


def check_release(release: Release) -> None:
    """Check that the fields of a release have their form.

    Raises:
        BadReleaseError: One of them has not.
    """
    try:
        msgspec.convert(msgspec.to_builtins(release), Release)
    except msgspec.ValidationError as error:
        raise BadReleaseError(detail=str(error)) from error
    if has_doubles(release.models):
        raise BadReleaseError(detail="a model is named twice")


def parse_sequence(text: str) -> int:
    """Return a sequence number as somebody types it.

    Raises:
        BadReleaseError: It is no number, or too large.
    """
    try:
        return msgspec.convert(text, Sequence, strict=False)
    except msgspec.ValidationError as error:
        raise BadReleaseError(detail=str(error)) from error


def has_doubles(names: Collection[str]) -> bool:
    """Return whether a name occurs more than once."""
    return len(set(names)) < len(names)
