"""The first half page: four questions answered, the numbers beside those of the period before, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from backend.comparisons.schemas import SegmentAgreement
from backend.monitors.schemas import Figure
from dashboard.kit import values
from dashboard.kit.feature_name import feature_name
from dashboard.kit.text import t
from dashboard.reports.conclusions import (
    MIN_FLOOR,
    MIN_ITEMS,
    Automation,
    PeopleVerdict,
    items_needed,
    judge_against_people,
    judge_automation,
    largest_part,
    next_level,
    noise_floor,
)
from dashboard.reports.facts import Facts
from dashboard.reports.limits import Complaint
from dashboard.reports.phrases import (
    PARTS,
    TONES,
    Event,
    Tone,
    alert_name,
    change,
    changes,
    incidents,
    level,
    reason,
    unit_of,
)

#: New labels from which a new dataset is worth the work.
_ENOUGH_LABELS: Final = 200
_WAITS_TOO_LONG: Final = timedelta(days=2)
_MAX_STEPS: Final = 6
_NUMBERS: Final = (
    ("events", "requests", "none"),
    ("latency_p95", "latency_p95", "up"),
    ("error_rate", "error_rate", "up"),
    ("null_output_rate", "null_output_rate", "up"),
    ("missing_rate", "missing_rate", "up"),
    ("human_ai_agreement", "human_ai_agreement", "down"),
)
_PEOPLE_TONES: Final[dict[PeopleVerdict, Tone]] = {
    "as_good": "good",
    "good_alone": "good",
    "worse": "bad",
    "low_alone": "bad",
}
_AUTOMATION_TONES: Final[dict[Automation, Tone]] = {
    "step_back": "bad",
    "misses_more": "bad",
    "not_worse_than_people": "warning",
    "not_while_unwell": "warning",
    "one_step": "good",
    "already_full": "good",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One question with its answer in a few words and the sentences behind it."""

    question: str
    head: str
    sentences: list[str]
    tone: Tone


@dataclass(frozen=True, slots=True)
class Number:
    """One line of the table of numbers."""

    name: str
    now: str
    note: str
    before: str
    change: str
    tone: Tone


def answers(facts: Facts) -> list[Answer]:
    """Well, as good as people, what happened, more automation."""
    return [_well(facts), _people(facts), _happened(facts), _automate(facts)]


def _well(facts: Facts) -> Answer:
    said = [reason(one) for one in facts.now.reasons[:3]]
    if facts.state in {"ok", "no_data"}:
        said.append(t(f"report.well.{facts.state}_body"))
    if facts.before is not None and facts.before.state not in {facts.state, "no_data"}:
        said.append(t("report.well.before", state=t(f"overview.state.{facts.before.state}").lower()))
    return Answer(t("report.question.well"), t(f"report.well.{facts.state}"), said, TONES[facts.state])


def _people(facts: Facts) -> Answer:
    figure, found = facts.now.human_ai_agreement, noise_floor(facts)
    verdict = judge_against_people(figure, found[0] if found else None)
    body = t(
        f"report.people.{verdict}.body",
        agreement=values.percent(figure.value),
        interval=values.interval(figure.lower, figure.upper),
        n=int(figure.n),
        floor=values.percent(found[0].value) if found else values.NOTHING,
        needed=items_needed(figure),
    )
    tone = _PEOPLE_TONES.get(verdict, "plain")
    return Answer(t("report.question.people"), t(f"report.people.{verdict}.head"), [body], tone)


def _happened(facts: Facts) -> Answer:
    question, found = t("report.question.happened"), [*incidents(facts), *_turns(facts)]
    if not found:
        return Answer(question, t("report.happened.nothing.head"), [t("report.happened.nothing.body")], "good")
    order: dict[Tone, int] = {"bad": 0, "warning": 1, "plain": 2, "good": 3}
    worst = sorted(found, key=lambda event: (order[event.tone], event.at))[:3]
    said = [f"{event.when}: {event.what}" for event in sorted(worst, key=lambda event: event.at)]
    if len(found) > len(worst):
        said.append(t("report.happened.more", n=len(found) - len(worst)))
    return Answer(question, t("report.happened.some.head", n=len(found)), said, worst[0].tone)


def _turns(facts: Facts) -> list[Event]:
    """Changes of who answers or how far it may act: the changes that a manager has to know."""
    told, before = [], facts.rollout_before
    at = set()
    for row in facts.rollouts:
        old = (before.champion, before.automation_level) if before else (None, None)
        if (row.champion, row.automation_level) != old:
            at.add(row.created_at)
        before = row
    told += [event for event in changes(facts) if event.at in at]
    return told


def _automate(facts: Facts) -> Answer:
    verdict = judge_automation(facts)
    present = facts.now.automation_level or "human_only"
    target = next_level(present, -1 if verdict == "step_back" else 1)
    needed = items_needed(facts.now.human_ai_agreement)
    key = "not_enough_clear" if verdict == "not_enough" and not needed else verdict
    people = facts.people_truth.inspection_a if facts.people_truth else None
    body = t(
        f"report.automate.{key}.body",
        level=level(target),
        n=needed,
        miss=values.percent(facts.escape.value if facts.escape else None),
        people_miss=values.percent(people.miss.value if people else None),
    )
    said = [t("report.automate.now", level=level(present)), body]
    tone = _AUTOMATION_TONES.get(verdict, "plain")
    return Answer(t("report.question.automate"), t(f"report.automate.{key}.head"), said, tone)


