"""Filters as they are written in addresses."""

from __future__ import annotations

import pytest

from backend.errors import Invalid
from backend.monitors.filters import parse_conditions, parse_segments
from db.eventlog.filters import Filter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in_brightness<0.4", Filter("in_brightness", "lt", 0.4)),
        ("in_it's gain >= 2", Filter("in_it's gain", "ge", 2)),
        ("version=v1", Filter("version", "eq", "v1")),
        ("prediction!=", Filter("prediction", "ne", "")),
        ("error!=null", Filter("error", "not_null")),
        ("score=null", Filter("score", "is_null")),
        ("is_cached=true", Filter("is_cached", "eq", True)),
        ("error=a=b<c", Filter("error", "eq", "a=b<c")),
        ("seg_ca sáng=đêm", Filter("seg_ca sáng", "eq", "đêm")),
    ],
)
def test_condition_is_read_as_it_was_meant(text: str, expected: Filter) -> None:
    assert parse_conditions([text]) == [expected]


@pytest.mark.parametrize("text", ["", "score", "=1", "<3"])
def test_text_that_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_conditions([text])


def test_segment_values_may_hold_equal_signs() -> None:
    assert parse_segments(["line=L=1", "shift=day"]) == {"line": "L=1", "shift": "day"}


@pytest.mark.parametrize("texts", [["line"], ["=L1"], ["line=a", "line=b"]])
def test_text_that_is_no_segment_is_refused(texts: list[str]) -> None:
    with pytest.raises(Invalid):
        parse_segments(texts)
