"""What a person selected on a chart over time, kept in the URL (`?sel=`), because a figure forgets its own selection
as soon as it changes, and because a selection should be sendable as a link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import streamlit as st

from dashboard.kit.text import reader

_PARAM: Final = "sel"


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time selected on the chart of a measure; `end` is not part of it."""

    start: datetime
    end: datetime
    measure: str

    def text(self) -> str:
        return f"{self.start:%Y%m%dT%H%M%SZ}~{self.end:%Y%m%dT%H%M%SZ}~{self.measure}"


def current() -> Range | None:
    """The selection in the URL; None when there is none or it cannot be read."""
    return parse(st.query_params.get(_PARAM, ""))


def parse(text: str) -> Range | None:
    """Reads a selection as `Range.text` writes it.

    >>> parse("20260301T000000Z~20260302T000000Z~error_rate").measure
    'error_rate'
    """
    parts = text.split("~")
    if len(parts) != 3:
        return None
    try:
        start, end = (datetime.strptime(part, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for part in parts[:2])
    except ValueError:
        return None
    return Range(start, end, parts[2]) if start < end else None


def keeper(key: str, measure: str, grain_s: int) -> Callable[[], None]:
    """What a chart with this key does when something is selected on it (`on_select`): the selection goes to the URL.

    It reads the chart as it was when the person looked at it. The next run may draw it anew with later values, and a
    figure that has changed has forgotten what was selected.
    """
    zone = reader().zone

    def keep() -> None:
        found = from_event(st.session_state.get(key), measure, grain_s, zone)
        if found is not None:
            st.query_params[_PARAM] = found.text()

    return keep


def clear() -> None:
    """Forget the selection."""
    st.query_params.pop(_PARAM, None)


def from_event(event: Any, measure: str, grain_s: int, zone: tzinfo) -> Range | None:
    """The range of plotly's selection: the box that was drawn, or the bucket of the point that was clicked.

    Plotly answers the wall time it was given, without zone: `zone` is the reader's.
    """
    chosen: Mapping[str, Any] = (event or {}).get("selection") or {}
    boxes = chosen.get("box") or []
    if boxes and len(boxes[0].get("x", [])) >= 2:
        ends = sorted(_moment(value, zone) for value in boxes[0]["x"])
        return Range(ends[0], max(ends[-1], ends[0] + timedelta(seconds=1)), measure)
    points = chosen.get("points") or []
    if points and points[0].get("x"):
        start = _moment(points[0]["x"], zone)
        return Range(start, start + timedelta(seconds=grain_s), measure)
    return None


def _moment(value: Any, zone: tzinfo) -> datetime:
    wall = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace(" ", "T", 1))
    return wall.replace(tzinfo=zone, microsecond=0).astimezone(UTC)
