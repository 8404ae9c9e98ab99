"""Sentences about single facts in the reader's language: what happened on which days, what was changed, by how much a
number moved. Called by the answers and sections of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from babel import dates as babel_dates

from backend.monitors.schemas import Figure
from backend.reports.schemas import RunLine
from backend.rollouts.schemas import RolloutRead
from dashboard.kit import values
from dashboard.kit.still import day_label
from dashboard.kit.text import locale, t, t_or
from dashboard.reports.conclusions import Spell, largest_part, rolled_out_before, spells
from dashboard.reports.facts import Facts
from dashboard.reports.limits import Complaint
from dashboard.reports.neighbours import AlertLine

Tone = Literal["good", "warning", "bad", "plain"]

TONES: Final[dict[str, Tone]] = {"ok": "good", "warning": "warning", "bad": "bad", "no_data": "plain"}
UNITS: Final = {"latency_p95": "ms", "requests": "count"}
#: Which series says what a complaint is made of.
PARTS: Final = {"error_rate": "error_rate_by_kind", "missing_rate": "missing_rate_by_field"}
_MOMENT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: when in words, the moment for the order, what, and how bad it is."""

    at: datetime
    when: str
    what: str
    tone: Tone


def unit_of(measure: str) -> str:
    return UNITS.get(measure, "share")


def reason(complaint: Complaint) -> str:
    """A complaint as the overview words it."""
    unit = unit_of(complaint.measure)
    return t(
        f"report.reason.{complaint.code}",
        measure=t(f"measures.{complaint.measure}.title"),
        value=values.by_unit(complaint.value, unit),
        previous=values.by_unit(complaint.previous, unit),
    )


def change(figure: Figure, unit: str, bad: str) -> tuple[str, Tone]:
    """How a number moved against the period before, and whether for the worse."""
    if figure.value is None or figure.previous is None:
        return t("report.numbers.no_previous"), "plain"
    difference = figure.value - figure.previous
    if unit == "share":
        written = values.points(difference)
    elif figure.previous:
        written = values.signed((figure.value / figure.previous - 1) * 100, 0) + "%"
    else:
        return t("report.numbers.no_previous"), "plain"
    if written.startswith("±"):
        return t("report.numbers.unchanged"), "plain"
    if bad == "none":
        return written, "plain"
    return written, "bad" if (difference > 0) == (bad == "up") else "good"


def weekday(at: datetime) -> str:
    """A day with its weekday."""
    return str(babel_dates.format_datetime(values.local(at), format=t("report.format.weekday"), locale=locale()))


def days(start: datetime, end: datetime) -> str:
    """A span of days in words; `end` is not part of it."""
    last = end - _MOMENT
    if values.local(start).date() == values.local(last).date():
        return weekday(start)
    return f"{day_label(start)} – {day_label(last)}"


def incidents(facts: Facts) -> list[Event]:
    """The days that stand out, in order of time."""
    return [_incident(facts, spell) for spell in spells(facts.steps)]


def _incident(facts: Facts, spell: Spell) -> Event:
    complaint, unit = spell.complaint, unit_of(spell.complaint.measure)
    said = [
        t(
            f"report.spell.{complaint.code}",
            measure=t(f"measures.{complaint.measure}.title"),
            value=values.by_unit(complaint.value, unit),
            previous=values.by_unit(complaint.previous, unit),
        )
    ]
    part = largest_part(facts, PARTS.get(complaint.measure, ""), spell.first.start, spell.last.end)
    if part is not None and part[1] > 0.5:
        said.append(t("report.spell.part", name=part[0], share=values.percent(part[1], 0)))
    version = rolled_out_before(facts, spell)
    if version is not None:
        said.append(t("report.spell.after", version=version))
    when = days(spell.first.start, spell.last.end)
    return Event(spell.first.start, when, " ".join(said), TONES[complaint.state])


def changes(facts: Facts) -> list[Event]:
    """Rollouts, versions, datasets and retraining runs, in order of time."""
    found: list[Event] = []
    before = facts.rollout_before
    for rollout in facts.rollouts:
        found.append(_changed(rollout.created_at, rollout_said(rollout, before)))
        before = rollout
    for version in facts.versions:
        found.append(_changed(version.created_at, t("report.change.version", name=version.name)))
    if facts.activity is not None:
        for dataset in facts.activity.datasets:
            said = t("report.change.dataset", name=dataset.name, n=dataset.n_items)
            found.append(_changed(dataset.created_at, said))
        found += [_changed(run.created_at, run_said(run)) for run in facts.activity.runs]
    return sorted(found, key=lambda event: event.at)


def _changed(at: datetime, what: str) -> Event:
    return Event(at, values.moment(at), what, "plain")


def level(name: str | None) -> str:
    """An automation level in words."""
    return t_or(f"overview.automation.{name}", name or values.NOTHING)


def rollout_said(rollout: RolloutRead, before: RolloutRead | None) -> str:
    """What a rollout changed, and why."""
    said = []
    old = before.champion if before else None
    if rollout.champion != old:
        key = "champion" if rollout.champion and old else "first_champion" if rollout.champion else "no_champion"
        said.append(t(f"report.change.{key}", new=rollout.champion or "", old=old or ""))
    if before is None:
        said.append(t("report.change.first_level", new=level(rollout.automation_level)))
    elif rollout.automation_level != before.automation_level:
        said.append(t("report.change.level", old=level(before.automation_level), new=level(rollout.automation_level)))
    beside, beside_before = _beside(rollout), _beside(before) if before else []
    if beside != beside_before:
        if beside:
            said.append(t("report.change.beside", names=", ".join(beside)))
        else:
            said.append(t("report.change.nothing_beside"))
    said.append(t("report.change.reason", reason=rollout.reason))
    return " ".join(said)


def _beside(rollout: RolloutRead) -> list[str]:
    return [f"{one.version} ({mode(one.mode)})" for one in rollout.challengers]


def mode(name: str) -> str:
    return t_or(f"report.mode.{name}", name)


def run_said(run: RunLine) -> str:
    """What became of a retraining run."""
    if run.state == "done" and run.new_version:
        return t(
            "report.change.run_done",
            new=run.new_version,
            parent=run.parent_version,
            accuracy=values.percent(run.accuracy),
            parent_accuracy=values.percent(run.parent_accuracy),
        )
    key = "run_open" if run.state in {"queued", "running"} else "run_failed"
    return t(f"report.change.{key}", parent=run.parent_version)


def alert_name(line: AlertLine) -> str:
    """A rule as the reader calls it: those of the product by its texts, people's own by their name."""
    return t_or(line.title_key, line.rule) if line.title_key else line.rule
