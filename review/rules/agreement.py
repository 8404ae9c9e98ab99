"""How far judges agree: two judges from their confusion matrix, several from a table of answers. Pure.

Every coefficient answers with a Coefficient: undefined is None with the reason, never 1.0 and never an exception.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from review.rules.intervals import Interval

Matrix = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval", "ratio"]

NO_PAIRS = "no pairs"
ONE_CLASS = "only one class was used"


class Coefficient(NamedTuple):
    """A coefficient, or None with the reason why it is undefined."""

    value: float | None
    reason: str | None = None


def confusion_matrix(a: Sequence[Hashable], b: Sequence[Hashable], labels: Sequence[Hashable]) -> Matrix:
    """Counts with the first judge's labels as rows and the second's as columns, in the order of `labels`.

    >>> confusion_matrix(["ok", "ng"], ["ok", "ok"], ["ok", "ng"]).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    if len(a) != len(b):
        raise ValueError("both judges answer the same subjects")
    position = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)))
    for left, right in zip(a, b, strict=True):
        counts[position[left], position[right]] += 1
    return counts


def observed_agreement(matrix: Any) -> Coefficient:
    """Share of subjects on which both judges gave the same label."""
    counts = _square(matrix)
    n = counts.sum()
    return Coefficient(float(np.trace(counts) / n)) if n else Coefficient(None, NO_PAIRS)


def cohen_kappa(matrix: Any, weights: Literal["none", "linear", "quadratic"] = "none") -> Coefficient:
    """Cohen's kappa, (po - pe) / (1 - pe) with pe from both judges' own label shares.

    Weighted for ordered labels: disagreement grows with the distance (linear) or its square (quadratic).
    Cohen, Educ. Psychol. Meas. 20 (1960) 37; weighted: Psychol. Bull. 70 (1968) 213.

    >>> round(cohen_kappa([[20, 5], [10, 15]]).value, 4)
    0.4
    """
    counts = _square(matrix)
    n = counts.sum()
    if not n:
        return Coefficient(None, NO_PAIRS)
    shares = counts / n
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    cost = _cost(len(counts), weights)
    by_chance = float((cost * expected).sum())
    if by_chance <= 0:
        return Coefficient(None, ONE_CLASS)
    return Coefficient(1 - float((cost * shares).sum()) / by_chance)


def scott_pi(matrix: Any) -> Coefficient:
    """Scott's pi: like kappa, with pe from the label shares of both judges together."""
    return _against_chance(matrix, lambda pooled: float((pooled**2).sum()))


def gwet_ac1(matrix: Any) -> Coefficient:
    """Gwet's AC1, stable where one label dominates; show it beside kappa and positive agreement, never alone.

    pe = sum p_k (1 - p_k) / (q - 1) over the q labels of the matrix. Gwet, BJMSP 61 (2008) 29.
    """
    counts = _square(matrix)
    if len(counts) < 2:
        return Coefficient(None, ONE_CLASS if counts.sum() else NO_PAIRS)
    used = int((counts.sum(axis=0) + counts.sum(axis=1) > 0).sum())
    if counts.sum() and used < 2:
        return Coefficient(None, ONE_CLASS)
    return _against_chance(counts, lambda pooled: float((pooled * (1 - pooled)).sum()) / (len(pooled) - 1))


def positive_agreement(matrix: Any, index: int = 0) -> Coefficient:
    """Agreement on one label: 2 both / (2 both + only one of them). High % on a rare label hides here.

    >>> round(positive_agreement([[1, 4], [5, 990]]).value, 4)
    0.1818
    """
    counts = _square(matrix)
    said = float(counts[index].sum() + counts[:, index].sum())
    if not said:
        return Coefficient(None, "neither judge used this label" if counts.sum() else NO_PAIRS)
    return Coefficient(2 * float(counts[index, index]) / said)


def mcnemar_exact(only_a: int, only_b: int) -> Coefficient:
    """Two-sided exact p of McNemar's test: are `only_a` right and `only_b` right equally likely.

    >>> round(mcnemar_exact(18, 6).value, 4)
    0.0227
    """
    if only_a + only_b == 0:
        return Coefficient(None, "the judges were right and wrong on the same subjects")
    from scipy.special import bdtr  # scipy.stats would take 70 MB of every process that can compare

    return Coefficient(min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5))))


def fleiss_kappa(counts: Any) -> Coefficient:
    """Fleiss' kappa of a table subjects x labels, each row counting the same number m >= 2 of answers."""
    table = np.asarray(counts, dtype=float)
    if not table.size:
        return Coefficient(None, NO_PAIRS)
    answers = table.sum(axis=1)
    if not np.all(answers == answers[0]):
        return Coefficient(None, "subjects have different numbers of answers")
    m = answers[0]
    if m < 2:
        return Coefficient(None, "fewer than two answers per subject")
    shares = table.sum(axis=0) / table.sum()
    by_chance = float((shares**2).sum())
    if by_chance >= 1:
        return Coefficient(None, ONE_CLASS)
    observed = float(((table**2).sum(axis=1) - m).mean() / (m * (m - 1)))
    return Coefficient((observed - by_chance) / (1 - by_chance))


