"""Types of resources."""

import pytest

from sluice_lwm2m.domain.encoding.paths import Path
from sluice_lwm2m.domain.encoding.resources import Kind, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ((3, 0, 3), Kind.STRING),
        ((4, 0, 2), Kind.INTEGER),
        ((4, 0, 8), Kind.INTEGER),
        ((4, 0, 11), Kind.INTEGER),
        ((5, 0, 3), Kind.INTEGER),
        ((5, 0, 5), Kind.INTEGER),
        ((5, 0, 7), Kind.STRING),
        ((3, 0, 6, 1), Kind.INTEGER),
        ((4, 0), None),
        ((19, 0, 0), None),
    ],
)
def test_the_resources_of_an_upgrade_have_types(path: Path, kind: Kind | None) -> None:
    assert kind_of(path) is kind
