"""Drift: which inputs and outputs of a model no longer look like the reference, how surely and how much, since when,
and whether it does harm. A feature's own part is in drift_feature.py, references and the knob in drift_setup.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from backend.drift.schemas import DriftReport, DriftSeries, FeatureLine, FeatureOut, ReferenceOut
from dashboard.kit import charts, data, drift_charts, frame, spark, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.feature_name import feature_name
from dashboard.kit.frame import Window
from dashboard.kit.text import t, t_or
from dashboard.screens import drift_feature, drift_setup, embedding_drift

_EVERYTHING: Final = "-"
_BADGES: Final = {
    "drifted": ("red", ":material/trending_up:"),
    "failed": ("orange", ":material/error:"),
    "negligible": ("blue", ":material/trending_flat:"),
    "ok": ("green", ":material/check_circle:"),
    "insufficient": ("gray", ":material/hourglass_empty:"),
}
#: A small line fills its height from this many sigma on, so that noise looks like noise.
_SPARK_TOP: Final = 0.5
#: Features listed before the reader asks for the rest.
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class View:
    """What is compared with what; all of it is in the URL."""

    model: ModelInfo
    window: Window
    reference: ReferenceOut
    version: str | None
    segment: tuple[str, str] | None

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.model.name, self.reference.id, self.version, self.segment, *self.window.key)

    def narrow(self) -> dict[str, Any]:
        """As arguments of the client."""
        segments = dict([self.segment]) if self.segment else None
        return {"reference": self.reference.id, "version": self.version, "segments": segments}


def show() -> None:
    frame.page("drift.title", "drift.intro")
    view = _pick()
    if view is None:
        return
    report = data.read(
        lambda api: api.drift.report(view.model.name, view.window.start, view.window.end, **view.narrow()),
        "drift_report",
        *view.key,
    )
    _headline(view, report)
    if not any(one.n_current for one in report.features):
        frame.empty_state("drift.no_rows", code=frame.first_event(view.model.name), model=view.model.shown)
        drift_setup.show(view.model, [view.reference])
        return
    series = data.read(
        lambda api: api.drift.series(view.model.name, view.window.start, view.window.end, **view.narrow()),
        "drift_series",
        *view.key,
    )
    _features(view, report, series)
    _heat(view, report, series)
    drift_setup.together(view.model, view.window, view.narrow())
    chosen = _chosen(report)
    drift_feature.show(view, chosen)
    if view.model.item_kind in embedding_drift.KINDS:
        with frame.errors():
            embedding_drift.show(view.model, view.window)
    frame.window_caption(view.window)
    drift_setup.show(view.model, _references(view.model))


def _pick() -> View | None:
    top = st.columns([1.2, 1, 1.4, 0.9, 1], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1])
    found = _references(model)
    if not found:
        frame.empty_state("drift.no_reference", model=model.shown)
        drift_setup.show(model, [])
        return None
    by_id = {one.id: one for one in found}
    current = next((one.id for one in found if one.is_current), found[0].id)
    picked = frame.choice(
        "drift.reference", list(by_id), key="reference", shown=lambda i: _named(by_id[i]), default=current, where=top[2]
    )
    version = _version(model, top[3])
    segment = _segment(model, top[4])
    return View(model, window, by_id[picked or current], version, segment)


def _references(model: ModelInfo) -> list[ReferenceOut]:
    return data.read(lambda api: api.drift.references(model.name), "drift_references", model.name)


def _named(reference: ReferenceOut) -> str:
    text = t("drift.reference_named", number=reference.number, name=reference.name)
    return t("drift.reference_current", reference=text) if reference.is_current else text


def _version(model: ModelInfo, where: Any) -> str | None:
    options = [_EVERYTHING, *data.versions(model.name)]
    picked = frame.choice("common.version", options, key="version", shown=_or_all, where=where)
    return None if picked == _EVERYTHING else picked


def _segment(model: ModelInfo, where: Any) -> tuple[str, str] | None:
    if not model.segment_keys:
        return None
    options = [_EVERYTHING, *data.segment_values(model)]
    picked = frame.choice("common.segment", options, key="segment", shown=_or_all, where=where)
    if not picked or picked == _EVERYTHING:
        return None
    key, _, value = picked.partition("=")
    return key, value


def _or_all(option: str) -> str:
    return t("common.all") if option == _EVERYTHING else option


# --- the headline --------------------------------------------------------------------------------------------------


def _headline(view: View, report: DriftReport) -> None:
    drifted = [one for one in report.features if one.verdict == "drifted"]
    n_unsure = sum(one.verdict == "insufficient" for one in report.features)
    n_failed = sum(one.verdict == "failed" for one in report.features)
    with st.container(border=True):
        if drifted:
            names = ", ".join(f"**{feature_name(one.feature)}**" for one in drifted[:5])
            more = t("drift.and_more", n=len(drifted) - 5) if len(drifted) > 5 else ""
            st.markdown(f":red[:material/trending_up:] {t('drift.some_drifted', n=len(drifted), names=names)}{more}")
        else:
            st.markdown(f":green[:material/check_circle:] {t('drift.none_drifted')}")
        said = [t("drift.n_features", n=len(report.features))]
        if n_unsure:
            said.append(t("drift.n_unsure", n=n_unsure))
        if n_failed:
            said.append(t("drift.n_failed", n=n_failed))
        said.append(t("drift.budget", n=report.alarms_per_month))
        st.caption(" · ".join(said))
    if not report.is_whole:
        st.info(t("drift.counting", share=values.percent(view.reference.progress, 0)), icon=":material/hourglass_top:")


# --- the features --------------------------------------------------------------------------------------------------


def verdict_text(verdict: str) -> str:
    """A verdict in one word."""
    return t(f"drift.verdict.{verdict}")


def _features(view: View, report: DriftReport, series: DriftSeries) -> None:
    lines = {line.feature: line for line in series.features}
    with_all = len(report.features) <= _SHOWN or st.query_params.get("all") == "1"
    shown = report.features if with_all else report.features[:_SHOWN]
    widths = [1.7, 1.2, 0.8, 2.4, 1.3, 1.6]
    for column, key in zip(st.columns(widths), ("feature", "verdict", "shift", "reason", "trend", "harm"), strict=True):
        column.caption(t(f"drift.column.{key}"), help=t(f"drift.help.{key}"))
    for one in shown:
        _feature_row(one, lines.get(one.feature), widths)
    if not with_all and st.button(t("drift.show_all", n=len(report.features)), key="drift_all"):
        st.query_params["all"] = "1"
        st.rerun()


def _feature_row(one: FeatureOut, line: FeatureLine | None, widths: list[float]) -> None:
    cells = st.columns(widths, vertical_alignment="center")
    with cells[0]:
        if st.button(feature_name(one.feature), key=f"drift_pick_{one.feature}", type="tertiary"):
            st.query_params["feature"] = one.feature
            st.rerun()
    colour, icon = _BADGES[one.verdict]
    cells[1].badge(verdict_text(one.verdict), color=colour, icon=icon)
    is_told = one.verdict not in ("insufficient", "failed")
    cells[2].markdown(f"{values.number(one.shift_sigma, 2)} σ" if is_told and one.shift_sigma is not None else "–")
    cells[3].markdown(reason_text(one))
    with cells[4]:
        drawn = spark.svg(_told(line), frame.colours().series[0], t("drift.trend_alt"), top=_SPARK_TOP) if line else ""
        if drawn:
            st.html(drawn)
    cells[5].markdown(harm_text(one))


def _told(line: FeatureLine) -> list[float | None]:
    """The effect where there were enough rows to tell."""
    is_told = [verdict not in (None, "insufficient", "failed") for verdict in line.verdict]
    return [shift if told else None for shift, told in zip(line.shift_sigma, is_told, strict=True)]


def reason_text(one: FeatureOut) -> str:
    """Why a verdict is what it is, in words."""
    if one.verdict == "ok":
        return t("drift.reason.ok", sigma=values.number(one.visible_sigma, 2))
    if one.verdict == "insufficient":
        if one.reason == "reference_too_small" or one.n_needed is None:
            return t("drift.reason.reference_too_small", n=one.n_reference)
        return t("drift.reason.too_few_rows", n=one.n_current, needed=one.n_needed)
    known = {
        "missing": {"before": values.percent(one.null_rate_reference), "now": values.percent(one.null_rate_current)},
        "less_missing": {
            "before": values.percent(one.null_rate_reference),
            "now": values.percent(one.null_rate_current),
        },
    }
    code = f"{one.reason}_{one.direction}" if one.direction else str(one.reason)
    return t_or(f"drift.reason.{code}", code, **known.get(code, {}))


def harm_text(one: FeatureOut) -> str:
    """What the drift does, in words; nothing for features that did not drift."""
    if one.consequence is None:
        return ""
    colour = {"harmful": "red", "benign": "green", "unknown": "gray"}[one.consequence.verdict]
    return f":{colour}[{t(f'drift.harm.{one.consequence.verdict}')}]"


def _chosen(report: DriftReport) -> FeatureOut:
    names = [one.feature for one in report.features]
    picked = frame.choice("drift.feature", names, key="feature", shown=feature_name, where=st.columns([1.6, 3])[0])
    return next((one for one in report.features if one.feature == picked), report.features[0])


# --- over time -----------------------------------------------------------------------------------------------------


def _heat(view: View, report: DriftReport, series: DriftSeries) -> None:
    order = {one.feature: place for place, one in enumerate(report.features)}
    lines: Sequence[FeatureLine] = sorted(series.features, key=lambda line: order.get(line.feature, 999))[:40]
    st.markdown(f"**{t('drift.heat')}**", help=t("drift.heat_help"))
    rows = [drift_charts.HeatRow(feature_name(line.feature), line.verdict, line.shift_sigma, line.n) for line in lines]
    names = {name: verdict_text(name) for name in _BADGES}
    figure = drift_charts.heat_map(series.bucket_at, rows, verdict_names=names, colours=frame.colours())
    drifted = [row.name for row in rows if "drifted" in row.verdicts]
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key="drift_heat",
        alt=t("drift.heat_alt", names=", ".join(drifted) or t("common.none")),
    )
