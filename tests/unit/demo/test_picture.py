"""The picture is well-formed SVG with a panel for each window."""

from xml.etree import ElementTree as ET

import pytest

from sluice_demo.picture import WindowCurve, picture

SVG = "{http://www.w3.org/2000/svg}"


def curve(cell: int | None, coverage_class: str = "level-0", limit: int = 10, peak: int = 10) -> WindowCurve:
    return WindowCurve(
        cell=cell,
        coverage_class=coverage_class,
        limit=limit,
        held=[(1.0, 3), (4.0, peak), (9.0, 0)],
        queued=[(2.0, 6.0)],
        note="peak <10> & more",
    )


def classes_of(root: ET.Element) -> list[str | None]:
    return [element.get("class") for element in root.iter()]


def test_every_window_has_a_panel_and_texts_are_escaped() -> None:
    curves = [curve(1), curve(1, "cell-only"), curve(2)]
    root = ET.fromstring(picture(curves, 20.0, "A < B", "c & d"))  # noqa: S314 - our own text
    assert classes_of(root).count("panel") == 3
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "A < B" in texts
    assert "cell-only · 10 slots" in texts
    assert texts.count("peak <10> & more") == 3


def test_the_task_of_mqtt_devices_has_a_row_of_its_own() -> None:
    root = ET.fromstring(picture([curve(None, "", 30), curve(1)], 20.0, "", ""))  # noqa: S314 - our own text
    panels = [element for element in root.iter(f"{SVG}rect") if element.get("class") == "panel"]
    assert len({panel.get("y") for panel in panels}) == 2
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "MQTT" in texts
    assert not any("30 slots" in (text or "") for text in texts)


def test_what_goes_over_the_limit_is_marked() -> None:
    within = ET.fromstring(picture([curve(1)], 20.0, "", ""))  # noqa: S314 - our own text
    over = ET.fromstring(picture([curve(1, peak=11)], 20.0, "", ""))  # noqa: S314 - our own text
    assert classes_of(over).count("over") == classes_of(within).count("over") + 1


@pytest.mark.parametrize("cells", [1, 3, 40])
def test_everything_lies_within_the_page(cells: int) -> None:
    root = ET.fromstring(picture([curve(n) for n in range(cells)], 20.0, "", ""))  # noqa: S314 - our own text
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for rect in root.iter(f"{SVG}rect"):
        assert 0 <= float(rect.get("x", "0")) <= float(rect.get("x", "0")) + float(rect.get("width", "0")) <= width
        assert float(rect.get("y", "0")) + float(rect.get("height", "0")) <= height
