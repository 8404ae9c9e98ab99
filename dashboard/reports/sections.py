"""The pages behind the answers, written for the reader: health with its figures, agreement, labels, drift, alerts,
what changed. Each function takes the facts and gives what the template shows; None leaves the section out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from backend.comparisons.schemas import Rate
from backend.monitors import schemas as health
from dashboard.kit import charts, still, text, values
from dashboard.kit.feature_name import feature_name
from dashboard.kit.text import t, t_or
from dashboard.reports.answers import worst_segments
from dashboard.reports.conclusions import noise_floor
from dashboard.reports.facts import MEASURES, Facts
from dashboard.reports.neighbours import AlertLine, DriftLine
from dashboard.reports.phrases import TONES, Tone, alert_name, days, mode, unit_of

_MAX_SEGMENTS: Final = 6
_MAX_LABELS: Final = 12
_MAX_DRIFT: Final = 15
_DRIFT_TONES: Final[dict[str, Tone]] = {"drifted": "bad", "failed": "warning", "ok": "good"}
_ALERT_TONES: Final[dict[str, Tone]] = {"alert": "bad", "warning": "warning"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn chart with its title and the same in a few numbers."""

    title: str
    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of written cells; `tones` colours the first cell of a row."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    tones: Sequence[Tone] = ()


def figures(facts: Facts) -> list[Figure]:
    """One small chart per measure of health, with the period before and the releases."""
    drawn = (_figure(facts, facts.series[name]) for name in MEASURES if name in facts.series)
    return [figure for figure in drawn if figure is not None]


def _figure(facts: Facts, series: health.Series) -> Figure | None:
    title, unit = t(f"measures.{series.measure}.title"), unit_of(series.measure)
    lines = [charts.Line(title, series.bucket_at, points.value) for points in series.lines[:1]]
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        return None
    for points in (series.previous or [])[:1]:
        lines.append(charts.Line(title, series.bucket_at, points.value, is_previous=True))
    caption = t(
        "report.health.summary",
        last=values.by_unit(known[-1], unit),
        lowest=values.by_unit(min(known), unit),
        highest=values.by_unit(max(known), unit),
    )
    svg = still.time_chart(
        lines,
        unit=unit,
        window=(facts.start, facts.end),
        marks=_marks(facts),
        alt=f"{title}: {caption}",
    )
    return Figure(title, Markup(svg), caption)


def _marks(facts: Facts) -> list[charts.Mark]:
    """Changes of who answers."""
    found, before = [], facts.rollout_before.champion if facts.rollout_before else None
    for row in facts.rollouts:
        if row.champion != before:
            found.append(charts.Mark(row.created_at, row.champion or values.NOTHING))
        before = row.champion
    return found


def by_day(facts: Facts) -> Table | None:
    """The numbers of every day, for reading without the figures."""
    if not facts.steps:
        return None
    fields = (("events", "requests"), *((name, name) for name in MEASURES if name != "requests"))
    head = [t("report.health.day"), t("report.health.state")]
    head += [t(f"overview.cell.{field}") for field, _ in fields]
    rows, tones = [], []
    for step in facts.steps:
        state = _state_of_day(step.summary.state, int(step.summary.events.n or 0))
        cells = [values.by_unit(getattr(step.summary, field).value, unit_of(name)) for field, name in fields]
        rows.append([days(step.start, step.end), t(f"overview.state.{state}"), *cells])
        tones.append(TONES[state])
    return Table(t("report.numbers_by_day"), head, rows, tones=tones)


def strip(facts: Facts) -> list[tuple[str, str, Tone]]:
    """Every day with its state: (day, state in words, tone)."""
    found = []
    for step in facts.steps:
        state = _state_of_day(step.summary.state, int(step.summary.events.n or 0))
        found.append((days(step.start, step.end), t(f"overview.state.{state}"), TONES[state]))
    return found


def _state_of_day(state: str, n_events: int) -> str:
    """A day without events is a day without data, whatever the day before was."""
    return state if n_events else "no_data"


# --- agreement with people -----------------------------------------------------------------------------------------


