"""Collects the evidence of a ladder: what was logged and judged, as known at one or many moments. No decision here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.automation.estimating import estimates_of
from db.analytics.audited import Answers, Audited, Span
from db.analytics.outcomes import Scoring
from db.analytics.sliding import Steps
from db.analytics.watched import Ask, Watcher
from db.repositories import evidence
from db.repositories.truth_history import Clock
from review.rules.evidence import Counts, Drawn, Items
from review.rules.sampling import unit

#: More different probabilities than this are thinned to powers of two: every item keeps an exact chance.
MAX_LAYERS = 8
#: What is counted of drawn answers, and the mark that says so.
_NUMBERS: dict[str, str | None] = {
    "n_drawn": None,
    "n_labels": "is_right",
    "n_right": "is_right",
    "n_positive": "is_positive",
    "n_pairs": "is_pair",
    "n_won": "is_won",
    "n_lost": "is_lost",
}
QUANTILES = ("p50", "p90", "p95", "p99")
_STEP_S = 300

#: (model, version, segment, start, end) -> features that drifted with harm, or not surely without; None: no reference.
DriftLook = Callable[[Any, str, tuple[str, str] | None, datetime, datetime], dict[str, Any] | None]


@dataclass(frozen=True)
class Source:
    """Where evidence comes from."""

    audited: Audited
    watcher: Watcher
    drift: DriftLook | None = None


@dataclass(frozen=True)
class Wish:
    """One ladder at some moments. `since` is where its evidence begins at each of them."""

    model: Any
    segment: str
    version: str
    recent_days: int
    window_days: int
    moments: Sequence[tuple[datetime, datetime]]
    needs: frozenset[str] = field(default_factory=frozenset)
    is_now: bool = False
    clock: Clock = "logged"

    @property
    def segments(self) -> dict[str, str]:
        key, _, value = self.segment.partition("=")
        return {key: value} if key else {}


def collect(source: Source, wish: Wish) -> list[dict[str, Any]]:
    """The evidence at each moment, as JSON: counts, recent, estimates, refused, latency, drift, labels a day ..."""
    spans = [_spans(wish, since, at) for since, at in wish.moments]
    answers = source.audited.answers(
        wish.model, wish.version, wish.segments, [span for pair in spans for span in pair], wish.clock
    )
    latencies = _latencies(source.watcher, wish) if "latency" in wish.needs else [None] * len(spans)
    return [
        _one(source, wish, answers, whole, recent, latency)
        for (whole, recent), latency in zip(spans, latencies, strict=True)
    ]


def _spans(wish: Wish, since: datetime, at: datetime) -> tuple[Span, Span]:
    start = max(since, at - timedelta(days=wish.window_days))
    newest = max(start, at - timedelta(days=wish.recent_days))
    return Span(min(start, at), at, wish.is_now), Span(min(newest, at), at, wish.is_now)


def _one(source: Source, wish: Wish, answers: Answers, whole: Span, recent: Span, latency: Any) -> dict[str, Any]:
    said = source.audited.said(wish.model.id, whole, wish.clock)
    pairs = source.audited.pairs(wish.model.id, whole, wish.clock) if "non_inferiority" in wish.needs else {}
    positives = frozenset(Scoring.of(wish.model).positives)
    rows = [_judged(row, said, pairs, positives) for row in answers.drawn_of(whole)]
    kept = _thinned(rows)
    counts = _counts(answers.items(whole), kept)
    recent_rows = _thinned([_judged(row, said, pairs, positives) for row in answers.drawn_of(recent)])
    days = max(1.0, (whole.as_of - whole.start).total_seconds() / 86_400)
    found: dict[str, Any] = {
        "as_of": _text(whole.as_of),
        "since": _text(whole.start),
        "recent_since": _text(recent.start),
        "version": wish.version,
        "counts": counts.written(),
        "recent": _counts(answers.items(recent), recent_rows).written(),
        "labels_per_day": round(counts.n_labels / days, 3),
        "latency": latency,
        "drift": None,
    }
    if wish.is_now:
        with source.audited.database.read() as session:
            refused = evidence.count_refused(session, wish.model.id, whole.start, whole.as_of)
        unanswered = len(said.keys() - {row["subject"] for row in rows})
        found["refused"] = refused | ({"not_answered": unanswered} if unanswered else {})
        found["n_unseen"] = answers.n_unseen(whole)
        found["estimates"] = estimates_of(answers.items(whole), rows)
        if "drift" in wish.needs and source.drift is not None:
            segment = next(iter(wish.segments.items()), None)
            found["drift"] = source.drift(wish.model, wish.version, segment, recent.start, recent.as_of)
    return found


def _judged(
    row: Mapping[str, Any], said: Mapping[str, str], pairs: Mapping[str, tuple[str, str]], positives: frozenset[str]
) -> dict[str, Any]:
    """A drawn answer with what people said of it; `is_right` None while nobody did."""
    truth = said.get(row["subject"])
    found = {**row, "is_right": None, "is_positive": False, "is_pair": False, "is_won": False, "is_lost": False}
    if truth is not None:
        found |= {"is_right": row["label"] == truth, "is_positive": truth in positives}
    two = pairs.get(row["subject"])
    if two is not None:
        # Which of the two is held against the other follows from the subject alone: neither is favoured.
        first, second = two if unit(0, f"pair:{row['subject']}") < 0.5 else two[::-1]
        agrees, other = row["label"] == first, second == first
        found |= {"is_pair": True, "is_won": agrees and not other, "is_lost": other and not agrees}
    return found


def _thinned(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they are while few probabilities occur; else each keeps its place with the chance that makes its
    probability a power of two, by a lot that follows from the subject alone."""
    if len({row["pi"] for row in rows}) <= MAX_LAYERS:
        return list(rows)
    kept = []
    for row in rows:
        level = 2.0 ** math.floor(math.log2(row["pi"]))
        if unit(0, f"layer:{row['subject']}") < level / row["pi"]:
            kept.append({**row, "pi": level})
    return kept