def krippendorff_alpha(answers: Any, level: Level = "nominal") -> Coefficient:
    """Krippendorff's alpha of a table judges x subjects; NaN marks a missing answer.

    `level` says how far apart two answers are: nominal, ordinal, interval or ratio. Labels are given as numbers.
    Krippendorff, Content Analysis (2004), chapter 11.
    """
    table = np.asarray(answers, dtype=float)
    values, counts = _counts_per_subject(table)
    answered = counts.sum(axis=1)
    counts = counts[answered >= 2]
    if not counts.size:
        return Coefficient(None, "no subject with two answers")
    per_subject = counts.sum(axis=1, keepdims=True)
    together = (counts / (per_subject - 1)).T @ counts - np.diag((counts / (per_subject - 1)).sum(axis=0))
    totals = together.sum(axis=0)
    n = totals.sum()
    distance = _distance(values, totals, level)
    expected = float((np.outer(totals, totals) * distance).sum()) / (n - 1)
    if expected <= 0:
        return Coefficient(None, ONE_CLASS)
    return Coefficient(1 - float((together * distance).sum()) / expected)


def krippendorff_interval(
    answers: Any, rng: np.random.Generator, level: Level = "nominal", confidence: float = 0.95, n_resamples: int = 1000
) -> Interval | None:
    """Bootstrap interval of alpha over subjects; None where alpha is undefined."""
    table = np.asarray(answers, dtype=float)
    if krippendorff_alpha(table, level).value is None:
        return None
    drawn = rng.integers(0, table.shape[1], size=(n_resamples, table.shape[1]))
    found = [krippendorff_alpha(table[:, columns], level).value for columns in drawn]
    values = [value for value in found if value is not None]
    if not values:
        return None
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return Interval(float(lower), float(upper))


def alpha_of_votes(votes: Any) -> Coefficient:
    """Krippendorff's nominal alpha of a table subjects x labels that counts answers: the same as of the table of
    judges, at the cost of the labels instead of the judges.

    >>> round(alpha_of_votes([[2, 0], [2, 0], [0, 2], [1, 1]]).value, 4)
    0.5333
    """
    disagreement, labels = _pairable(votes)
    if not len(disagreement):
        return Coefficient(None, "no subject with two answers")
    value = float(_alphas(disagreement.sum(keepdims=True), labels.sum(axis=0, keepdims=True))[0])
    return Coefficient(None, ONE_CLASS) if np.isnan(value) else Coefficient(value)


def alpha_of_votes_interval(
    votes: Any, rng: np.random.Generator, confidence: float = 0.95, n_resamples: int = 1000
) -> Interval | None:
    """Bootstrap interval of `alpha_of_votes` over the subjects with two answers; None where alpha is undefined."""
    if alpha_of_votes(votes).value is None:
        return None
    disagreement, labels = _pairable(votes)
    n = len(disagreement)
    found = []
    for _ in range(n_resamples):
        drawn = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        found.append(_alphas(np.array([drawn @ disagreement]), (drawn @ labels)[None, :])[0])
    values = np.array(found)
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return Interval(float(lower), float(upper))


def _pairable(votes: Any) -> tuple[Matrix, Matrix]:
    """Of each subject with two answers or more: its pairs of different answers / (m - 1), and its answers by label."""
    table = np.asarray(votes, dtype=float)
    if not table.size:
        return np.zeros(0), np.zeros((0, 0))
    answered = table.sum(axis=1)
    table, answered = table[answered >= 2], answered[answered >= 2]
    return (answered**2 - (table**2).sum(axis=1)) / (answered - 1), table


def _alphas(disagreement: Matrix, totals: Matrix) -> Matrix:
    """1 - Do / De per row, with De from the label totals; NaN where only one label was used."""
    n = totals.sum(axis=1)
    expected = (n**2 - (totals**2).sum(axis=1)) / np.maximum(n - 1, 1)
    shares: Matrix = np.divide(disagreement, expected, out=np.full_like(expected, np.nan), where=expected > 0)
    return 1 - shares


def _against_chance(matrix: Any, chance: Any) -> Coefficient:
    counts = _square(matrix)
    n = counts.sum()
    if not n:
        return Coefficient(None, NO_PAIRS)
    pooled = (counts.sum(axis=0) + counts.sum(axis=1)) / (2 * n)
    by_chance = chance(pooled)
    if by_chance >= 1:
        return Coefficient(None, ONE_CLASS)
    return Coefficient((float(np.trace(counts) / n) - by_chance) / (1 - by_chance))


def _square(matrix: Any) -> Matrix:
    counts = np.asarray(matrix, dtype=float)
    if counts.size == 0:
        return np.zeros((0, 0))
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError("a confusion matrix is square: the same labels on both sides")
    return counts


def _cost(n_labels: int, weights: str) -> Matrix:
    steps = np.abs(np.subtract.outer(np.arange(n_labels), np.arange(n_labels))).astype(float)
    costs: dict[str, Matrix] = {"none": (steps > 0).astype(float), "linear": steps, "quadratic": steps**2}
    return costs[weights]


def _counts_per_subject(table: Matrix) -> tuple[Matrix, Matrix]:
    """The distinct values, and per subject how often each was answered."""
    if table.ndim != 2:
        raise ValueError("answers are a table judges x subjects")
    values = np.unique(table[~np.isnan(table)])
    if not len(values):
        return values, np.zeros((table.shape[1], 0))
    return values, np.stack([(table == value).sum(axis=0) for value in values], axis=1).astype(float)


def _distance(values: Matrix, totals: Matrix, level: Level) -> Matrix:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    if level == "ratio":
        sums = values[:, None] + values[None, :]
        return np.divide(values[:, None] - values[None, :], sums, out=np.zeros_like(sums), where=sums != 0) ** 2
    middles = np.cumsum(totals) - totals / 2
    return (middles[:, None] - middles[None, :]) ** 2
