"""Accuracy, per-label recall, confusion, escape and overkill of a classifier on labelled items. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def score_classes(
    truth: Sequence[str], said: Sequence[str], labels: Sequence[str], ok_labels: Sequence[str] | None = None
) -> dict[str, Any]:
    """Compare answers with the truth.

    `ok_labels` are the labels without a defect (default: the first of `labels`). `escape_rate` is the share of
    defective items called ok, FN / (TP + FN); `overkill_rate` is the share of ok items called defective,
    FP / (FP + TN). A rate over nothing is None. `confusion[i][j]` counts truth i that was called j.

    >>> score_classes(["ok", "ok", "open", "open"], ["ok", "open", "open", "ok"], ["ok", "open"])["escape_rate"]
    0.5
    """
    order = {label: index for index, label in enumerate(labels)}
    confusion = [[0] * len(labels) for _ in labels]
    for true_label, said_label in zip(truth, said, strict=True):
        confusion[order[true_label]][order[said_label]] += 1
    fine = set(ok_labels if ok_labels is not None else labels[:1])
    pairs = [(t in fine, s in fine) for t, s in zip(truth, said, strict=True)]
    n_right = sum(confusion[i][i] for i in range(len(labels)))
    return {
        "n": len(truth),
        "accuracy": _share(n_right, len(truth)),
        "recall": {label: _share(confusion[i][i], sum(confusion[i])) for label, i in order.items()},
        "escape_rate": _share(pairs.count((False, True)), sum(not is_fine for is_fine, _ in pairs)),
        "overkill_rate": _share(pairs.count((True, False)), sum(is_fine for is_fine, _ in pairs)),
        "labels": list(labels),
        "confusion": confusion,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
