"""Everything a report says, read once through the client and the same for every language. Called by build.collect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from backend.client import ApiError, Client
from backend.comparisons.schemas import Comparison
from backend.model_versions.schemas import VersionRead
from backend.models.schemas import ModelRead
from backend.monitors.schemas import Figure, Series
from backend.reports.schemas import Activity
from backend.rollouts.schemas import RolloutRead
from dashboard.reports.limits import Look, judge
from dashboard.reports.neighbours import AlertLine, DriftLine, read_alerts, read_drift

Read = TypeVar("Read")
Tell = Callable[[float, str], None]

#: The course of agreement is shown over this long, in weeks: people decide too little for a finer look.
AGREEMENT_WEEKS: Final = 8
#: Rules of the whole week look at each day up to this length, at each week beyond.
_DAILY_UP_TO: Final = timedelta(days=15)
#: Series with the period before beside them; the figures of the health section.
MEASURES: Final = ("requests", "latency_p95", "error_rate", "null_output_rate", "missing_rate")
#: Share of each kind or field, for saying what is behind a complaint.
PARTS: Final = ("error_rate_by_kind", "missing_rate_by_field")
_MAX_CHALLENGERS: Final = 3
#: Truth is rare and late: the newest four weeks in which this many items with known truth lie are told of.
ENOUGH_TRUTH: Final = 30
_FOUR_WEEKS_S: Final = 28 * 86_400


@dataclass(frozen=True, slots=True)
class Step:
    """One day (or week) of the window as the product's own rules judge it."""

    start: datetime
    end: datetime
    summary: Look


@dataclass(slots=True)
class Facts:
    """What is known. None means that there was nothing to read; `unread` names what could not be read, and why."""

    model: ModelRead
    start: datetime
    end: datetime
    made_at: datetime
    now: Look
    before: Look | None = None
    steps: list[Step] = field(default_factory=list)
    series: dict[str, Series] = field(default_factory=dict)
    agreement: Series | None = None
    people: Comparison | None = None
    floor: Comparison | None = None
    escape: Figure | None = None
    overkill: Figure | None = None
    people_truth: Comparison | None = None
    challengers: list[tuple[str, str, Comparison]] = field(default_factory=list)
    rollouts: list[RolloutRead] = field(default_factory=list)
    rollout_before: RolloutRead | None = None
    versions: list[VersionRead] = field(default_factory=list)
    activity: Activity | None = None
    drift: list[DriftLine] | None = None
    alerts: list[AlertLine] | None = None
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.now.state


def collect(
    client: Client,
    model: str,
    start: datetime,
    end: datetime,
    *,
    timezone: str = "UTC",
    now: datetime | None = None,
    tell: Tell = lambda fraction, step: None,
) -> Facts:
    """Read a model's week. Raises ApiError when the model or its numbers cannot be read; any other part that fails is
    left out and named in `unread`."""
    tell(0.02, "reading_health")
    facts = Facts(client.models.get(model), start, end, now or datetime.now(UTC), _summary(client, model, start, end))
    facts.before = _try(facts, "before", lambda: _summary(client, model, start - (end - start), start))
    _read_steps(facts, client, timezone, tell)
    _read_series(facts, client, tell)
    tell(0.5, "reading_agreement")
    _read_judgements(facts, client)
    tell(0.7, "reading_changes")
    _read_changes(facts, client)
    facts.activity = _try(facts, "activity", lambda: client.reports.activity(model, start, end))
    facts.drift = _try(facts, "drift", lambda: read_drift(client, model, start, end))
    facts.alerts = _try(facts, "alerts", lambda: read_alerts(client, model, start, end))
    return facts


def _try(facts: Facts, part: str, fetch: Callable[[], Read]) -> Read | None:
    try:
        return fetch()
    except ApiError as error:
        facts.unread[part] = error.message
        return None


def _summary(client: Client, model: str, start: datetime, end: datetime) -> Look:
    found = client.monitors.summary(start, end)
    mine = next((one for one in found.models if one.model == model), None)
    if mine is None:
        raise ApiError(404, "not_found", f"there are no numbers of the model {model}")
    return judge(mine)


def split(start: datetime, end: datetime, timezone: str) -> list[tuple[datetime, datetime]]:
    """The window cut at local midnights, in days or in weeks; a rest of under an hour is not a day of its own.

    >>> a = datetime(2026, 3, 1, 17, tzinfo=UTC)
    >>> len(split(a, a + timedelta(days=7), "Asia/Ho_Chi_Minh"))
    7
    """
    zone = ZoneInfo(timezone)
    step = timedelta(days=1 if end - start <= _DAILY_UP_TO else 7)
    day = start.astimezone(zone).date() + step
    cuts = [start]
    while (cut := datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)) < end:
        cuts.append(cut)
        day += step
    cuts.append(end)
    parts = list(pairwise(cuts))
    return [part for part in parts if part[1] - part[0] >= timedelta(hours=1)] or parts


