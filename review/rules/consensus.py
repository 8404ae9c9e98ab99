"""What several judges together say about each subject: the plain majority with its ties, Dawid and Skene's model of
judges who err in their own ways, and which labels they mix up. Pure; neither consensus is preferred here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: Pseudo-answers of every judge per label, right and of each wrong kind, and pseudo-subjects of every label. People are
#: taken to be right rather than wrong: without that, a label that few subjects have may take over another one's.
RIGHT_PRIOR, WRONG_PRIOR, LABEL_PRIOR = 1.0, 0.1, 1.0
#: EM stops when no probability of any subject moves by more than this.
TOLERANCE, MAX_ITERATIONS = 1e-5, 200


class Ballots(NamedTuple):
    """Answers as three parallel arrays of codes counted from 0, and how many subjects, judges and labels there are."""

    subject: Codes
    judge: Codes
    label: Codes
    n_subjects: int
    n_judges: int
    n_labels: int


def ballots(subject: Any, judge: Any, label: Any, n_subjects: int, n_judges: int, n_labels: int) -> Ballots:
    """The answers in checked form; ValueError when the arrays differ in length or a code is out of range."""
    codes = [np.asarray(column, dtype=np.int64).ravel() for column in (subject, judge, label)]
    if len({len(column) for column in codes}) != 1:
        raise ValueError("every answer has a subject, a judge and a label")
    for column, size in zip(codes, (n_subjects, n_judges, n_labels), strict=True):
        if len(column) and (column.min() < 0 or column.max() >= size):
            raise ValueError("a code lies outside of what there is")
    return Ballots(codes[0], codes[1], codes[2], n_subjects, n_judges, n_labels)


def count_votes(given: Ballots) -> Codes:
    """How often each subject was given each label: subjects x labels.

    >>> count_votes(ballots([0, 0, 1], [0, 1, 0], [1, 1, 0], 2, 2, 2)).tolist()
    [[0, 2], [1, 0]]
    """
    flat = np.bincount(given.subject * given.n_labels + given.label, minlength=given.n_subjects * given.n_labels)
    return flat.reshape(given.n_subjects, given.n_labels).astype(np.int64)


def leading_labels(votes: Any) -> list[tuple[int, ...]]:
    """The labels with the most votes of each subject: one, several in a tie, or none without votes.

    >>> leading_labels([[2, 1], [1, 1], [0, 0]])
    [(0,), (0, 1), ()]
    """
    table = np.asarray(votes)
    if not table.size:
        return [()] * len(table)
    most = table.max(axis=1)
    return [tuple(np.flatnonzero(row == top).tolist()) if top else () for row, top in zip(table, most, strict=True)]


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """A fitted model: `probability` subjects x labels, `prevalence` of each label, and each judge's `confusion`
    (judges x true label x given label, rows sum to 1). `is_converged` is false where EM ran out of iterations."""

    probability: Floats
    prevalence: Floats
    confusion: Floats
    n_iterations: int
    is_converged: bool

    def likeliest(self) -> Codes:
        """The likeliest label of each subject."""
        return np.asarray(self.probability.argmax(axis=1), dtype=np.int64)


def dawid_skene(
    given: Ballots,
    *,
    right_prior: float = RIGHT_PRIOR,
    wrong_prior: float = WRONG_PRIOR,
    label_prior: float = LABEL_PRIOR,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> DawidSkene:
    """The label of every subject and every judge's confusion matrix at once, by EM from the shares of votes.

    Assumes that judges err independently of one another given the label. The priors are Dirichlet ones, added as
    pseudo-counts (maximum a posteriori), so that a judge with few answers is never certain of anything.
    Dawid and Skene, Applied Statistics 28 (1979) 20.

    >>> fitted = dawid_skene(ballots([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], 2, 2, 2))
    >>> fitted.likeliest().tolist()
    [0, 1]
    """
    if given.n_labels < 1 or min(right_prior, wrong_prior, label_prior) <= 0:
        raise ValueError("there is at least one label, and priors are above 0")
    cells = wrong_prior + (right_prior - wrong_prior) * np.eye(given.n_labels)
    votes = count_votes(given).astype(np.float64)
    answered = votes.sum(axis=1, keepdims=True)
    probability = np.where(answered > 0, votes / np.maximum(answered, 1), 1 / given.n_labels)
    prevalence, confusion = _maximise(given, probability, cells, label_prior)
    is_converged, n_iterations = False, 0
    while not is_converged and n_iterations < max_iterations:
        before, n_iterations = probability, n_iterations + 1
        probability = _expect(given, prevalence, confusion)
        prevalence, confusion = _maximise(given, probability, cells, label_prior)
        is_converged = bool(np.abs(probability - before).max(initial=0.0) <= tolerance)
    return DawidSkene(probability, prevalence, confusion, n_iterations, is_converged)


def _expect(given: Ballots, prevalence: Floats, confusion: Floats) -> Floats:
    said = np.log(confusion)[given.judge, :, given.label]
    logs = np.stack([np.bincount(given.subject, said[:, k], given.n_subjects) for k in range(given.n_labels)], axis=1)
    logs = logs + np.log(prevalence)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
    result: Floats = weights / weights.sum(axis=1, keepdims=True)
    return result


def _maximise(given: Ballots, probability: Floats, cells: Floats, label_prior: float) -> tuple[Floats, Floats]:
    place = given.judge * given.n_labels + given.label
    size = given.n_judges * given.n_labels
    weights = probability[given.subject]
    summed = np.stack([np.bincount(place, weights[:, k], size) for k in range(given.n_labels)], axis=1)
    counts = summed.reshape(given.n_judges, given.n_labels, given.n_labels).transpose(0, 2, 1) + cells
    answered = np.bincount(given.subject, minlength=given.n_subjects) > 0
    totals = probability[answered].sum(axis=0) + label_prior
    return totals / totals.sum(), counts / counts.sum(axis=2, keepdims=True)


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two labels given to the same subjects: `n_both` subjects got both, `n_either` at least one of them."""

    a: int
    b: int
    n_both: int
    n_either: int

    @property
    def share(self) -> float:
        return self.n_both / self.n_either


def confused_pairs(votes: Any) -> list[ConfusedPair]:
    """Pairs of labels that judges gave to the same subject, the one most often mixed up first.

    Only subjects with two answers or more count; the order is by subjects with both, then by their share.

    >>> confused_pairs([[1, 1, 0], [2, 0, 0], [1, 0, 0]])
    [ConfusedPair(a=0, b=1, n_both=1, n_either=2)]
    """
    table = np.asarray(votes)
    if not table.size:
        return []
    said = (table[table.sum(axis=1) >= 2] > 0).astype(np.int64)
    both, alone = said.T @ said, said.sum(axis=0)
    found = [
        ConfusedPair(a, b, int(both[a, b]), int(alone[a] + alone[b] - both[a, b]))
        for a in range(table.shape[1])
        for b in range(a + 1, table.shape[1])
        if both[a, b]
    ]
    return sorted(found, key=lambda pair: (-pair.n_both, -pair.share, pair.a, pair.b))
