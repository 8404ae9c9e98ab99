"""The shape of a catalogue entry: what a measure is called, what it is made of, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from db.analytics.cells import Cells, Grid
from db.analytics.judged import JudgedPairs
from db.analytics.values import Values
from db.analytics.windows import Window

Group = Literal["software", "input", "media", "metric", "output", "feedback", "agreement", "capacity"]
Unit = Literal[
    "count", "per_second", "ms", "s", "share", "score", "number", "nats", "level", "px", "dbfs", "chars", "bytes"
]
ItemKind = Literal["image", "audio", "text", "tabular"]
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
    (per label, per field, per kind); such a measure cannot be split further, but one of its series can be asked for
    as a measure of its own, "<name>:<series>" (see db.analytics.catalog). `item_kind` is set where only models of
    that kind of item have it.
    """

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    ingredients: tuple[str, ...]
    compute: Callable[[Cells, Moment], Values]
    dimension: str | None = None
    item_kind: ItemKind | None = None
    source: Literal["rollups"] = "rollups"


@dataclass(frozen=True, slots=True)
class JudgedMeasure:
    """A measure made of the model's answers beside people's answers or the truth, by the time of the prediction."""

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    against: Literal["people", "truth", "each_other"]
    compute: Callable[[JudgedPairs], Values]
    ingredients: tuple[str, ...] = ()
    dimension: str | None = None
    source: Literal["judged"] = "judged"


@dataclass(frozen=True, slots=True)
class IngestionMeasure:
    """A measure of what came to the door, by the minute it came: refused rows have no version, role or segment."""

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    compute: Callable[[Mapping[str, Grid], int], Values]
    dimension: str | None = None
    ingredients: tuple[str, ...] = ()
    source: Literal["ingestion"] = "ingestion"


@dataclass(frozen=True, slots=True)
class ProcessMeasure:
    """What processes use of their machines: one line per process. It belongs to no model."""

    name: str
    group: Group
    unit: Unit
    bad: Bad
    chart: Chart
    column: str
    how: Literal["mean", "max", "sum", "per_commit"] = "mean"
    dimension: str | None = "process"
    ingredients: tuple[str, ...] = ()
    source: Literal["processes"] = "processes"


AnyMeasure = Measure | JudgedMeasure | IngestionMeasure | ProcessMeasure