def _counts(items: Mapping[tuple[bool, int], int], rows: Sequence[Mapping[str, Any]]) -> Counts:
    numbers: dict[tuple[float, bool, int], dict[str, int]] = {}
    for row in rows:
        key = (row["pi"], bool(row["says"]), row["bin"])
        one = numbers.setdefault(key, dict.fromkeys(_NUMBERS, 0))
        for name, flag in _NUMBERS.items():
            one[name] += 1 if flag is None else int(row[flag] is not None if name == "n_labels" else bool(row[flag]))
    drawn = [
        Drawn(pi=pi, says_positive=says, bin=one_bin, **found) for (pi, says, one_bin), found in sorted(numbers.items())
    ]
    return Counts(tuple(Items(says, one_bin, n) for (says, one_bin), n in sorted(items.items())), tuple(drawn))


def _latencies(watcher: Watcher, wish: Wish) -> list[dict[str, Any] | None]:
    """Percentiles of the newest days before each moment; the moments of a back-test are evenly spaced midnights."""
    ends = [_floor(at, _STEP_S) for _, at in wish.moments]
    step_s = round((ends[1] - ends[0]).total_seconds()) if len(ends) > 1 else _STEP_S
    steps = Steps(ends[0], len(ends), step_s, wish.recent_days * 86_400)
    segment = next(iter(wish.segments.items()), None)
    asks = {name: Ask(wish.model.id, f"latency_{name}", steps, wish.version, segment) for name in QUANTILES}
    found = watcher.read(asks.values(), {wish.model.id: wish.model}, ends[-1])
    made: list[dict[str, Any] | None] = []
    for place in range(len(ends)):
        one = {}
        for name, ask in asks.items():
            values = found[ask]
            if isinstance(values, Exception):
                raise values
            value = float(values.value[0, place]) if values.value.shape[0] else math.nan
            n = int(values.n[0, place]) if values.value.shape[0] else 0
            one[name] = {"value_ms": value if math.isfinite(value) else None, "n": n}
        made.append(one)
    return made


def _floor(at: datetime, step_s: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // step_s * step_s, UTC)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
