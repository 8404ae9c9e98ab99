"""What people together say about a subject, and how often two of them agree: the noise floor of every comparison."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from itertools import combinations
from typing import Any, NamedTuple

import pyarrow as pa


class NoiseFloor(NamedTuple):
    """Pairs of people who answered about the same subject, and how many of the pairs agreed."""

    n_subjects: int
    n_pairs: int
    n_agreed: int


def consensus(decisions: pa.Table) -> pa.Table:
    """One label per subject: the one most people gave; where several lead, the leader given last.

    `decisions` has one row per subject and person (subject_id, judge, label, at); the answer has subject_id, label, at.
    """
    given = _by_subject(decisions)
    rows = []
    for subject, answers in given.items():
        votes = Counter(label for label, _ in answers)
        most = max(votes.values())
        label, at = max((answer for answer in answers if votes[answer[0]] == most), key=lambda answer: answer[1])
        rows.append((subject, label, at))
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    schema = pa.schema([decisions.schema.field(name) for name in ("subject_id", "label", "at")])
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def person_pairs(decisions: pa.Table) -> pa.Table:
    """Each two people's labels of a subject: subject_id, label, other. A subject of one person has no pair."""
    rows = [
        (subject, first, second)
        for subject, answers in _by_subject(decisions).items()
        for (first, _), (second, _) in combinations(answers, 2)
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    names = ("subject_id", "label", "other")
    return pa.table({name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)})


def noise_floor(decisions: pa.Table) -> NoiseFloor:
    """How often two people agree about the same subject."""
    n_subjects = n_pairs = n_agreed = 0
    for answers in _by_subject(decisions).values():
        if len(answers) < 2:
            continue
        n_subjects += 1
        for (first, _), (second, _) in combinations(answers, 2):
            n_pairs += 1
            n_agreed += first == second
    return NoiseFloor(n_subjects, n_pairs, n_agreed)


def _by_subject(decisions: pa.Table) -> dict[str, list[tuple[str, datetime]]]:
    found: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    columns: Any = (decisions[name].to_pylist() for name in ("subject_id", "label", "at"))
    for subject, label, at in zip(*columns, strict=True):
        found[subject].append((label, at))
    return found
