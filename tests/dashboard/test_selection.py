"""A selection on a chart: read from plotly's event in the reader's zone, kept in the address."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dashboard.kit import selection


def test_a_box_becomes_a_range_in_utc() -> None:
    event = {"selection": {"box": [{"x": ["2026-03-20 12:00:00.4", "2026-03-20 09:30"]}], "points": []}}
    found = selection.from_event(event, "error_rate", 3600, ZoneInfo("Asia/Ho_Chi_Minh"))
    assert found == selection.Range(
        datetime(2026, 3, 20, 2, 30, tzinfo=UTC), datetime(2026, 3, 20, 5, 0, tzinfo=UTC), "error_rate"
    )


def test_a_clicked_point_becomes_its_bucket() -> None:
    found = selection.from_event({"selection": {"points": [{"x": "2026-03-20 12:00"}]}}, "requests", 3600, UTC)
    assert found == selection.Range(
        datetime(2026, 3, 20, 12, tzinfo=UTC), datetime(2026, 3, 20, 13, tzinfo=UTC), "requests"
    )


def test_nothing_selected_is_no_range() -> None:
    assert selection.from_event(None, "requests", 60, UTC) is None
    assert selection.from_event({"selection": {"points": [], "box": []}}, "requests", 60, UTC) is None


def test_the_address_gives_back_the_same_range() -> None:
    chosen = selection.Range(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), "error_rate")
    assert selection.parse(chosen.text()) == chosen


def test_a_broken_address_is_no_range() -> None:
    for broken in ("", "x", "a~b~c", "20260302T000000Z~20260301T000000Z~m", "~~", "20260301T000000Z~~m"):
        assert selection.parse(broken) is None
