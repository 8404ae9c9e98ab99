"""Drift on stored vectors: chooses the vectors, runs both tests, and names the items that show the change. No SQL."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from backend.embeddings import schemas
from backend.embeddings.two_sample import MIN_VECTORS, ClassifierTest, classifier_test, mmd_test
from review.rules.false_discovery import benjamini_hochberg

#: Vectors used per side, and per stretch of the course over time.
MAX_VECTORS, MAX_PER_POINT = 400, 150
N_PERMUTATIONS, N_PERMUTATIONS_POINT = 499, 99
MAX_POINTS = 12
N_EXAMPLES = 8
_SEED = 7_301
_kept: LRUCache[Any, schemas.EmbeddingDrift] = LRUCache(maxsize=64)
_lock = threading.Lock()

Matrix = npt.NDArray[np.float32]


class Item(NamedTuple):
    """A stored vector without its numbers."""

    id: str
    item_key: str
    event_id: str | None
    artifact: str | None
    happened_at: datetime


class Asked(NamedTuple):
    """Two windows of one model and encoder, and the level at which a difference counts."""

    model: str
    encoder: str
    start: datetime
    end: datetime
    reference_start: datetime
    reference_end: datetime
    alpha: float


def choose(items: Sequence[Item], limit: int) -> list[Item]:
    """At most `limit` items, always the same ones, each file once: repeats of one picture are no new evidence.

    >>> now = datetime(2026, 5, 1, tzinfo=UTC)
    >>> len(choose([Item(str(i), str(i), None, "same", now) for i in range(5)], 10))
    1
    """
    ordered = sorted(items, key=lambda one: hashlib.blake2b(one.item_key.encode(), digest_size=8).digest())
    seen: set[str] = set()
    chosen = []
    for one in ordered:
        name = one.artifact or one.item_key
        if name not in seen:
            seen.add(name)
            chosen.append(one)
        if len(chosen) == limit:
            break
    return sorted(chosen, key=lambda one: (one.happened_at, one.id))


def measure(
    asked: Asked,
    window: Sequence[Item],
    reference: Sequence[Item],
    load: Callable[[Sequence[str]], dict[str, bytes]],
) -> schemas.EmbeddingDrift:
    """Both tests, the course over time, and examples; the answer for unchanged vectors is kept."""
    used_window, used_reference = choose(window, MAX_VECTORS), choose(reference, MAX_VECTORS)
    key = (asked, len(window), len(reference), tuple(one.id for one in (*used_window, *used_reference)))
    with _lock:
        if key in _kept:
            return _kept[key]
    counts = {
        "n_window": len(window),
        "n_reference": len(reference),
        "n_used_window": len(used_window),
        "n_used_reference": len(used_reference),
    }
    if min(len(used_window), len(used_reference)) < MIN_VECTORS:
        return _answer(asked, counts, verdict="insufficient")
    parts = [choose(part, MAX_PER_POINT) for part in _stretches(asked, window)]
    wanted = {one.id for group in (used_window, used_reference, *parts) for one in group}
    vectors = load(sorted(wanted))
    rng = np.random.default_rng(_SEED)
    a, b = _matrix(used_reference, vectors), _matrix(used_window, vectors)
    told = classifier_test(a, b, rng, n_permutations=N_PERMUTATIONS)
    shape = mmd_test(a, b, rng, n_permutations=N_PERMUTATIONS)
    p = min(1.0, 2 * min(told.p, shape.p))  # Bonferroni over the two tests
    made = _answer(
        asked,
        counts,
        verdict="drifted" if p <= asked.alpha else "ok",
        p=p,
        shift_sigma=float(np.sqrt(2) * NormalDist().inv_cdf(min(max(told.auc, 0.5), 0.9999))),
        tests=[
            schemas.TestOut(name="classifier", statistic=told.auc, p=told.p, n_permutations=N_PERMUTATIONS),
            schemas.TestOut(name="mmd", statistic=shape.mmd2, p=shape.p, n_permutations=N_PERMUTATIONS),
        ],
        points=_points(asked, parts, a[:MAX_PER_POINT], vectors),
        examples=_examples(told, used_reference, used_window),
    )
    with _lock:
        _kept[key] = made
    return made


def _stretches(asked: Asked, window: Sequence[Item]) -> list[list[Item]]:
    """The window in equal stretches of at least a day (or the whole)."""
    length = asked.end - asked.start
    n = int(min(MAX_POINTS, max(1, length / timedelta(days=1))))
    parts: list[list[Item]] = [[] for _ in range(n)]
    for one in window:
        place = int((one.happened_at - asked.start) / length * n)
        parts[min(n - 1, max(0, place))].append(one)
    return parts


def _points(
    asked: Asked, parts: Sequence[Sequence[Item]], reference: Matrix, vectors: dict[str, bytes]
) -> list[schemas.DriftPoint]:
    step = (asked.end - asked.start) / len(parts)
    found: list[tuple[float, float] | None] = []
    for number, part in enumerate(parts):
        if len(part) < MIN_VECTORS:
            found.append(None)
            continue
        rng = np.random.default_rng(_SEED + number)
        test = classifier_test(reference, _matrix(part, vectors), rng, n_permutations=N_PERMUTATIONS_POINT)
        found.append((test.auc, test.p))
    q = iter(benjamini_hochberg([one[1] for one in found if one is not None]))
    return [
        schemas.DriftPoint(
            start=asked.start + number * step,
            end=asked.start + (number + 1) * step,
            n=len(parts[number]),
            auc=one[0] if one else None,
            p=one[1] if one else None,
            q=next(q) if one else None,
        )
        for number, one in enumerate(found)
    ]


def _examples(told: ClassifierTest, reference: Sequence[Item], window: Sequence[Item]) -> list[schemas.Example]:
    """The items farthest along the direction of change, on both sides."""
    made = []
    sides: tuple[tuple[Literal["window", "reference"], Sequence[Item], Any, int], ...] = (
        ("window", window, told.scores_b, -1),
        ("reference", reference, told.scores_a, 1),
    )
    for side, items, scores, sign in sides:
        for place in np.argsort(sign * scores, kind="stable")[:N_EXAMPLES].tolist():
            one = items[place]
            made.append(
                schemas.Example(
                    side=side,
                    score=float(scores[place]),
                    event_id=one.event_id,
                    artifact=one.artifact,
                    happened_at=one.happened_at.astimezone(UTC),
                )
            )
    return made


def _matrix(items: Sequence[Item], vectors: dict[str, bytes]) -> Matrix:
    return np.stack([np.frombuffer(vectors[one.id], dtype="<f4") for one in items])


def _answer(asked: Asked, counts: dict[str, int], verdict: Any, **more: Any) -> schemas.EmbeddingDrift:
    nothing: dict[str, Any] = {"p": None, "shift_sigma": None, "tests": [], "points": [], "examples": []}
    return schemas.EmbeddingDrift(
        **asked._asdict(), **counts, verdict=verdict, n_needed=MIN_VECTORS, **(nothing | more)
    )
