"""What a screen of measures is asked to show: model, range, grain, lines, filters. All of it is in the URL. Used by
Health and by Inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import streamlit as st

from backend.monitors.schemas import Mark, MeasureOut
from dashboard.kit import address, data, frame
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.text import t

EVERYTHING: Final = "-"
_AUTO: Final = "auto"
#: Widths of buckets that a person may choose; a chart has two of them at least and 2,000 at most.
GRAINS_S: Final = (300, 900, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
_MAX_POINTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class View:
    """What is shown. `grain_s` is None where the screen chooses the width of the buckets."""

    model: ModelInfo
    window: Window
    group: str
    split: str | None
    version: str | None
    segment: tuple[str, str] | None
    with_previous: bool
    grain_s: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        parts = (self.split, self.version, self.segment, self.with_previous)
        return (self.model.name, *self.window.key, *parts)

    @property
    def is_narrowed(self) -> bool:
        """Whether only some of the predictions are looked at, or they are told apart."""
        return bool(self.split or self.version or self.segment)


def pick(groups: Sequence[str]) -> View:
    """The pickers of the screen, above its charts."""
    top = st.columns([1.3, 1, 2.2], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1])
    with top[2]:
        address.follow("group", groups, groups[0])
        group = st.segmented_control(
            t("health.group"),
            list(groups),
            required=True,
            format_func=lambda name: t(f"health.groups.{name}"),
            key="group",
        )
        address.keep("group", group, groups[0])
    below = st.columns([1.2, 1, 1.2, 1, 1], vertical_alignment="bottom")
    split = _split_picker(model, below[0])
    version = _version_picker(model, below[1])
    segment = _segment_picker(model, below[2])
    grain_s = _grain_picker(window, below[3])
    address.follow_flag("prev")
    previous = below[4].toggle(t("common.previous"), key="prev")
    address.keep("prev", bool(previous))
    return View(model, window, group or groups[0], split, version, segment, bool(previous), grain_s)


def measures(view: View) -> list[MeasureOut]:
    """The measures of the view's group that this kind of model has."""
    found = data.read(lambda api: api.monitors.measures(), "measures")
    kinds = (None, view.model.item_kind)
    return [one for one in found if one.group == view.group and one.item_kind in kinds and _suits(one, view.model)]


def _suits(measure: MeasureOut, model: ModelInfo) -> bool:
    """Answers that are numbers have a mean and percentiles, and no shares of labels."""
    if measure.name.startswith("answer_"):
        return model.output_kind == "number"
    return measure.name != "label_shares" or model.output_kind == "label"


def marks(view: View) -> list[Mark]:
    """What happened in the window: new versions, alerts, and rollouts that changed who answers."""
    earlier = view.window.start - timedelta(days=366)  # to know who answered when the window begins
    found = data.read(
        lambda api: api.monitors.marks(view.model.name, earlier, view.window.end),
        "marks",
        view.model.name,
        *view.window.key,
    )
    kept, champion = [], None
    for mark in found:
        is_change = mark.kind != "rollout" or mark.name != champion
        champion = mark.name if mark.kind == "rollout" else champion
        if is_change and mark.at >= view.window.start:
            kept.append(mark)
    return kept


def _split_picker(model: ModelInfo, where: Any) -> str | None:
    options = [EVERYTHING, "version", "role", *(f"segment:{key}" for key in model.segment_keys)]
    picked = frame.choice("health.split", options, key="split", shown=_split_name, where=where)
    return None if picked == EVERYTHING else picked


def _split_name(option: str) -> str:
    if option.startswith("segment:"):
        return t("health.by_segment", name=option.removeprefix("segment:"))
    return t("health.not_split") if option == EVERYTHING else t(f"health.by_{option}")


def _version_picker(model: ModelInfo, where: Any) -> str | None:
    versions = data.versions(model.name)
    if not versions:
        return None
    picked = frame.choice("common.version", [EVERYTHING, *versions], key="version", shown=_or_all, where=where)
    return None if picked == EVERYTHING else picked


def _segment_picker(model: ModelInfo, where: Any) -> tuple[str, str] | None:
    """One value of one segment key; the values are those seen in the last 30 days."""
    if not model.segment_keys:
        return None
    options = [EVERYTHING, *data.segment_values(model)]
    picked = frame.choice("common.segment", options, key="segment", shown=_or_all, where=where)
    if not picked or picked == EVERYTHING:
        return None
    key, _, value = picked.partition("=")
    return key, value


def _grain_picker(window: Window, where: Any) -> int | None:
    length_s = window.length.total_seconds()
    fitting = [str(grain) for grain in GRAINS_S if 2 <= length_s / grain <= _MAX_POINTS]
    picked = frame.choice(
        "common.grain", [_AUTO, *fitting], key="grain", shown=lambda name: t(f"common.grains.{name}"), where=where
    )
    return None if picked in (None, _AUTO) else int(picked or 0)


def _or_all(option: str) -> str:
    return t("common.all") if option == EVERYTHING else option
