"""Types of the resources that the platform reads.

The types are those of the OMA registry for the objects 1 (Server), 3 (Device), 4 (Connectivity Monitoring) and
5 (Firmware Update). A device may have any other object: its values are passed on as its format gives them.
"""

from enum import Enum, auto

from sluice_lwm2m.domain.encoding.paths import RESOURCE_DEPTH, Path


class Kind(Enum):
    """Data types of OMA TS 1.1.1 Appendix C; Time is an Integer here."""

    STRING = auto()
    INTEGER = auto()
    FLOAT = auto()
    BOOLEAN = auto()
    OPAQUE = auto()
    LINK = auto()


_S, _I, _B, _L = Kind.STRING, Kind.INTEGER, Kind.BOOLEAN, Kind.LINK
_KINDS: dict[int, dict[int, Kind]] = {
    1: {0: _I, 1: _I, 2: _I, 3: _I, 5: _I, 6: _B, 7: _S},
    3: {
        **dict.fromkeys((0, 1, 2, 3, 14, 15, 16, 17, 18, 19), _S),
        **dict.fromkeys((6, 7, 8, 9, 10, 11, 13, 20, 21), _I),
        22: _L,
    },
    4: {**dict.fromkeys((0, 1, 2, 3, 6, 8, 9, 10, 11, 12, 13), _I), **dict.fromkeys((4, 5, 7), _S)},
    5: {0: Kind.OPAQUE, 1: _S, 3: _I, 4: _B, 5: _I, 6: _S, 7: _S, 8: _I, 9: _I},
}
_MULTIPLE = frozenset(((3, 6), (3, 7), (3, 8), (3, 11), (4, 1), (4, 4), (4, 5), (4, 7), (5, 8)))
"""Object and resource of those with instances."""


def is_single(path: Path) -> bool:
    """Return whether a path names a resource, or an instance of one, that has one value by its definition."""
    return kind_of(path) is not None and (path[0], path[2]) not in _MULTIPLE


def kind_of(path: Path) -> Kind | None:
    """Return the type of a resource or resource instance, or None if it is not known."""
    if len(path) < RESOURCE_DEPTH:
        return None
    return _KINDS.get(path[0], {}).get(path[2])
