"""Charts as SVG: well-formed, in scale, with gaps as gaps, and every text escaped."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashboard.kit.charts import Line, Mark
from dashboard.kit.still import time_chart
from dashboard.kit.text import reading_as

T0 = datetime(2026, 3, 1, 17, tzinfo=UTC)
WINDOW = (T0, T0 + timedelta(days=7))
AT = [T0 + timedelta(hours=12 * i) for i in range(14)]
SVG = "{http://www.w3.org/2000/svg}"


def draw(*lines: Line, unit: str = "share", language: str = "en", **more: object) -> ElementTree.Element:
    with reading_as(language, "Asia/Ho_Chi_Minh"):
        return ElementTree.fromstring(time_chart(lines, unit=unit, window=WINDOW, alt="a", **more))  # type: ignore[arg-type]


def texts(drawing: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in drawing.iter(f"{SVG}text")]


@settings(max_examples=60, deadline=None)
@example([None] * 13 + [9999.0], "ms", False)
@example([None] * 13 + [1e6], "ms", False)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=14, max_size=14),
    st.sampled_from(["share", "ms", "count"]),
    st.booleans(),
)
def test_any_values_give_a_drawing_inside_its_frame(values: list[float | None], unit: str, zero: bool) -> None:
    if unit == "share":
        values = [None if value is None else value / 1e9 for value in values]
    drawing = draw(Line("a", AT, values, low=values, high=values), unit=unit, zero=zero)
    width, height = (float(part) for part in drawing.get("viewBox", "").split()[2:])
    for path in drawing.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d", path.get("d", ""))]
        assert all(0 <= x <= width for x in numbers[::2])
        assert all(0 <= y <= height for y in numbers[1::2])
    assert len(set(texts(drawing))) == len(texts(drawing)), "two ticks read the same"


def test_a_gap_is_a_gap_and_a_lone_point_is_a_dot() -> None:
    values = [0.1, 0.2, None, 0.3, None, 0.1, 0.1, *[None] * 7]
    drawing = draw(Line("a", AT, values))
    path = next(drawing.iter(f"{SVG}path")).get("d", "")
    assert path.count("M") == 3
    assert len(list(drawing.iter(f"{SVG}circle"))) == 1


def test_the_period_before_is_drawn_faint_and_the_reference_named() -> None:
    line, before = Line("a", AT, [0.9] * 14), Line("a", AT, [0.8] * 14, is_previous=True)
    drawing = draw(line, before, zero=False, reference=(0.95, "two people: 95%"))
    faint = [path for path in drawing.iter(f"{SVG}path") if path.get("opacity")]
    assert len(faint) == 1
    assert "two people: 95%" in texts(drawing)


def test_days_and_numbers_are_the_readers() -> None:
    line = Line("a", AT, [0.012] * 14)
    assert "2 Mar" in texts(draw(line))
    vietnamese = texts(draw(line, language="vi"))
    assert "02/03" in vietnamese
    assert "0,5%" in vietnamese
    assert "1.000" in texts(draw(Line("a", AT, [2400.0] * 14), unit="count", language="vi"))


@pytest.mark.parametrize("hostile", ['"><script>alert(1)</script>', "</svg><img src=x onerror=1>"])
def test_names_are_text(hostile: str) -> None:
    marks = [Mark(T0 + timedelta(days=2), hostile)]
    with reading_as("en"):
        svg = time_chart([Line(hostile, AT, [0.1] * 14)], unit="share", window=WINDOW, alt=hostile, marks=marks)
    drawing = ElementTree.fromstring(svg)
    assert drawing.get("aria-label") == hostile
    assert hostile in texts(drawing)
    assert not list(drawing.iter(f"{SVG}script"))
