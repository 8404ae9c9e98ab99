"""The shape of a catalogue entry: what a measure is called, what it is made of, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from db.analytics.cells import Cells
from db.analytics.judged import JudgedPairs
from db.analytics.values import Values
from db.analytics.windows import Window

Group = Literal["software", "input", "media", "metric", "output", "feedback", "agreement"]
Unit = Literal[
    "count", "per_second", "ms", "s", "share", "score", "number", "nats", "level", "px", "dbfs", "chars", "bytes"
]
Bad = Literal["up", "down", "none"]
Chart = Literal["line", "area", "stacked", "heatmap"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a chart is drawn: its window, and `now`, because a running bucket is not over."""

    window: Window
    now: datetime


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure made of additive counts in roll-up cells, so its cost follows buckets, never events.

    `ingredients` are the roll-up columns it reads. `dimension` names what its series are when it brings its own
    (per label, per field, per kind); such a measure cannot be split further.
    """

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    ingredients: tuple[str, ...]
    compute: Callable[[Cells, Moment], Values]
    dimension: str | None = None
    source: Literal["rollups"] = "rollups"


@dataclass(frozen=True, slots=True)
class JudgedMeasure:
    """A measure made of the model's answers beside people's answers or the truth, by the time of the prediction."""

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    against: Literal["people", "truth"]
    compute: Callable[[JudgedPairs], Values]
    ingredients: tuple[str, ...] = ()
    dimension: str | None = None
    source: Literal["judged"] = "judged"


AnyMeasure = Measure | JudgedMeasure