def numbers(facts: Facts) -> list[Number]:
    """The main numbers with those of the period before."""
    return [_number(facts, field, measure, bad) for field, measure, bad in _NUMBERS]


def _number(facts: Facts, field: str, measure: str, bad: str) -> Number:
    figure: Figure = getattr(facts.now, field)
    unit = unit_of(measure)
    moved, tone = change(figure, unit, bad)
    note = ""
    if measure == "human_ai_agreement" and figure.value is not None:
        interval = values.interval(figure.lower, figure.upper)
        note = t("report.numbers.interval", interval=interval, n=int(figure.n))
    return Number(
        name=t(f"measures.{measure}.title"),
        now=values.by_unit(figure.value, unit),
        note=note,
        before=values.by_unit(figure.previous, unit),
        change=moved,
        tone=tone,
    )


# --- what to do next -----------------------------------------------------------------------------------------------


def next_steps(facts: Facts) -> list[str]:
    """At most six things to do, the most urgent first."""
    verdict = judge_automation(facts)
    present = facts.now.automation_level
    found = [_about(facts, complaint) for complaint in facts.now.reasons]
    if verdict == "step_back":
        found.insert(0, t("report.next.step_back", level=level(next_level(present, -1))))
    found += [*_about_neighbours(facts), *_about_queue(facts), *_about_evidence(facts), *_about_learning(facts)]
    if verdict == "one_step":
        found.append(t("report.next.one_step", level=level(next_level(present))))
    return found[:_MAX_STEPS] or [t("report.next.nothing")]


def _about(facts: Facts, complaint: Complaint) -> str:
    measure, unit = complaint.measure, unit_of(complaint.measure)
    value, previous = values.by_unit(complaint.value, unit), values.by_unit(complaint.previous, unit)
    if measure == "requests":
        return t("report.next.requests")
    if measure == "latency_p95":
        return t("report.next.latency_p95", value=value, previous=previous)
    if measure == "null_output_rate":
        return t("report.next.null_output_rate", value=value)
    if measure == "human_ai_agreement":
        return t("report.next.human_ai_agreement", value=value, part=_worst_segment(facts))
    if measure in PARTS:
        return t(f"report.next.{measure}", value=value, part=_mostly(facts, PARTS[measure]))
    return t("report.next.any", measure=t(f"measures.{measure}.title"), value=value)


def _mostly(facts: Facts, parts: str) -> str:
    found = largest_part(facts, parts, facts.start, facts.end)
    return t("report.next.mostly", name=found[0], share=values.percent(found[1], 0)) if found else ""


def worst_segments(facts: Facts) -> list[SegmentAgreement]:
    """Segments with enough items, the one with the least agreement first."""
    found = facts.people.by_segment if facts.people else []
    known = [one for one in found if one.agreement.n >= MIN_FLOOR and one.agreement.value is not None]
    return sorted(known, key=lambda one: one.agreement.value or 0.0)


def _worst_segment(facts: Facts) -> str:
    worst = worst_segments(facts)
    if not worst:
        return ""
    name = f"{worst[0].key} = {worst[0].value}"
    return t("report.next.worst_segment", name=name, value=values.percent(worst[0].agreement.value))


def _about_neighbours(facts: Facts) -> list[str]:
    found = []
    open_alerts = [alert_name(line) for line in facts.alerts or [] if line.ended_at is None]
    if open_alerts:
        found.append(t("report.next.alerts", n=len(open_alerts), names=", ".join(open_alerts[:3])))
    drifted = [feature_name(line.feature) for line in facts.drift or [] if line.verdict == "drifted"]
    if drifted:
        found.append(t("report.next.drift", names=", ".join(drifted[:3])))
    return found


def _about_queue(facts: Facts) -> list[str]:
    if facts.activity is None:
        return []
    found, disputes, items = [], facts.activity.disputes, facts.activity.items
    if disputes.n_open:
        since = t("report.next.since", at=values.date(disputes.oldest_open_at)) if disputes.oldest_open_at else ""
        found.append(t("report.next.disputes", n=disputes.n_open, since=since))
    if items.n_open and items.oldest_open_at and facts.made_at - items.oldest_open_at > _WAITS_TOO_LONG:
        found.append(t("report.next.waiting", n=items.n_open, at=values.date(items.oldest_open_at)))
    return found


def _about_evidence(facts: Facts) -> list[str]:
    figure = facts.now.human_ai_agreement
    found = []
    if facts.now.champion and facts.state != "no_data" and figure.n < MIN_ITEMS:
        found.append(t("report.next.decide", n=items_needed(figure)))
    elif figure.n >= MIN_ITEMS and noise_floor(facts) is None:
        found.append(t("report.next.overlap"))
    return found


def _about_learning(facts: Facts) -> list[str]:
    found = []
    for version, _, comparison in facts.challengers:
        value, champion = comparison.agreement, facts.people.agreement if facts.people else None
        is_better = champion is not None and champion.value is not None and (value.lower or 0.0) > champion.value
        if is_better and value.n >= MIN_ITEMS:
            found.append(
                t(
                    "report.next.challenger",
                    version=version,
                    champion=facts.now.champion or "",
                    value=values.percent(value.value),
                    champion_value=values.percent(champion.value if champion else None),
                )
            )
    activity = facts.activity
    if activity is not None and activity.n_labels_since_dataset >= _ENOUGH_LABELS:
        n = activity.n_labels_since_dataset
        if activity.last_dataset is None:
            found.append(t("report.next.first_dataset", n=n))
        else:
            found.append(t("report.next.dataset", n=n, name=activity.last_dataset.name))
    return found
