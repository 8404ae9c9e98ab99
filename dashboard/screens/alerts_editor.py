"""The editor of one rule, with "try on the last 90 days": what it would have raised, before it is saved."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.alerts.schemas import RaisedOut, RuleIn, RuleOut, TryOut
from backend.client import ApiError
from backend.monitors.schemas import MeasureOut
from dashboard.kit import alert_charts, charts, data, frame, session, values
from dashboard.kit.alert_words import note, rule_name, series_name
from dashboard.kit.data import ModelInfo
from dashboard.kit.feature_name import feature_name
from dashboard.kit.tables import table
from dashboard.kit.text import t
from dashboard.screens import alerts_history

_DAYS: Final = 90
_EVERY: Final = "-"
_WINDOWS: Final = (300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 259_200, 604_800, 2_419_200)
_KINDS: Final = ("threshold", "change", "burn_rate", "drift")
#: Columns of the line that says when it fires, by the kind of its condition.
_WIDTHS: Final = {
    "threshold": (1.6, 1, 1, 1),
    "change": (1.3, 1, 1.3, 1, 1, 1),
    "burn_rate": (1.6, 1, 1, 1, 1),
    "drift": (1, 2),
}


def show(rule: RuleOut | None) -> None:
    """Draw the form for a new rule, or for a change of this one."""
    key = rule.id if rule else "new"
    models = data.models()
    fields = _what(rule, key, models)
    measure: MeasureOut = fields.pop("unit_of")
    fields["condition"] = _condition(rule, key, measure)
    fields |= _more(rule, key)
    wish = _wish(fields)
    with st.container(horizontal=True):
        is_tried = st.button(t("alerts.editor.try"), key=f"try_{key}", icon=":material/history:")
        is_saved = st.button(t("alerts.editor.save"), key=f"save_{key}", type="primary", disabled=wish is None)
    if wish is None:
        st.caption(t("alerts.editor.incomplete"))
        return
    if is_saved:
        with frame.errors():
            _save(rule, wish)
    tried_key = f"soi_tried_{key}"
    if is_tried:
        st.session_state[tried_key] = True
    if st.session_state.get(tried_key):
        with frame.errors():
            _tried(wish, measure, models, key)


def _save(rule: RuleOut | None, wish: RuleIn) -> None:
    if rule is None:
        session.client().alerts.create_rule(wish)
    else:
        session.client().alerts.change_rule(rule.id, wish)
    data.forget()
    st.toast(t("alerts.editor.saved"))
    st.rerun()


def _wish(fields: dict[str, Any]) -> RuleIn | None:
    """The rule as it stands in the form; None while it is not whole."""
    try:
        return RuleIn(**fields)
    except ValueError:
        return None


def _what(rule: RuleOut | None, key: str, models: list[ModelInfo]) -> dict[str, Any]:
    """Name, model, measure and scope."""
    top = st.columns([1.4, 1.2, 1.6, 1.4])
    start = rule_name(rule.name, rule.title_key) if rule else ""
    name = top[0].text_input(t("alerts.editor.name"), value=start, key=f"name_{key}", max_chars=200)
    names = {model.name: model.shown for model in models}
    options = [*names, _EVERY]
    model = top[1].selectbox(
        t("alerts.editor.model"),
        options,
        index=options.index(rule.model or _EVERY) if rule else 0,
        format_func=lambda option: names.get(option, t("alerts.editor.every_model")),
        key=f"model_{key}",
    )
    found = data.read(lambda api: api.monitors.measures(), "measures")
    found = [measure for measure in found if measure.source != "processes"]  # these belong to no model
    measures = {one.name: one for one in found if one.chart != "heatmap"}
    base, _, line = (rule.measure if rule else "").partition(":")
    if rule and line and base in measures:  # one line of a measure, chosen through the API: keep it
        measures[rule.measure] = measures[base].model_copy(update={"name": rule.measure, "dimension": None})
    picked = _measure(rule, key, measures, top[2])
    kept = rule.name if rule and name == start else name
    fields = {"name": kept, "model": None if model == _EVERY else model, "measure": picked}
    info = next((one for one in models if one.name == model), None)
    return {**fields, **_scope(rule, key, info, top[3]), "unit_of": measures[picked]}


def _measure(rule: RuleOut | None, key: str, measures: dict[str, MeasureOut], where: Any) -> str:
    """The measure; a drift rule looks at every feature, so there is nothing to choose."""
    usual = rule.measure if rule and rule.measure in measures else "error_rate"
    if st.session_state.get(f"kind_{key}", rule.condition.kind if rule else "") == "drift":
        where.text_input(t("alerts.editor.measure"), t("alerts.editor.drift"), disabled=True, key=f"of_drift_{key}")
        return usual
    picked: str = where.selectbox(
        t("alerts.editor.measure"),
        list(measures),
        index=list(measures).index(usual),
        format_func=lambda option: t(measures[option].title_key),
        key=f"measure_{key}",
    )
    return picked


def _scope(rule: RuleOut | None, key: str, model: ModelInfo | None, where: Any) -> dict[str, Any]:
    options = ["", "each:version"]
    if model is not None:
        options += [f"each:segment:{name}" for name in model.segment_keys]
        options += [f"version:{name}" for name in data.versions(model.name)]
        options += [f"segment:{value}" for value in data.segment_values(model)]
    now = _scope_of(rule)
    if now not in options:
        options.append(now)
    picked: str = where.selectbox(
        t("alerts.editor.scope"), options, index=options.index(now), format_func=_scope_name, key=f"scope_{key}"
    )
    kind, _, rest = picked.partition(":")
    if kind == "each":
        return {"each": rest}
    if kind == "version":
        return {"version": rest}
    if kind == "segment":
        name, _, value = rest.partition("=")
        return {"segment_key": name, "segment_value": value}
    return {}


def _scope_of(rule: RuleOut | None) -> str:
    if rule is None:
        return ""
    if rule.each:
        return f"each:{rule.each}"
    if rule.version:
        return f"version:{rule.version}"
    return f"segment:{rule.segment_key}={rule.segment_value}" if rule.segment_key else ""


def _scope_name(option: str) -> str:
    if option == "each:version":
        return t("alerts.editor.scope_each_version")
    if option.startswith("each:segment:"):
        return t("alerts.editor.scope_each_segment", name=option.removeprefix("each:segment:"))
    if option.startswith("version:"):
        return t("alerts.editor.scope_version", version=option.removeprefix("version:"))
    if option.startswith("segment:"):
        return t("alerts.editor.scope_segment", segment=option.removeprefix("segment:"))
    return t("alerts.editor.scope_all")


def _condition(rule: RuleOut | None, key: str, measure: MeasureOut) -> dict[str, Any]:
    """When it fires; shares and relative changes are entered in per cent."""
    old = rule.condition.model_dump() if rule else {}
    shown = st.session_state.get(f"kind_{key}", old.get("kind", "threshold"))
    cells = st.columns(_WIDTHS[shown], vertical_alignment="bottom")
    kind = cells[0].selectbox(
        t("alerts.editor.kind"),
        _KINDS,
        index=_KINDS.index(old.get("kind", "threshold")),
        format_func=lambda name: t(f"alerts.editor.kinds.{name}"),
        key=f"kind_{key}",
    )
    if kind == "drift":
        return {"kind": "drift"}
    fields: dict[str, Any] = {"kind": kind}
    is_percent = measure.unit == "share" and kind != "burn_rate"
    if kind == "burn_rate":
        objective = cells[1].number_input(
            t("alerts.editor.objective"), 50.0, 99.999, float(old.get("objective") or 0.999) * 100, key=f"slo_{key}"
        )
        short = cells[2].selectbox(
            t("alerts.editor.short_window"),
            (300, 900, 1800, 3600, 21_600),
            index=0,
            format_func=lambda width: t(f"alerts.window.{width}"),
            key=f"short_{key}",
        )
        fields |= {"objective": objective / 100, "short_window_s": short}
    else:
        fields["direction"] = _pick(
            cells[1],
            "direction",
            ("above", "below") if kind == "threshold" else ("above", "below", "either"),
            old.get("direction", "below" if measure.bad == "down" else "above"),
            "directions",
            key,
        )
    if kind == "change":
        against = ("previous", "past_weeks")
        fields["against"] = cells[2].selectbox(
            t("alerts.editor.against"),
            against,
            index=against.index(old.get("against", "past_weeks")),
            format_func=lambda name: t(f"alerts.says.{name}"),
            key=f"against_{key}",
        )
        fields["mode"] = _pick(cells[3], "mode", ("relative", "absolute"), old.get("mode", "relative"), "modes", key)
        is_percent = is_percent or fields["mode"] == "relative"
    for name, cell in (("warning", cells[-2]), ("alert", cells[-1])):
        fields[name] = _limit(cell, name, old.get(name), is_percent, key)
    if measure.unit == "share" and kind != "burn_rate":
        fields["is_cautious"] = st.toggle(
            t("alerts.editor.cautious"),
            value=bool(old.get("is_cautious", True)),
            help=t("alerts.editor.cautious_help"),
            key=f"cautious_{key}",
        )
    return fields


def _limit(cell: Any, name: str, old: float | None, is_percent: bool, key: str) -> float | None:
    factor = 100.0 if is_percent else 1.0
    given = cell.number_input(
        t(f"alerts.editor.{name}") + (" (%)" if is_percent else ""),
        value=None if old is None else round(old * factor, 6),
        key=f"{name}_{key}_{is_percent}",
        help=t("alerts.editor.percent_help") if is_percent else None,
        format="%.6g",
    )
    return None if given is None else float(given) / factor


def _pick(where: Any, name: str, options: tuple[str, ...], start: str, texts: str, key: str) -> str:
    picked: str = where.selectbox(
        t(f"alerts.editor.{name}"),
        options,
        index=options.index(start) if start in options else 0,
        format_func=lambda option: t(f"alerts.editor.{texts}.{option}"),
        key=f"{name}_{key}",
    )
    return picked


def _more(rule: RuleOut | None, key: str) -> dict[str, Any]:
    """Window, minimum, holding and telling."""
    cells = st.columns([1, 1, 1, 1, 1], vertical_alignment="bottom")
    window = cells[0].selectbox(
        t("alerts.editor.window"),
        _WINDOWS,
        index=_WINDOWS.index(rule.window_s if rule else 3600),
        format_func=lambda width: t(f"alerts.window.{width}"),
        key=f"window_{key}",
    )
    min_n = cells[1].number_input(
        t("alerts.editor.min_n"), 0, 10**9, rule.min_n if rule else 50, key=f"min_n_{key}",
        help=t("alerts.editor.min_n_help"),
    )  # fmt: skip
    hold = cells[2].number_input(
        t("alerts.editor.hold"), 0, 10_080, (rule.hold_s if rule else 300) // 60, key=f"hold_{key}"
    )
    severities = ("low", "medium", "high")
    severity = cells[3].selectbox(
        t("alerts.editor.severity"),
        severities,
        index=severities.index(rule.severity if rule else "medium"),
        format_func=lambda name: t(f"alerts.severity.{name}"),
        key=f"severity_{key}",
    )
    is_on = cells[4].toggle(t("alerts.editor.is_on"), value=rule.is_enabled if rule else True, key=f"on_{key}")
    fields = {
        "window_s": window,
        "min_n": int(min_n),
        "hold_s": int(hold) * 60,
        "severity": severity,
        "is_enabled": is_on,
    }
    if rule is not None and window == rule.window_s:
        fields["every_s"] = rule.every_s
    with st.popover(t("alerts.editor.more"), icon=":material/tune:"):
        fields |= _rare(rule, key)
    return fields


def _rare(rule: RuleOut | None, key: str) -> dict[str, Any]:
    clear = st.number_input(
        t("alerts.editor.clear"), 0, 10_080, (rule.clear_s if rule else 600) // 60, key=f"clear_{key}"
    )
    remind = st.number_input(
        t("alerts.editor.renotify"), 0, 720, (rule.renotify_s if rule else 86_400) // 3600, key=f"remind_{key}"
    )
    offset = st.number_input(
        t("alerts.editor.offset"), 0, 10_080, (rule.offset_s if rule else 60) // 60, key=f"offset_{key}"
    )
    no_data = _pick(
        st, "no_data", ("no_data", "keep", "ok", "alert"), rule.no_data if rule else "no_data", "no_data_options", key
    )
    channels: list[str] | None = rule.channel_ids if rule else None
    if session.may("channels:manage"):
        known = {one.id: one.name for one in data.read(lambda api: api.channels.list(), "channels")}
        picked = st.multiselect(
            t("alerts.editor.channels"),
            list(known),
            default=[one for one in channels or [] if one in known],
            format_func=lambda one: known[one],
            help=t("alerts.editor.channels_help"),
            key=f"channels_{key}",
        )
        channels = list(picked) or None
    return {
        "clear_s": int(clear) * 60,
        "renotify_s": int(remind) * 3600,
        "offset_s": int(offset) * 60,
        "no_data": no_data,
        "channel_ids": channels,
    }


# --- trying --------------------------------------------------------------------------------------------------------


def _tried(wish: RuleIn, measure: MeasureOut, models: list[ModelInfo], key: str) -> None:
    """Asked again whenever the rule in the form changes, so the chart follows the editor."""
    model = wish.model
    if model is None:
        model = st.selectbox(t("alerts.editor.try_on"), [one.name for one in models], key=f"try_on_{key}")
    try:
        found = data.read(
            lambda api: api.alerts.try_rule(wish, model=model, days=_DAYS), "try", wish.model_dump_json(), model
        )
    except ApiError as error:
        if error.status != 422:
            raise
        st.warning(error.message, icon=":material/warning:")
        return
    hours = values.number(found.hours_firing, 1)
    if found.n_incidents:
        st.markdown(t("alerts.editor.tried", n=found.n_incidents, days=_DAYS, hours=hours))
    else:
        st.markdown(t("alerts.editor.tried_none", days=_DAYS))
    said = [t("alerts.editor.tried_how", n=found.n_windows, duration=values.milliseconds(found.duration_ms))]
    if found.share_no_data > 0.01:
        said.append(t("alerts.editor.tried_no_data", share=values.percent(found.share_no_data)))
    st.caption(" ".join(said))
    is_drift = wish.condition.kind == "drift"
    if is_drift:
        st.caption(t("alerts.editor.tried_drift"))
    _chart(wish, t("alerts.editor.drift") if is_drift else t(measure.title_key), found, key)
    if is_drift and found.raised:
        rows = [_raised(one, found.unit) for one in reversed(found.raised)]
        table(rows, alt=t("alerts.views.history"), key=f"raised_{key}", height=260)


def _raised(one: RaisedOut, unit: str) -> dict[str, str]:
    """A line of what a drift rule would have raised: which feature, what happened to it, and when."""
    return {
        t("alerts.editor.feature"): feature_name(one.series),
        t("alerts.editor.reason"): note(one.reason),
        t("alerts.history.column.opened"): values.moment(one.opened_at),
        t("alerts.history.column.lasted"): alerts_history.lasted(one.opened_at, one.closed_at),
        t("alerts.history.column.peak"): values.by_unit(one.peak, unit),
    }


def _chart(wish: RuleIn, title: str, found: TryOut, key: str) -> None:
    lines = []
    is_drift = wish.condition.kind == "drift"
    for line in found.lines:
        shown = feature_name(line.series) if is_drift else series_name(line.series, wish.each)
        name = shown or title
        lines.append(charts.Line(name, line.at, line.value))
        if len(found.lines) == 1 and any(value is not None for value in line.reference):
            lines.append(charts.Line(t("alerts.editor.reference_line"), line.at, line.reference))
    limits = []
    if wish.condition.kind == "threshold":
        for name, is_alert in (("warning", False), ("alert", True)):
            limit = getattr(wish.condition, name)
            if limit is not None:
                limits.append((limit, t(f"alerts.state.{name}"), is_alert))
    firing = [
        alert_charts.Firing(one.opened_at, one.closed_at or found.end, one.state == "alert") for one in found.raised
    ]
    figure = alert_charts.tried(
        lines,
        firing,
        unit=found.unit,
        window=(found.start, found.end),
        limits=limits,
        colours=frame.colours(),
    )
    alt = t("alerts.chart_alt", measure=title, days=_DAYS, n=found.n_incidents)
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=f"tried_{key}", alt=alt)