def agreement_figure(facts: Facts) -> Figure | None:
    """Agreement by week with its interval, and how often two people agree."""
    series = facts.agreement
    if series is None or not series.lines or not any(value is not None for value in series.lines[0].value):
        return None
    points, title = series.lines[0], t("report.agreement.by_week")
    middle = (
        [at + (series.bucket_at[1] - series.bucket_at[0]) / 2 for at in series.bucket_at]
        if len(series.bucket_at) > 1
        else list(series.bucket_at)
    )
    line = charts.Line(title, middle, points.value, low=points.lower, high=points.upper)
    found = noise_floor(facts)
    floor = found[0].value if found else None
    reference = (floor, t("report.agreement.floor", value=values.percent(floor))) if floor is not None else None
    known = [value for value in points.value if value is not None]
    caption = t(
        "report.health.summary",
        last=values.percent(known[-1]),
        lowest=values.percent(min(known)),
        highest=values.percent(max(known)),
    )
    svg = still.time_chart(
        [line],
        unit="share",
        window=(series.start, series.end),
        reference=reference,
        zero=False,
        width=720,
        height=170,
        alt=f"{title}: {caption}",
    )
    return Figure(title, Markup(svg), caption)


def floor_said(facts: Facts) -> str:
    """How often two people agree, in a sentence."""
    found = noise_floor(facts)
    if found is None:
        return t("report.agreement.no_floor")
    rate, n_subjects = found
    return t(
        "report.agreement.floor_fact",
        value=values.percent(rate.value),
        interval=values.interval(rate.lower, rate.upper),
        n=n_subjects,
    )


def agreement_tables(facts: Facts) -> list[Table]:
    """By segment, by answer, against the truth, and of the versions beside it; empty ones are left out."""
    tables = (_segments(facts), _labels(facts), _truth(facts), _challengers(facts))
    return [table for table in tables if table is not None]


def _segments(facts: Facts) -> Table | None:
    rows = [[f"{one.key} = {one.value}", *_rate_cells(one.agreement)] for one in worst_segments(facts)[:_MAX_SEGMENTS]]
    if not rows:
        return None
    head = [t("common.segment"), *_rate_head()]
    return Table(t("report.agreement.segment"), head, rows, note=t("report.agreement.segment_intro"))


def _labels(facts: Facts) -> Table | None:
    if facts.people is None or not facts.people.n:
        return None
    used = [one for one in facts.people.by_label if one.n_a or one.n_b][:_MAX_LABELS]
    rows = [
        [
            label_shown(facts, one.label),
            values.number(one.n_a),
            values.number(one.n_b),
            values.percent(one.agreement.value),
        ]
        for one in used
    ]
    head = [
        t("report.agreement.label_column"),
        t("report.agreement.label_model"),
        t("report.agreement.label_people"),
        t("report.agreement.agreement"),
    ]
    return Table(t("report.agreement.label"), head, rows) if rows else None


def _truth(facts: Facts) -> Table | None:
    people = facts.people_truth.inspection_a if facts.people_truth else None
    rows = []
    if facts.escape is not None or facts.overkill is not None:
        model = t("report.agreement.model", version=facts.now.champion or "")
        rows.append([model, _with_interval(facts.escape), _with_interval(facts.overkill)])
    if people is not None:
        rows.append([t("report.agreement.people"), _with_interval(people.miss), _with_interval(people.overkill)])
    if not rows:
        return None
    head = [t("report.agreement.judge"), t("report.agreement.miss"), t("report.agreement.overkill")]
    return Table(t("report.agreement.truth"), head, rows, note=t("report.agreement.truth_intro"))


def _challengers(facts: Facts) -> Table | None:
    if not facts.challengers or facts.people is None:
        return None
    rows = [[facts.now.champion or "", t("report.agreement.answers"), *_rate_cells(facts.people.agreement)]]
    rows += [[version, mode(how), *_rate_cells(found.agreement)] for version, how, found in facts.challengers]
    head = [t("report.agreement.version"), t("report.agreement.mode"), *_rate_head()]
    return Table(t("report.agreement.challengers"), head, rows)


def _rate_head() -> list[str]:
    return [t("report.agreement.agreement"), t("report.agreement.interval"), t("report.agreement.items")]


def _rate_cells(rate: Rate) -> list[str]:
    return [values.percent(rate.value), values.interval(rate.lower, rate.upper), values.number(rate.n)]


def _with_interval(rate: Rate | health.Figure | None) -> str:
    if rate is None or rate.value is None:
        return values.NOTHING
    shown = t("report.numbers.interval", interval=values.interval(rate.lower, rate.upper), n=int(rate.n))
    return f"{values.percent(rate.value)}\n{shown}"