def _read_steps(facts: Facts, client: Client, timezone: str, tell: Tell) -> None:
    parts = split(facts.start, facts.end, timezone)
    for number, (start, end) in enumerate(parts):
        tell(0.05 + 0.25 * number / len(parts), "reading_health")
        found = _try(facts, "steps", lambda a=start, b=end: _summary(client, facts.model.name, a, b))  # type: ignore[misc]
        if found is not None:
            facts.steps.append(Step(start, end, found))


def _read_series(facts: Facts, client: Client, tell: Tell) -> None:
    hours = (facts.end - facts.start).total_seconds() / 3600
    grain_s = 3600 if hours <= 24 else 10_800 if hours <= 24 * 8 else 43_200 if hours <= 24 * 32 else 86_400
    for number, measure in enumerate((*MEASURES, *PARTS)):
        tell(0.3 + 0.2 * number / len(MEASURES + PARTS), "reading_health")
        is_part = measure in PARTS
        found = _try(
            facts,
            measure,
            lambda name=measure, part=is_part: client.monitors.series(  # type: ignore[misc]
                facts.model.name,
                name,
                facts.start,
                facts.end,
                grain_s=86_400 if part else grain_s,
                previous=not part,
            ),
        )
        if found is not None:
            facts.series[measure] = found


def _read_judgements(facts: Facts, client: Client) -> None:
    """The version that answers against people and against the truth, and how far people agree among themselves."""
    name, start, end = facts.model.name, facts.start, facts.end
    long_ago = end - timedelta(weeks=AGREEMENT_WEEKS)
    facts.agreement = _try(
        facts,
        "agreement",
        lambda: client.monitors.series(name, "human_ai_agreement", long_ago, end, grain_s=7 * 86_400),
    )
    champion = facts.now.champion
    if champion is None or facts.model.output_kind != "label":
        return

    def compare(part: str, a: str, b: str, first: datetime) -> Comparison | None:
        return _try(facts, part, lambda: client.comparisons.compare(name, a, b, first, end))

    facts.people = compare("people", f"version:{champion}", "people", start)
    facts.floor = compare("floor", f"version:{champion}", "people", long_ago)
    facts.people_truth = compare("people_truth", "people", "truth", long_ago)
    for measure, field_name in (("escape_rate", "escape"), ("overkill_rate", "overkill")):
        series = _try(
            facts,
            measure,
            lambda wanted=measure: client.monitors.series(name, wanted, long_ago, end, grain_s=_FOUR_WEEKS_S),  # type: ignore[misc]
        )
        setattr(facts, field_name, newest_enough(series) if series is not None else None)


def newest_enough(series: Series) -> Figure | None:
    """The newest bucket of a series' first line that enough items lie in."""
    for points in series.lines[:1]:
        for place in reversed(range(len(points.value))):
            if points.value[place] is not None and points.n[place] >= ENOUGH_TRUTH:
                return Figure(
                    value=points.value[place],
                    n=points.n[place],
                    lower=points.lower[place] if points.lower else None,
                    upper=points.upper[place] if points.upper else None,
                )
    return None


def _read_changes(facts: Facts, client: Client) -> None:
    """Rollouts and versions of the window, and how the challengers in force stand against people."""
    name = facts.model.name
    rollouts = _try(facts, "rollouts", lambda: client.rollouts.list(name, limit=200)) or []
    past = [row for row in rollouts if row.created_at < facts.end]
    facts.rollouts = sorted((row for row in past if row.created_at >= facts.start), key=lambda row: row.id)
    facts.rollout_before = next((row for row in past if row.created_at < facts.start), None)
    versions = _try(facts, "versions", lambda: client.model_versions.list(name, limit=200)) or []
    facts.versions = [row for row in reversed(versions) if facts.start <= row.created_at < facts.end]
    if not past or facts.people is None:
        return
    for challenger in past[0].challengers[:_MAX_CHALLENGERS]:
        found = _try(
            facts,
            "challengers",
            lambda judge=f"version:{challenger.version}": client.comparisons.compare(  # type: ignore[misc]
                name, judge, "people", facts.start, facts.end
            ),
        )
        if found is not None and found.n:
            facts.challengers.append((challenger.version, challenger.mode, found))
