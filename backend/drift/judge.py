"""What drifted in many windows at once, for alert rules: the newest windows live, months of them when a rule is tried
on the past. Both go through the same counts and the same verdicts, so a replay raises what the live run raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from db.engine import Database
from db.eventlog.log import EventLog

if TYPE_CHECKING:  # SciPy comes along: only where a rule asks for it
    from backend.drift.verdicts import Rules
    from backend.drift.windows import Counted

#: Drift is counted by the hour, so a rule sees at most so many different windows in a month: the budget of false alarms
#: is spread over all of them, though those of a rule overlap.
WINDOWS_A_MONTH = 720.0
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one feature in one window, with what an incident tells of it. `psi` None: nothing to compare."""

    feature: str
    verdict: str
    reason: str | None = None
    psi: float | None = None
    n: int = 0


#: (model row, version or None, segment or None, ends of windows, their width) -> a verdict per feature, per window.
Judge = Callable[[Any, str | None, tuple[str, str] | None, Sequence[datetime], timedelta], list[list[Judged]]]


def drift_judge(database: Database, eventlog: EventLog) -> Judge:
    """Verdicts of a model's windows against its current reference; without a reference there is nothing to say.

    A window is whole hours and ends at the last full one: an hour that has begun would be judged on a part of its rows
    live and on all of them in a replay.
    """

    def judge(
        model: Any, version: str | None, segment: tuple[str, str] | None, ends: Sequence[datetime], width: timedelta
    ) -> list[list[Judged]]:
        hours = [end.replace(minute=0, second=0, microsecond=0) for end in ends]
        different = sorted(set(hours))
        whole = max(width // _HOUR, 1) * _HOUR
        found = _judge_windows(database, eventlog, model, version, segment, different, whole)
        by_end = dict(zip(different, found, strict=True))
        return [by_end[hour] for hour in hours]

    return judge


def _judge_windows(
    database: Database,
    eventlog: EventLog,
    model: Any,
    version: str | None,
    segment: tuple[str, str] | None,
    ends: Sequence[datetime],
    width: timedelta,
) -> list[list[Judged]]:
    from backend.drift import budget
    from backend.drift.service import ask
    from backend.drift.windows import is_whole, missing_shapes, read_windows
    from db.eventlog.feature_profile import watched_columns
    from db.eventlog.schema import spec_of
    from db.repositories import drift_references

    with database.read() as session:
        reference = drift_references.current_reference(session, model.id)
    if reference is None:
        return [[] for _ in ends]
    first = ask(
        model, reference, ends[0] - width, ends[0], version=version, segments=dict([segment] if segment else [])
    )
    settings = budget.settings_of(model.settings)
    rules = budget.rules_of(settings, *first.span, windows_per_month=WINDOWS_A_MONTH)
    counted_ends = [end for end in ends if is_whole(reference, end - width)]
    counting = [Judged(name, "failed", "counting") for name in reference.facts.get("features", [])]
    found = [counting] * (len(ends) - len(counted_ends))
    for counted in read_windows(database, eventlog, reference, counted_ends, width, first.chosen):
        unknown = missing_shapes(counted.profile, watched_columns(spec_of(model)))
        extra = [Judged(shape.name, "failed", shape.trouble) for shape in unknown]
        found += [[*window, *extra] for window in judge_many(counted, rules)]
    return found


def judge_many(counted: Counted, rules: Rules) -> list[list[Judged]]:
    """A verdict per feature for every window of `counted`, whose counts are (windows, bins) per feature. Pure."""
    import numpy as np

    from backend.drift import distances
    from backend.drift.verdicts import VERDICTS, coarse, explain, judge_grid

    grid = judge_grid(counted.shapes, counted.reference, counted.current, rules)
    n_windows = grid.verdict.shape[1]
    found: list[list[Judged]] = [[] for _ in range(n_windows)]
    for place, shape in enumerate(counted.shapes):
        ref, cur = counted.reference[place], counted.current[place]
        index = distances.psi(coarse(shape, ref), coarse(shape, cur)).tolist()
        sizes, is_small = grid.n[place].tolist(), grid.is_reference_small[place].tolist()
        frozen = np.broadcast_to(ref, cur.shape)
        for window, code in enumerate(grid.verdict[place].tolist()):
            verdict, reason = VERDICTS[code], shape.trouble
            if verdict in ("drifted", "negligible"):
                reason, _ = explain(shape, frozen[window], cur[window])
            elif verdict == "insufficient":
                reason = "reference_too_small" if is_small[window] else "too_few_rows"
            value = index[window] if index[window] == index[window] else None
            found[window].append(Judged(shape.name, verdict, reason, value, sizes[window]))
    return found
