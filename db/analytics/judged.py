"""Pairs of answers about the same subject, placed in the buckets of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from db.analytics.cells import Grid

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class JudgedPairs:
    """One entry per subject and series: did both agree, and was each a defect by the model's label set."""

    series: tuple[str, ...]
    n_buckets: int
    position: npt.NDArray[np.int64]
    is_equal: Flags
    says_defect: Flags
    is_defect: Flags

    def count(self, chosen: Flags) -> Grid:
        """How many chosen pairs lie in each series and bucket."""
        size = len(self.series) * self.n_buckets
        counted = np.bincount(self.position[chosen], minlength=size).astype(float)
        return counted.reshape(len(self.series), self.n_buckets)


def pair_up(
    answers: Sequence[str | None],
    others: Sequence[str | None],
    buckets: npt.NDArray[np.int64],
    split: Sequence[str] | None,
    n_buckets: int,
    defects: frozenset[str],
) -> JudgedPairs:
    """Build the pairs of one chart from parallel sequences; without `split` there is one series.

    `defects` are the labels that count as a defect.
    """
    series = tuple(sorted(set(split))) if split is not None else ("",)
    code = {name: number for number, name in enumerate(series)}
    codes = np.array([code[name] for name in split], dtype=np.int64) if split is not None else 0
    position = codes * n_buckets + buckets
    return JudgedPairs(
        series=series,
        n_buckets=n_buckets,
        position=position,
        is_equal=np.array([a == b for a, b in zip(answers, others, strict=True)], dtype=bool),
        says_defect=np.array([answer in defects for answer in answers], dtype=bool),
        is_defect=np.array([other in defects for other in others], dtype=bool),
    )
