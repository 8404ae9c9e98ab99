"""What a policy would have said on past days, from the evidence as it was known then. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from backend.automation.collect import Source, Wish, collect
from backend.automation.schemas import Backtest, BacktestDay, BacktestIn
from backend.automation.service import MAX_HISTORY, empty_evidence, needs_of
from backend.automation.standing import Standing, stood
from db.engine import Database
from db.models.model import Model
from db.repositories import automation, rollouts
from review.rules.automation import decide
from review.rules.evidence import Counts, accuracy

#: Gates that past days cannot tell: what drifted is judged against the reference of today.
NOT_REPLAYED = frozenset({"drift"})
DAY = timedelta(days=1)


def backtest(database: Database, source: Source, model: Model, wish: BacktestIn, now: datetime) -> Backtest:
    """One verdict per day, at its end in UTC, oldest first."""
    policy = wish.policy.model_dump(mode="json")
    left_out = sorted(needs_of(policy) & NOT_REPLAYED)
    for step in policy["steps"]:
        step["gates"] = [gate for gate in step["gates"] if gate["kind"] not in NOT_REPLAYED]
    last = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [last - DAY * back for back in range(wish.days - 1, -1, -1)]
    with database.read() as session:
        history = list(reversed(rollouts.list_rollouts(session, model.id, limit=MAX_HISTORY)))
        blocks = [automation.open_block(session, model.id, wish.segment, at) for at in moments]
    standings = [_as_if(stood(history, wish.segment, at), wish.level) for at in moments]
    evidence = _evidence(source, model, wish, policy, standings, moments)
    days = []
    for at, standing, block, found in zip(moments, standings, blocks, evidence, strict=True):
        found |= {"level": standing.level, "block": {"id": block.id} if block is not None else None}
        days.append(_day(at, standing, found, policy))
    return Backtest(days=days, not_replayed=left_out)


def _as_if(standing: Standing, level: Any) -> Standing:
    return standing if level is None else replace(standing, level=level)


def _evidence(
    source: Source,
    model: Model,
    wish: BacktestIn,
    policy: dict[str, Any],
    standings: Sequence[Standing],
    moments: Sequence[datetime],
) -> list[dict[str, Any]]:
    """Days in a row with one version are collected together."""
    found: list[dict[str, Any]] = []
    places = range(len(moments))
    for version, run in groupby(places, key=lambda place: standings[place].version):
        chosen = list(run)
        nothing = [empty_evidence(standings[place], moments[place]) for place in chosen]
        if version is None:
            found += nothing
            continue
        asked = Wish(
            model,
            wish.segment,
            version,
            policy["recent_days"],
            policy["window_days"],
            [(standings[place].since or moments[place], moments[place]) for place in chosen],
            needs_of(policy),
            clock=wish.clock,
        )
        found += [one | made for one, made in zip(nothing, collect(source, asked), strict=True)]
    return found


def _day(at: datetime, standing: Standing, evidence: dict[str, Any], policy: dict[str, Any]) -> BacktestDay:
    counts = Counts.read(evidence["counts"])
    verdict = decide(evidence, policy)
    figure = accuracy(counts, policy["alpha"])
    is_silent = not counts.n_items
    return BacktestDay(
        at=at,
        level=standing.level,
        version=standing.version,
        kind="none" if is_silent else verdict["kind"],
        key="no_answers" if is_silent else verdict["key"],
        to=verdict["to"],
        n_labels=counts.n_labels,
        n_more=verdict["n_more"],
        accuracy=figure.value,
        lower=figure.lower if counts.n_labels else None,
        upper=figure.upper if counts.n_labels else None,
    )
