"""Refused rows, values of a wrong type and dropped shadow calls, from what the door counted, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.analytics.series import Charts, Selection, UnusableSelection, series
from db.analytics.windows import make_window
from db.repositories.ingestion import add_counts
from tests.analytics.conftest import START, add_model

HOUR = timedelta(hours=1)
COUNTS = [
    (0, {"accepted": 90, "duplicate": 2, "type_changed": 6, "wrong_type": 1, "missing_field": 1}),
    (1, {"accepted": 50, "type_changed": 50, "shadow_queue_full": 7}),
    (3, {"accepted": 10, "shadow_aside": 2, "shadow_queue_full": 1}),
]


@pytest.mark.parametrize("grain_s", [3_600, 604_800])
def test_refused_rows_are_shares_of_what_was_sent(charts: Charts, grain_s: int) -> None:
    model = add_model(charts.database)
    with charts.database.write() as session:
        for hour, counts in COUNTS:
            minute = START + hour * HOUR + timedelta(minutes=7)
            add_counts(session, minute, {(model.name, reason): n for reason, n in counts.items()})
            add_counts(session, minute, {("other", "malformed"): 1000})
    window = make_window(START, START + 4 * HOUR, grain_s)

    def drawn(name: str) -> dict[str, list[float | None]]:
        table = series(charts, model, name, window, Selection(), START + 9 * HOUR).to_pydict()
        found: dict[str, list[float | None]] = {}
        for line, value in zip(table["series"], table["value"], strict=True):
            found.setdefault(line, []).append(value)
        return found

    if grain_s == 604_800:
        assert drawn("refused_rate")[""] == [pytest.approx(58 / 210)]
        return
    assert drawn("refused_rate")[""] == [pytest.approx(0.08), 0.5, None, 0.0]
    assert drawn("type_violation_rate")[""] == [pytest.approx(0.07), 0.5, None, 0.0]
    by_reason = drawn("refused_rate_by_reason")
    assert list(by_reason) == ["type_changed", "missing_field", "wrong_type"]
    assert by_reason["type_changed"] == [pytest.approx(0.06), 0.5, None, 0.0]
    assert drawn("shadow_drops") == {"aside": [0, 0, 0, 2], "queue_full": [0, 7, 0, 1]}


def test_refused_rows_have_no_version_or_segment(charts: Charts) -> None:
    model = add_model(charts.database)
    window = make_window(START, START + HOUR, 3_600)
    for selection in (Selection(version="v1"), Selection(split="version"), Selection(segments={"line": "L1"})):
        with pytest.raises(UnusableSelection):
            series(charts, model, "refused_rate", window, selection, START)
