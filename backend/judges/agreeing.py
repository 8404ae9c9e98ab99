"""What people together say about each subject, in two ways side by side, and which labels they mix up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from backend.judges import schemas
from backend.judges.panel import Asked, Panel, defect_labels, labels_of, read_panel, standard_of
from backend.judges.service import share, votes_of
from db.repositories import judges as repository
from db.repositories.judges import JudgedAnswer
from review.rules.consensus import (
    LABEL_PRIOR,
    RIGHT_PRIOR,
    WRONG_PRIOR,
    ConfusedPair,
    DawidSkene,
    ballots,
    confused_pairs,
    count_votes,
    dawid_skene,
    leading_labels,
)
from review.rules.inspection import Rate

Show = Literal["ties", "different", "all"]
#: Cells of all judges' confusion matrices together: more do not fit into a request's time and memory.
MAX_CELLS = 4_000_000
_UNFITTED = "too_many_labels"


def find_consensus(session: Session, asked: Asked, *, show: Show, after: str | None, limit: int) -> schemas.Consensus:
    """Majority and Dawid-Skene of every subject that two people or more answered blind."""
    panel = read_panel(session, asked)
    rows = panel.everyday
    labels = labels_of(asked.model, {row.label or "" for row in rows})
    votes, subjects, fitted = _fit(rows, labels)
    leaders = leading_labels(votes)
    shared = [number for number in range(len(subjects)) if votes[number].sum() >= 2]
    likeliest = fitted.likeliest() if fitted is not None else None
    different = [n for n in shared if likeliest is not None and leaders[n] != (int(likeliest[n]),)]
    ties = [n for n in shared if len(leaders[n]) > 1]
    truths = {row.subject_id: standard_of(row, asked.standard) for row in rows}
    chosen = {"ties": ties, "different": different, "all": shared}[show]
    page = [n for n in chosen if after is None or subjects[n] > after][: limit + 1]
    pictures = repository.pictures_of(session, asked.model.id, [subjects[n] for n in page[:limit]])
    items = [
        schemas.ConsensusItem(
            subject_id=subjects[n],
            artifact=pictures.get(subjects[n]),
            votes=_votes(votes[n], labels),
            majority=[labels[one] for one in leaders[n]],
            likeliest=labels[int(likeliest[n])] if likeliest is not None else None,
            probability=float(fitted.probability[n].max()) if fitted is not None else None,
            truth=truths[subjects[n]],
        )
        for n in page[:limit]
    ]
    return schemas.Consensus(
        model=asked.model.name,
        start=asked.start,
        end=asked.end,
        standard=asked.standard,
        counted=panel.counted,
        n_subjects=len(shared),
        n_ties=len(ties),
        n_different=len(different),
        methods=_methods([(leaders[n], _at(likeliest, n), truths[subjects[n]]) for n in shared], labels, fitted),
        fit=schemas.Fit(
            n_iterations=fitted.n_iterations if fitted is not None else 0,
            is_converged=fitted is not None and fitted.is_converged,
            right_prior=RIGHT_PRIOR,
            wrong_prior=WRONG_PRIOR,
            label_prior=LABEL_PRIOR,
            reason=None if fitted is not None else _UNFITTED if rows else "no_answers",
        ),
        items=items,
        next_cursor=subjects[page[limit - 1]] if len(page) > limit else None,
    )


def _fit(rows: Sequence[JudgedAnswer], labels: Sequence[str]) -> tuple[Any, list[str], DawidSkene | None]:
    subjects, judges = sorted({row.subject_id for row in rows}), sorted({row.judge for row in rows})
    place = {name: number for number, name in enumerate(subjects)}
    who = {name: number for number, name in enumerate(judges)}
    code = {name: number for number, name in enumerate(labels)}
    given = ballots(
        [place[row.subject_id] for row in rows],
        [who[row.judge] for row in rows],
        [code[row.label or ""] for row in rows],
        len(subjects),
        len(judges),
        len(labels),
    )
    is_small = len(judges) * len(labels) ** 2 <= MAX_CELLS
    return count_votes(given), subjects, dawid_skene(given) if rows and is_small else None


def _at(likeliest: Any, number: int) -> int | None:
    return int(likeliest[number]) if likeliest is not None else None


def _methods(
    decided: Iterable[tuple[tuple[int, ...], int | None, str | None]], labels: Sequence[str], fitted: DawidSkene | None
) -> list[schemas.ConsensusMethod]:
    """How often each way was right; a tie is open for the plain majority, and its first label for the second way."""
    code = {name: number for number, name in enumerate(labels)}
    rows = [(leaders, likeliest, code.get(truth, -1) if truth else None) for leaders, likeliest, truth in decided]
    known = [(leaders, likeliest, truth) for leaders, likeliest, truth in rows if truth is not None]
    alone = [(leaders[0], truth) for leaders, _, truth in known if len(leaders) == 1]
    ways: list[tuple[Any, list[tuple[int | None, int]], int]] = [
        ("majority", [*alone], sum(len(leaders) > 1 for leaders, _, _ in rows)),
        ("majority_first_label", [(leaders[0], truth) for leaders, _, truth in known], 0),
    ]
    if fitted is not None:
        ways.append(("dawid_skene", [(likeliest, truth) for _, likeliest, truth in known], 0))
    return [
        schemas.ConsensusMethod(
            method=name,
            accuracy=share(Rate(sum(said == truth for said, truth in pairs), len(pairs))),
            n_undecided=n_undecided,
        )
        for name, pairs, n_undecided in ways
    ]


def find_calibration_set(
    session: Session, asked: Asked, *, n_pairs: int, n_examples: int, may_see_items: bool, may_see_open: bool
) -> schemas.CalibrationSet:
    """The pairs of labels that people mix up most, with subjects that were given both.

    Those who may not read labels see settled subjects only: an open one may still come to their own bench.
    """
    panel: Panel = read_panel(session, asked)
    rows = panel.everyday
    labels = labels_of(asked.model, {row.label or "" for row in rows})
    votes, subjects = votes_of(asked.model, rows)
    found = confused_pairs(votes)
    truths = {row.subject_id: row.truth for row in rows}
    defects = defect_labels(asked.model)
    pairs = []
    for pair in found[:n_pairs]:
        chosen = _examples(pair, votes, subjects, truths, labels, n_examples, may_see_open) if may_see_items else {}
        pairs.append(
            schemas.CalibrationPair(
                a=labels[pair.a],
                b=labels[pair.b],
                are_kinds_apart=(labels[pair.a] in defects) != (labels[pair.b] in defects),
                n_both=pair.n_both,
                n_either=pair.n_either,
                share=pair.share,
                examples_a=chosen.get(labels[pair.a], []),
                examples_b=chosen.get(labels[pair.b], []),
                examples_open=chosen.get(None, []),
            )
        )
    shown = [one for pair in pairs for one in (*pair.examples_a, *pair.examples_b, *pair.examples_open)]
    pictures = repository.pictures_of(session, asked.model.id, {one.subject_id for one in shown})
    for one in shown:
        one.artifact = pictures.get(one.subject_id)
    return schemas.CalibrationSet(
        model=asked.model.name,
        start=asked.start,
        end=asked.end,
        counted=panel.counted,
        n_subjects=int((votes.sum(axis=1) >= 2).sum()) if subjects else 0,
        n_pairs=len(found),
        are_examples_shown=may_see_items,
        pairs=pairs,
    )


def _examples(
    pair: ConfusedPair,
    votes: Any,
    subjects: Sequence[str],
    truths: dict[str, str | None],
    labels: Sequence[str],
    limit: int,
    may_see_open: bool,
) -> dict[str | None, list[schemas.CalibrationExample]]:
    """Label in force (None: none yet) -> subjects that were given both labels, the most evenly split first."""
    both = np.flatnonzero((votes[:, pair.a] > 0) & (votes[:, pair.b] > 0))
    ordered = sorted(both.tolist(), key=lambda n: (-min(votes[n, pair.a], votes[n, pair.b]), subjects[n]))
    found: dict[str | None, list[schemas.CalibrationExample]] = {}
    wanted: tuple[str | None, ...] = (labels[pair.a], labels[pair.b], *([None] if may_see_open else []))
    for number in ordered:
        truth = truths[subjects[number]]
        kept = found.setdefault(truth, [])
        if truth in wanted and len(kept) < limit:
            votes_here = _votes(votes[number], labels)
            subject = subjects[number]
            kept.append(schemas.CalibrationExample(subject_id=subject, artifact=None, truth=truth, votes=votes_here))
    return found


def _votes(row: Any, labels: Sequence[str]) -> list[schemas.Vote]:
    """The votes of one subject, most first."""
    given = [schemas.Vote(label=labels[n], n=int(row[n])) for n in np.flatnonzero(row).tolist()]
    return sorted(given, key=lambda vote: -vote.n)
