"""Loads the pairs behind measures that set the model beside people or beside the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.answers import JudgedAnswers, latest_per_subject
from db.analytics.judged import JudgedPairs, pair_up
from db.analytics.windows import Window

if TYPE_CHECKING:
    from db.analytics.series import Selection


def load_judged(
    answers: JudgedAnswers,
    model: Any,
    against: Literal["people", "truth", "each_other"],
    window: Window,
    selection: Selection,
) -> JudgedPairs:
    """One pair per subject (and per version or role where the chart is split so), at the time of the prediction.

    The truth is what is known of a subject: a resolved label, or people's blind consensus where nothing was resolved
    (see `Knowledge.truths` for why and for the weights).

    Without a version, role or split by them, only answers that callers got count: shadow answers are left out.
    """
    if against == "each_other":
        return _each_other(answers, model, window, selection)
    if against == "truth":
        said = answers.knowledge.truths(model.id, None)
        weights = dict(zip(said["subject_id"].to_pylist(), said["weight"].to_pylist(), strict=True))
    else:
        said = answers.opinions.people(model.id)
        weights = {subject: 1 / pi for subject, pi in answers.opinions.chances(model.id).items()}
    subjects: list[Any] = said["subject_id"].to_pylist()
    newest, split = _judged(answers, model, subjects, window, selection)
    labels = dict(zip(subjects, said["label"].to_pylist(), strict=True))
    times = newest["happened_at"].cast(pa.int64()).to_numpy() if newest.num_rows else np.zeros(0, dtype=np.int64)
    judged: list[str] = newest["subject_id"].to_pylist()
    series: list[Any] | None = newest[split].to_pylist() if split is not None else None
    return pair_up(
        answers=newest["label"].to_pylist(),
        others=[labels[subject] for subject in judged],
        weights=[weights.get(subject, 1.0) for subject in judged],
        buckets=window.index_of(times.astype(np.int64)),
        split=series,
        n_buckets=window.n_buckets,
        defects=frozenset(item["name"] for item in model.labels or () if item.get("is_defect")),
    )


def _each_other(answers: JudgedAnswers, model: Any, window: Window, selection: Selection) -> JudgedPairs:
    """Pairs of people who answered about the same subject, placed where the model's answer about it is."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in answers.opinions.pairs(model.id).to_pylist():
        pairs.setdefault(row["subject_id"], []).append((row["label"], row["other"]))
    newest, split = _judged(answers, model, list(pairs), window, selection)
    subjects: list[Any] = newest["subject_id"].to_pylist()
    times = newest["happened_at"].cast(pa.int64()).to_numpy() if newest.num_rows else np.zeros(0, dtype=np.int64)
    repeats = [len(pairs[subject]) for subject in subjects]
    said = [pair for subject in subjects for pair in pairs[subject]]
    chances = answers.opinions.chances(model.id)
    series: list[Any] | None = np.repeat(newest[split].to_pylist(), repeats).tolist() if split is not None else None
    return pair_up(
        answers=[pair[0] for pair in said],
        others=[pair[1] for pair in said],
        weights=np.repeat([1 / chances.get(subject, 1.0) for subject in subjects], repeats).tolist(),
        buckets=np.repeat(window.index_of(times.astype(np.int64)), repeats).astype(np.int64),
        split=series,
        n_buckets=window.n_buckets,
        defects=frozenset(),
    )


def _judged(
    answers: JudgedAnswers, model: Any, subjects: list[Any], window: Window, selection: Selection
) -> tuple[pa.Table, str | None]:
    """The newest selected answer about each subject (per version or role where the chart is split so)."""
    found = _select(answers.find(model, subjects, window.start, window.end), selection)
    split = f"seg_{selection.split_segment}" if selection.split_segment else selection.split
    newest = latest_per_subject(found, ("subject_id", split) if split in ("version", "role") else ("subject_id",))
    if split is not None:
        newest = newest.filter(pc.is_valid(newest[split]))
    return newest, split


def _select(found: pa.Table, selection: Selection) -> pa.Table:
    for column, value in (("version", selection.version), ("role", selection.role)):
        if value is not None:
            found = found.filter(pc.equal(found[column], pa.scalar(value)))
    for key, value in selection.segments.items():
        found = found.filter(pc.equal(found[f"seg_{key}"], pa.scalar(value)))
    if selection.version is None and selection.role is None and selection.split not in ("version", "role"):
        found = found.filter(pc.not_equal(found["role"], pa.scalar("shadow")))
    return found
