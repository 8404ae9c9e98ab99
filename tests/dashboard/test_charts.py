"""Figures, tested as figures: kinds of traces, gaps, units, marks, number of points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.kit import charts, text
from dashboard.kit.theme import DARK, LIGHT, Palette

START = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = [START + timedelta(hours=i) for i in range(6)]


def line(values: list[float | None], name: str = "v1", **more: object) -> charts.Line:
    return charts.Line(name, HOURS[: len(values)], values, **more)  # type: ignore[arg-type]


def test_a_gap_is_drawn_as_a_gap() -> None:
    figure = charts.time_chart([line([1.0, None, 3.0])], unit="ms")
    assert figure.data[0].y == (1.0, None, 3.0)
    assert figure.data[0].connectgaps is False


def test_an_interval_band_breaks_at_a_gap() -> None:
    low: list[float | None] = [0.1, 0.2, None, 0.3, 0.4]
    high: list[float | None] = [0.3, 0.4, None, 0.5, 0.6]
    figure = charts.time_chart([line([0.2, 0.3, None, 0.4, 0.5], low=low, high=high)], unit="share")
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert [len(band.x) for band in bands] == [4, 4]


def test_no_figure_uses_webgl() -> None:
    figures = [
        charts.time_chart([line([1.0, 2.0])], unit="count"),
        charts.confusion([[3, 1], [0, 5]], ["a", "b"], ["a", "b"], row_title="A", column_title="B"),
        charts.intervals(["L1"], [0.9], [0.8], [0.95]),
        charts.bars(["L1"], [3]),
        charts.stacked_bars(HOURS, {"accepted": [1.0] * 6}),
        charts.heat_over_time(HOURS, ["10 ms"], [[1.0] * 6]),
        charts.curves([1, 2], {"loss": [0.5, 0.3]}, x_title="epoch"),
    ]
    kinds = {trace.type for figure in figures for trace in figure.data}
    assert kinds == {"scatter", "heatmap", "bar"}


def test_long_series_keep_their_extremes_in_2000_points() -> None:
    n = 50_000
    at = [START + timedelta(seconds=i) for i in range(n)]
    values: list[float | None] = [0.0] * n
    values[31_337], values[777] = 99.0, -5.0
    kept_at, kept = charts.thin(at, values)
    assert len(kept) <= charts.MAX_POINTS
    assert max(v for v in kept if v is not None) == 99.0
    assert min(v for v in kept if v is not None) == -5.0
    assert kept_at == sorted(kept_at)


def test_releases_are_marked_and_named_without_markup() -> None:
    mark = charts.Mark(HOURS[2], "<b>v3</b>")
    figure = charts.time_chart([line([1.0, 2.0, 3.0])], unit="ms", marks=[mark])
    assert len(figure.layout.shapes) == 1
    assert figure.layout.annotations[0].text == "&lt;b&gt;v3&lt;/b&gt;"


def test_the_selected_range_is_shaded() -> None:
    figure = charts.time_chart([line([1.0, 2.0, 3.0])], unit="ms", selected=(HOURS[0], HOURS[1]))
    assert figure.layout.shapes[0].fillcolor == LIGHT.shade


def test_the_previous_period_is_dotted_in_the_colour_of_its_line() -> None:
    figure = charts.time_chart([line([1.0], "a"), line([2.0], "b"), line([3.0], "b", is_previous=True)], unit="ms")
    assert figure.data[2].line.dash == "dot"
    assert figure.data[2].line.color == figure.data[1].line.color


def test_times_are_drawn_in_the_zone_of_the_reader() -> None:
    with text.reading_as("en", "Asia/Ho_Chi_Minh"):
        figure = charts.time_chart([line([1.0])], unit="ms")
    assert figure.data[0].x[0] == datetime(2026, 3, 1, 7, 0)


def test_units_reach_axis_and_hover() -> None:
    with text.reading_as("vi"):
        figure = charts.time_chart([line([0.125])], unit="share")
    assert figure.data[0].customdata == ("12,5%",)
    assert "%" in figure.layout.yaxis.tickformat
    assert figure.layout.separators == ",."


def test_confusion_is_shaded_by_share_of_the_row_and_says_counts() -> None:
    figure = charts.confusion([[30, 10], [0, 0]], ["a", "b"], ["a", "b"], row_title="A", column_title="B")
    assert figure.data[0].z == ([0.75, 0.25], [0.0, 0.0]) or [list(row) for row in figure.data[0].z] == [
        [0.75, 0.25],
        [0.0, 0.0],
    ]
    assert list(figure.data[0].text[0]) == ["30", "10"]


def test_lines_differ_by_dash_and_marker_and_not_by_colour_alone() -> None:
    figure = charts.time_chart([line([1.0], str(i)) for i in range(6)], unit="ms")
    assert len({trace.line.dash for trace in figure.data}) == 6
    assert len({trace.marker.symbol for trace in figure.data}) == 6


def test_a_figure_is_said_in_words() -> None:
    with text.reading_as("en"):
        said = charts.describe([line([10.0, None, 30.0], "p95")], "ms", "Latency")
        assert said == "Latency. p95: last 30.0 ms, lowest 10.0 ms, highest 30.0 ms."
        assert charts.describe([line([None])], "ms", "Latency") == "Latency. No data in this range."


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_of_lines_and_texts_stand_out_from_the_ground(colours: Palette) -> None:
    for colour in colours.series:
        assert contrast(colour, colours.ground) >= 3
    for ink in (colours.ink, colours.soft_ink, colours.accent, colours.good, colours.warning, colours.bad):
        assert contrast(ink, colours.ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two #rrggbb colours."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_marks_that_are_too_close_to_read_become_one() -> None:
    marks = [
        charts.Mark(HOURS[2], "v1"),
        charts.Mark(HOURS[2] + timedelta(seconds=5), "v2"),
        charts.Mark(HOURS[5], "v3"),
    ]
    window = (HOURS[0], HOURS[5] + timedelta(hours=1))
    figure = charts.time_chart([line([1.0, 2.0])], unit="ms", marks=marks, window=window)
    assert [annotation.text for annotation in figure.layout.annotations] == ["v1, v2", "v3"]
    assert [annotation.xanchor for annotation in figure.layout.annotations] == ["left", "right"]


def test_an_interval_that_only_says_that_n_is_small_is_left_to_the_hover() -> None:
    wide = line([0.0, 0.0, 0.01], low=[0.0, 0.0, 0.0], high=[0.4, 0.5, 0.4])
    assert [trace.fill for trace in charts.time_chart([wide], unit="share").data] == [None]


def test_parts_over_time_leave_an_empty_bucket_empty() -> None:
    figure = charts.stacked_bars(HOURS[:3], {"ok": [0.9, None, 0.8], "open": [0.1, None, 0.2]}, unit="share")
    assert [trace.y for trace in figure.data] == [(0.9, None, 0.8), (0.1, None, 0.2)]
    assert figure.layout.barmode == "stack"