def label_shown(facts: Facts, name: str) -> str:
    """A label as the reader calls it; '' is no answer."""
    if not name:
        return t("common.no_answer")
    found = next((label for label in facts.model.labels if label.name == name), None)
    return text.choose(found.title, name) if found else name


# --- people's work, drift, alerts ----------------------------------------------------------------------------------


def labels_table(facts: Facts) -> Table | None:
    """Decisions, labels, the queue and disagreements, with the period before where it is known."""
    done = facts.activity
    if done is None:
        return None
    made, before = sum(done.labels.values()), sum(done.labels_before.values())
    n_events = facts.now.events.n
    coverage = min(1.0, done.people.n_subjects / n_events) if n_events else None
    rows: list[tuple[str, str, str]] = [
        ("made", values.number(made), values.number(before)),
        ("decisions", values.number(done.people.n_decisions), values.number(done.people_before.n_decisions)),
        ("people", values.number(done.people.n_people), values.number(done.people_before.n_people)),
        ("coverage", values.percent(coverage), ""),
        ("opened", values.number(done.items.n_opened), ""),
        ("closed", values.number(done.items.n_closed), ""),
        ("waiting", values.number(done.items.n_open), ""),
        ("disputes", values.number(done.disputes.n_opened), ""),
        ("settled", values.number(done.disputes.n_closed), ""),
        ("open_disputes", values.number(done.disputes.n_open), ""),
        ("total", values.number(done.n_labels), ""),
    ]
    shown = " · ".join(f"{label_shown(facts, name)} {values.number(n)}" for name, n in done.labels.items())
    head = [t("report.numbers.measure"), t("report.numbers.now"), t("report.numbers.before")]
    cells = [[t(f"report.labels.{name}"), now, then] for name, now, then in rows]
    note = t("report.labels.by_label", shown=shown) if shown else ""
    return Table(t("report.labels.title"), head, cells, note=note)


def drift_table(lines: Sequence[DriftLine] | None) -> Table | None:
    """What moved from its reference, the largest shift first; only where drift is known."""
    if lines is None:
        return None
    drifted = [line for line in lines if line.verdict == "drifted"]
    note = t("report.drift.some", n=len(drifted)) if drifted else t("report.drift.none")
    order = {"drifted": 0, "failed": 1, "insufficient": 2, "negligible": 3, "ok": 4}
    ordered = sorted(lines, key=lambda line: (order.get(line.verdict, 9), -(line.shift_sigma or 0.0), line.feature))
    shown = ordered[:_MAX_DRIFT]
    head = [t(f"report.drift.{name}") for name in ("feature", "verdict", "shift", "rows")]
    rows = [
        [
            feature_name(line.feature),
            t_or(f"report.drift.{line.verdict}", line.verdict) + _because(line),
            t("report.drift.sigma", value=values.number(line.shift_sigma, 2))
            if line.shift_sigma is not None
            else values.NOTHING,
            values.number(line.n),
        ]
        for line in shown
    ]
    tones = [_DRIFT_TONES.get(line.verdict, "plain") for line in shown]
    return Table(t("report.drift.title"), head, rows, note=note, tones=tones)


def _because(line: DriftLine) -> str:
    """The reason in the words of the drift screen, or as its code where there are none."""
    key = "drift.reason." + (line.reason or "")
    if not line.reason or not text.has(key):
        return f" ({line.reason})" if line.reason else ""
    said = t(
        key,
        n=line.n,
        needed=line.n_needed or 0,
        sigma=values.number(line.visible_sigma, 2),
        before=values.percent(line.null_rate_before),
        now=values.percent(line.null_rate_now),
    )
    return f" ({said})"


def alerts_table(lines: Sequence[AlertLine] | None) -> Table | None:
    """The alerts that held in the window; only where alerts are known."""
    if lines is None:
        return None
    head = [t(f"report.alerts.{name}") for name in ("rule", "state", "started", "ended")]
    rows = [
        [
            alert_name(line) + (f" ({line.series})" if line.series else ""),
            t_or(f"report.alerts.{line.state}", line.state),
            values.moment(line.started_at),
            values.moment(line.ended_at) if line.ended_at else t("report.alerts.open"),
        ]
        for line in lines
    ]
    note = "" if rows else t("report.alerts.none")
    tones = [_ALERT_TONES.get(line.state, "plain") for line in lines]
    return Table(t("report.alerts.title"), head, rows, note=note, tones=tones)
