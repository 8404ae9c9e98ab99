"""What the logging door refused, by the minute it came, and calls of challengers that were not made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from db.analytics.cells import Grid
from db.analytics.measure import IngestionMeasure
from db.analytics.values import Values, rate, stack
from db.repositories.ingestion import ACCEPTED, DUPLICATE

#: Reasons that say that a value was of another type than declared.
TYPE_REASONS = ("type_changed", "wrong_type")
_SHADOW = "shadow_"
_STORED = (ACCEPTED, DUPLICATE)

Counts = Mapping[str, Grid]


def _refused_rate(is_meant: Callable[[str], bool]) -> Callable[[Counts, int], Values]:
    def compute(counts: Counts, n_buckets: int) -> Values:
        chosen = [grid for reason, grid in _refused(counts).items() if is_meant(reason)]
        return rate(("",), sum(chosen, np.zeros((1, n_buckets))), _sent(counts, n_buckets))

    return compute


def _refused_rate_by_reason(counts: Counts, n_buckets: int) -> Values:
    refused = _refused(counts)
    ordered = dict(sorted(refused.items(), key=lambda item: (-item[1].sum(), item[0])))
    series, hits = stack(ordered, (1, n_buckets))
    return rate(series, hits, _sent(counts, n_buckets).repeat(len(series), axis=0))


def _shadow_drops(counts: Counts, n_buckets: int) -> Values:
    """One line per reason; a bucket in which nothing was dropped counts 0 as soon as anything was in the window."""
    dropped = {reason.removeprefix(_SHADOW): grid for reason, grid in counts.items() if reason.startswith(_SHADOW)}
    series, n = stack(dict(sorted(dropped.items())), (1, n_buckets))
    return Values(series, n, n)


def _refused(counts: Counts) -> dict[str, Grid]:
    return {reason: grid for reason, grid in counts.items() if reason not in _STORED and not reason.startswith(_SHADOW)}


def _sent(counts: Counts, n_buckets: int) -> Grid:
    """All rows that came with this model's name: accepted, repeated and refused ones."""
    came = [grid for reason, grid in counts.items() if not reason.startswith(_SHADOW)]
    return sum(came, np.zeros((1, n_buckets)))


MEASURES = (
    IngestionMeasure("refused_rate", "input", "share", "up", "line", _refused_rate(lambda _: True)),
    IngestionMeasure(
        "type_violation_rate", "input", "share", "up", "line", _refused_rate(lambda reason: reason in TYPE_REASONS)
    ),
    IngestionMeasure("refused_rate_by_reason", "input", "share", "up", "stacked", _refused_rate_by_reason, "reason"),
    IngestionMeasure("shadow_drops", "software", "count", "up", "stacked", _shadow_drops, "reason"),
)
