"""One feature on the Drift screen: reference against window, what n can see, the bins that moved, examples, harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from backend.drift.schemas import BinOut, Example, FeatureDetail, FeatureOut
from dashboard.kit import charts, data, drift_charts, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.feature_name import feature_name
from dashboard.kit.tables import picked_row, table
from dashboard.kit.text import t, t_or
from dashboard.screens import prediction_rows

if TYPE_CHECKING:
    from dashboard.screens.drift import View

_DISTANCES: Final = ("psi", "js", "hellinger", "tvd", "ks", "wasserstein")
_N_EXAMPLES: Final = 30


def show(view: View, one: FeatureOut) -> None:
    """Everything about the chosen feature."""
    from dashboard.screens.drift import reason_text, verdict_text

    st.subheader(feature_name(one.feature), anchor=False)
    if one.reason == "not_in_reference":
        st.info(t("drift.reason.not_in_reference"))
        return
    found = data.read(
        lambda api: api.drift.feature(
            view.model.name, one.feature, view.window.start, view.window.end, **view.narrow()
        ),
        "drift_feature",
        one.feature,
        *view.key,
    )
    st.markdown(f"**{verdict_text(found.feature.verdict)}** · {reason_text(found.feature)}")
    left, right = st.columns([1.7, 1])
    with left:
        _overlay(view, found)
        st.caption(_visible(found.feature))
    with right:
        _numbers(found.feature)
        _harm(found.feature)
    _moved(view.model, found)
    with frame.errors():
        _examples(view, one)


def bin_name(model: ModelInfo, feature: str, one: BinOut) -> str:
    """A bin as the reader calls it: a category, a range, or missing."""
    if one.text in ("null", "other", "unseen", "rest") and one.low is None and one.high is None:
        return t(f"drift.bin.{one.text}")
    if one.low is None and one.high is None:
        return model.label_shown(one.text) if feature == "prediction" else one.text or t("drift.bin.any")
    if one.text:
        return one.text
    if one.low is None:
        return f"≤ {values.number(one.high)}"
    if one.high is None:
        return f"> {values.number(one.low)}"
    return f"{values.number(one.low)} – {values.number(one.high)}"


def _overlay(view: View, found: FeatureDetail) -> None:
    one = found.feature
    names = (t("drift.side.reference"), t("drift.side.current"))
    is_number = one.kind == "number"
    bars = [
        drift_charts.Bar(
            bin_name(view.model, one.feature, bar), bar.low, bar.high, bar.reference or 0.0, bar.current or 0.0
        )
        for bar in found.bars
        if bar.low is not None or bar.high is not None or not is_number
    ]
    if not bars:
        st.caption(t("drift.no_values"))
        return
    draw = drift_charts.number_overlay if is_number else drift_charts.category_overlay
    figure = draw(bars, names, colours=frame.colours())
    moved = ", ".join(bin_name(view.model, one.feature, bar) for bar in one.moved) or t("common.none")
    st.plotly_chart(
        figure, theme=None, config=charts.CONFIG, key="drift_overlay", alt=t("drift.overlay_alt", moved=moved)
    )
    if is_number and (one.null_rate_reference or one.null_rate_current):
        before, now = values.percent(one.null_rate_reference), values.percent(one.null_rate_current)
        st.caption(t("drift.missing_share", before=before, now=now))


def _visible(one: FeatureOut) -> str:
    """What this many rows can see."""
    if one.visible_sigma is None:
        return t("drift.sees_nothing")
    said = t("drift.sees", n=one.n_current, sigma=values.number(one.visible_sigma, 2))
    if one.n_needed is not None and one.n_needed > one.n_current:
        said += " " + t("drift.needs", needed=one.n_needed)
    return said


def _numbers(one: FeatureOut) -> None:
    rows = [
        {
            t("drift.number.what"): t(f"drift.distance.{name}"),
            t("drift.number.value"): values.number(getattr(one, name), 4),
            t("drift.number.sigma"): values.number(one.sigma.get(name), 2),
        }
        for name in _DISTANCES
        if getattr(one, name) is not None
    ]
    st.markdown(f"**{t('drift.number.title')}**", help=t("drift.number.help"))
    table(rows, alt=t("drift.number.title"))
    facts = [
        t("drift.number.p", p=_p(one.p_adjusted)),
        t("drift.number.critical", value=values.number(one.psi_critical, 4)),
    ]
    if one.ks_p is not None:
        facts.append(t("drift.number.ks_exact" if one.ks_is_exact else "drift.number.ks", p=_p(one.ks_p)))
    if one.chi_square_p is not None:
        facts.append(t("drift.number.chi_square", p=_p(one.chi_square_p)))
    st.caption(" · ".join(facts))


def _p(value: float | None) -> str:
    if value is None:
        return values.NOTHING
    return f"< {values.number(1e-6, 6)}" if value < 1e-6 else f"= {values.number(value, 6 if value < 0.001 else 3)}"


def _harm(one: FeatureOut) -> None:
    effect = one.consequence
    if effect is None:
        return
    st.markdown(f"**{t(f'drift.harm.{effect.verdict}')}**", help=t("drift.help.harm"))
    if effect.error_inside is None or effect.error_outside is None:
        st.caption(t("drift.harm.nobody"))
        return
    st.caption(
        t(
            "drift.harm.rates",
            inside=values.percent(effect.error_inside),
            outside=values.percent(effect.error_outside),
            n_inside=effect.n_inside,
            n_outside=effect.n_outside,
        )
    )


def _moved(model: ModelInfo, found: FeatureDetail) -> None:
    if not found.feature.moved:
        return
    st.markdown(f"**{t('drift.moved.title')}**")
    rows = [
        {
            t("drift.moved.bin"): bin_name(model, found.feature.feature, one),
            t("drift.side.reference"): values.percent(one.reference),
            t("drift.side.current"): values.percent(one.current),
            t("drift.moved.part"): values.percent(one.part, 0),
        }
        for one in found.feature.moved
    ]
    table(rows, alt=t("drift.moved.title"))


def _examples(view: View, one: FeatureOut) -> None:
    if one.verdict not in ("drifted", "negligible"):
        return
    st.markdown(f"**{t('drift.examples.title')}**")
    if not session.may("events:read"):
        st.info(t("health.rows.only_for_scientists"), icon=":material/lock:")
        return
    found = data.read(
        lambda api: api.drift.examples(
            view.model.name, one.feature, view.window.start, view.window.end, limit=_N_EXAMPLES, **view.narrow()
        ),
        "drift_examples",
        one.feature,
        *view.key,
    )
    if not found.rows:
        st.caption(t("drift.examples.none"))
        return
    st.caption(t("health.rows.pick"))
    rows = [_example(view.model, row) for row in found.rows]
    picked = picked_row(rows, alt=t("drift.examples.title"), key=f"drift_examples_{one.feature}", height=280)
    if picked is not None and st.query_params.get("event") != found.rows[picked].event_id:
        st.query_params["event"] = found.rows[picked].event_id
    if st.query_params.get("event"):
        prediction_rows.detail(view.model, st.query_params["event"])


def _example(model: ModelInfo, row: Example) -> dict[str, str]:
    return {
        t("health.column.happened_at"): values.exact(row.happened_at).rsplit(" ", 1)[0],
        t("drift.examples.value"): _value(row.value),
        t("health.column.prediction"): model.label_shown(row.prediction)[:100],
        t("health.column.score"): values.number(row.score, 3),
        t("health.column.version"): row.version,
        t("health.column.role"): t_or(f"common.role.{row.role}", row.role),
        t("health.column.subject_id"): row.subject_id or values.NOTHING,
    }


def _value(value: Any) -> str:
    if value is None:
        return t("health.detail.missing")
    return values.number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)[:100]
