"""LwM2M paths."""

import pytest

from sluice_lwm2m.domain.encoding.paths import Path, parse_path, path_text


@pytest.mark.parametrize(
    ("text", "path"), [("/3", (3,)), ("/4/0", (4, 0)), ("/5/0/3", (5, 0, 3)), ("/3/0/6/65534", (3, 0, 6, 65534))]
)
def test_a_path_has_one_to_four_ids(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert path_text(path) == text


@pytest.mark.parametrize(
    "text", ["", "/", "3/0", "/3/", "/3/0/3/0/1", "/a", "/-1", "/03", "/65535", "/99999", "/3 ", "/٣", "/3\n"]
)
def test_other_texts_are_no_path(text: str) -> None:
    assert parse_path(text) is None
