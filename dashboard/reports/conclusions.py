"""What follows from the facts: is the model as good as our people, may it do more by itself, what happened, and what
to do next. Pure decisions; the words for them are in the catalogue (report.*)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from backend.comparisons.schemas import Rate
from backend.monitors.schemas import Figure
from dashboard.reports.facts import Facts, Step
from dashboard.reports.limits import Complaint

PeopleVerdict = Literal["no_labels", "too_few", "as_good", "worse", "unclear", "good_alone", "low_alone", "open_alone"]
Automation = Literal[
    "no_champion",
    "no_data",
    "step_back",
    "not_while_unwell",
    "not_worse_than_people",
    "misses_more",
    "not_enough",
    "already_full",
    "one_step",
]

#: Fewer decided items say nothing about a rate.
MIN_ITEMS: Final = 50
MIN_FLOOR: Final = 30
#: Half the width of the interval that an answer should have.
PRECISION: Final = 0.02
#: As good as people: certainly less than this far below what people reach among themselves.
MARGIN: Final = 0.03
#: Without a noise floor this agreement counts as good; the overview complains below it as well.
GOOD_ALONE: Final = 0.90
LEVELS: Final = ("human_only", "shadow", "assist", "partial", "full")
_ACTING: Final = frozenset({"partial", "full"})
_Z95: Final = 1.959964


def noise_floor(facts: Facts) -> tuple[Rate, int] | None:
    """How often two people agree, with its subjects: of the window where that says enough, else of eight weeks."""
    for comparison in (facts.people, facts.floor):
        if comparison is not None and comparison.noise_floor is not None:
            floor = comparison.noise_floor
            if floor.n_subjects >= MIN_FLOOR and floor.agreement.value is not None:
                return floor.agreement, floor.n_subjects
    return None


def judge_against_people(figure: Figure, floor: Rate | None) -> PeopleVerdict:
    """Whether agreement with people reaches what people reach among themselves, by the 95 % interval of the difference.

    `as_good`: certainly less than three points below the noise floor. `worse`: certainly below it. Without a floor:
    `good_alone`, `low_alone`, `open_alone` against 90 %.
    """
    if figure.value is None or not figure.n:
        return "no_labels"
    if figure.n < MIN_ITEMS or figure.lower is None or figure.upper is None:
        return "too_few"
    if floor is None or floor.value is None:
        if figure.lower >= GOOD_ALONE:
            return "good_alone"
        return "low_alone" if figure.upper < GOOD_ALONE else "open_alone"
    ours = (figure.value, figure.lower, figure.upper)
    lower, upper = difference(ours, (floor.value, floor.lower or 0.0, floor.upper or 1.0))
    if upper < 0:
        return "worse"
    return "as_good" if lower > -MARGIN else "unclear"


def difference(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """The 95 % interval of a - b for two independent shares, each given as (value, lower, upper) by Wilson.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10; its example 56/70 - 48/80:

    >>> [round(end, 4) for end in difference((0.8, 0.69176, 0.87685), (0.6, 0.49048, 0.70035))]
    [0.0524, 0.3339]
    """
    gap = a[0] - b[0]
    below = math.hypot(a[0] - a[1], b[2] - b[0])
    above = math.hypot(a[2] - a[0], b[0] - b[1])
    return gap - below, gap + above


def items_needed(figure: Figure, half_width: float = PRECISION) -> int:
    """How many more decided items make the interval at most two points wide to each side; 0 when they are there.

    >>> items_needed(Figure(value=0.9, n=100))
    765
    """
    share = min(max(figure.value if figure.value is not None else 0.9, 0.02), 0.98)
    wanted = math.ceil(_Z95**2 * share * (1 - share) / half_width**2)
    return max(0, wanted - int(figure.n))


def misses_more(facts: Facts) -> bool:
    """Whether the model lets more defects through than our people do, beyond both intervals.

    The model's share is weighed by the chance of being looked at, people's is not: people meet the doubtful items, so
    theirs is rather too high, and the comparison spares the model.
    """
    people = facts.people_truth.inspection_a if facts.people_truth else None
    if facts.escape is None or facts.escape.lower is None or people is None or people.miss.upper is None:
        return False
    return people.miss.n >= MIN_FLOOR and facts.escape.lower > people.miss.upper


def judge_automation(facts: Facts) -> Automation:
    """Whether the numbers of the window speak for letting the model do more by itself."""
    level = facts.now.automation_level or "human_only"
    if facts.now.champion is None:
        return "no_champion"
    if facts.state == "no_data":
        return "no_data"
    floor = noise_floor(facts)
    people = judge_against_people(facts.now.human_ai_agreement, floor[0] if floor else None)
    is_worse = people in {"worse", "low_alone"}
    if level in _ACTING and (facts.state == "bad" or is_worse or misses_more(facts)):
        return "step_back"
    if facts.state != "ok":
        return "not_while_unwell"
    if is_worse:
        return "not_worse_than_people"
    if misses_more(facts):
        return "misses_more"
    if people not in {"as_good", "good_alone"}:
        return "not_enough"
    return "already_full" if level == "full" else "one_step"


def next_level(level: str | None, step: int = 1) -> str:
    """The automation level above (or below, with -1) the present one."""
    position = LEVELS.index(level) if level in LEVELS else 0
    return LEVELS[min(max(position + step, 0), len(LEVELS) - 1)]


# --- what happened -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spell:
    """Neighbouring days with the same complaint; `worst` is the day on which it was worst."""

    first: Step
    last: Step
    worst: Step
    complaint: Complaint

    @property
    def n_days(self) -> int:
        return round((self.last.end - self.first.start) / timedelta(days=1))


#: A quiet day after a busy one is a day off more often than a failure; silence of the whole window is told anyway.
_NOT_BY_DAY: Final = frozenset({"silent"})


def spells(steps: Sequence[Step]) -> list[Spell]:
    """Complaints of the days, neighbours joined, in the order of time."""
    found: list[Spell] = []
    latest: dict[str, Spell] = {}
    for step in steps:
        for complaint in step.summary.reasons:
            if complaint.code in _NOT_BY_DAY:
                continue
            known = latest.get(complaint.measure)
            if known is not None and known.last.end == step.start:
                joined = _join(known, step, complaint)
                found[found.index(known)] = latest[complaint.measure] = joined
            else:
                latest[complaint.measure] = Spell(step, step, step, complaint)
                found.append(latest[complaint.measure])
    return sorted(found, key=lambda spell: (spell.first.start, spell.complaint.measure))


def _join(spell: Spell, step: Step, complaint: Complaint) -> Spell:
    falls = complaint.code == "below_limit"
    new, old = complaint.value or 0.0, spell.complaint.value or 0.0
    is_worse = new < old if falls else new > old
    kept = complaint if is_worse else spell.complaint
    return Spell(spell.first, step, step if is_worse else spell.worst, kept)


def rolled_out_before(facts: Facts, spell: Spell) -> str | None:
    """The version that began to answer on the first day of a spell or the day before: a likely cause."""
    earliest = spell.first.start - timedelta(days=1)
    before = facts.rollout_before.champion if facts.rollout_before else None
    found = None
    for row in facts.rollouts:
        if row.champion != before and earliest <= row.created_at < spell.first.end:
            found = row.champion
        before = row.champion
    return found


def largest_part(facts: Facts, measure: str, start: datetime, end: datetime) -> tuple[str, float] | None:
    """Which kind of failure or which field weighs most in [start, end), with its share of the sum of all."""
    series = facts.series.get(measure)
    if series is None:
        return None
    sums: dict[str, float] = {}
    for line in series.lines:
        inside = [
            (value or 0.0) * n
            for at, value, n in zip(series.bucket_at, line.value, line.n, strict=True)
            if start <= at + timedelta(seconds=series.grain_s) and at < end
        ]
        sums[line.name] = sum(inside)
    total = sum(sums.values())
    if total <= 0:
        return None
    name = max(sums, key=lambda one: sums[one])
    return name, sums[name] / total
