"""Pairs of answers about the same subject, placed in the buckets of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from db.analytics.cells import Grid
from db.analytics.values import Values, ratio, wilson

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class JudgedPairs:
    """One entry per subject and series: did both agree, and was each a defect by the model's label set.

    `weight` is one over the probability with which the subject was chosen to be looked at: doubtful items are chosen
    more often, and a plain share over them would say that the model is worse than it is.
    """

    series: tuple[str, ...]
    n_buckets: int
    position: npt.NDArray[np.int64]
    is_equal: Flags
    says_defect: Flags
    is_defect: Flags
    weight: npt.NDArray[np.float64]

    def count(self, chosen: Flags) -> Grid:
        """How many chosen pairs lie in each series and bucket."""
        return self._add_up(chosen, np.ones_like(self.weight))

    def share(self, hits: Flags, of: Flags) -> Values:
        """The share of hits among `of` in all that was logged (Hajek), with a Wilson interval on Kish's effective n."""
        total, squares = self._add_up(of, self.weight), self._add_up(of, self.weight**2)
        effective = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
        value = ratio(self._add_up(hits & of, self.weight), total)
        return Values(self.series, value, self.count(of), *wilson(value, effective))

    def _add_up(self, chosen: Flags, amounts: npt.NDArray[np.float64]) -> Grid:
        size = len(self.series) * self.n_buckets
        summed = np.bincount(self.position[chosen], weights=amounts[chosen], minlength=size)
        return summed.astype(np.float64).reshape(len(self.series), self.n_buckets)


def pair_up(
    answers: Sequence[str | None],
    others: Sequence[str | None],
    buckets: npt.NDArray[np.int64],
    split: Sequence[str] | None,
    n_buckets: int,
    defects: frozenset[str],
    weights: Sequence[float],
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
        weight=np.array(weights, dtype=np.float64),
    )
