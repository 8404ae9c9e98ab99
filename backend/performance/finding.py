"""Finds where performance broke: changes in the stream of errors, the worst slices, and the rows behind them."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cachetools import LRUCache

from backend.errors import Invalid, Unavailable
from backend.performance import schemas
from backend.performance.changes import Change, Detector
from backend.performance.detect import DetectionFailed, detect_elsewhere
from backend.performance.slices import Condition, Feature, Slice, cut_numbers, cut_texts, find_worst
from db.analytics.outcomes import Outcomes, Question
from db.eventlog.schema import spec_of
from review.rules.sampling import unit

#: Labelled predictions that a detector looks at: the first of the window.
MAX_STREAM = 500_000
#: Labelled predictions that slices are looked for in; more are sampled, the same ones every time.
MAX_SLICED = 50_000
#: Features beyond this many are not looked at: the pairs of 20 are some 4,000 tests.
MAX_FEATURES = 20
_found: LRUCache[Any, list[Change]] = LRUCache(maxsize=64)
_lock = threading.Lock()


def find_changes(outcomes: Outcomes, question: Question, detector: Detector, now: datetime) -> schemas.Changes:
    """Changes of the error, in the order of prediction time, as known then."""
    with outcomes.open(question) as joined:
        stream = _thinned(joined.stream(MAX_STREAM))
        n_all = sum(joined.coverage()["n_labels"].to_pylist())
    errors = stream["error"].to_numpy().astype(np.float64)
    happened, known = stream["happened_at"].to_pylist(), stream["known_at"].cast(pa.int64()).to_numpy()
    latest = np.maximum.accumulate(known) if len(known) else known
    changes = [
        schemas.ChangeOut(
            began_at=happened[one.began].astimezone(UTC),
            found_at=happened[one.found].astimezone(UTC),
            known_at=datetime.fromtimestamp(int(latest[one.found]) / 1e6, UTC),
            before=one.before,
            after=one.after,
            n_before=one.n_before,
            n_after=one.n_after,
            is_worse=one.is_worse,
        )
        for one in _detect(errors, detector)
    ]
    return schemas.Changes(
        model=question.model.name,
        detector=detector,
        as_of=question.as_of or now,
        n=len(errors),
        n_left_out=max(0, n_all - len(errors)),
        changes=changes,
    )


def _detect(errors: npt.NDArray[np.float64], detector: Detector) -> list[Change]:
    """The same stream is looked through once: starting the process that does it takes two seconds."""
    if errors.size < 2:
        return []
    key = (detector, errors.size, hash(errors.tobytes()))
    with _lock:
        if key in _found:
            return _found[key]
    try:
        changes = detect_elsewhere(errors, detector)
    except DetectionFailed as error:
        raise Unavailable(f"changes could not be looked for: {error}") from error
    with _lock:
        _found[key] = changes
    return changes


def _thinned(stream: pa.Table) -> pa.Table:
    """Labels out of the review queue are thinned to the smallest chance among them: a change of the review policy
    changes which items are looked at, and must not look like a change of the model."""
    reviewed = stream["is_reviewed"].to_numpy(zero_copy_only=False).astype(bool)
    if not reviewed.any():
        return stream
    weight = stream["weight"].to_numpy()
    highest = float(weight[reviewed].max())
    subjects = stream["subject"].to_pylist()
    keep = [
        not is_reviewed or unit(0, f"stream:{subject}") < own / highest
        for subject, is_reviewed, own in zip(subjects, reviewed.tolist(), weight.tolist(), strict=True)
    ]
    return stream.filter(pa.array(keep, pa.bool_()))


def find_slices(outcomes: Outcomes, question: Question, max_q: float, min_n: int) -> schemas.Slices:
    """The worst slices by segments, version and inputs, singly and in pairs."""
    spec = spec_of(question.model)
    texts = ["seg_" + key for key in spec.segment_keys if key not in question.segments]
    texts += ["version"] if question.version is None else []
    kinds = {field.column: field.type for field in spec.inputs if field.type != "time"}
    columns = [*texts, *kinds][:MAX_FEATURES]
    with outcomes.open(question) as joined:
        rows = joined.labelled_rows(columns, MAX_SLICED)
        is_number = joined.is_number
        n_all = sum(joined.coverage()["n_labels"].to_pylist())
    errors, weights = rows["error"].to_numpy(), rows["weight"].to_numpy()
    features = [_cut(column, rows[column], kinds.get(column, "string")) for column in columns]
    found = find_worst(errors, features, weights, is_share=not is_number, max_q=max_q, min_n=max(2, min_n))
    return schemas.Slices(
        model=question.model.name,
        unit="number" if is_number else "share",
        max_q=max_q,
        min_n=min_n,
        n_rows=found.n_rows,
        is_sample=n_all > found.n_rows,
        n_tested=found.n_tested,
        n_features=len(columns),
        value=float(np.average(errors, weights=weights)) if len(errors) else None,
        slices=[_slice_out(one) for one in found.slices],
    )


def _cut(column: str, values: Any, kind: str) -> Feature:
    if kind in ("number", "integer"):
        return cut_numbers(column, values.cast(pa.float64()).to_numpy(zero_copy_only=False))
    return cut_texts(column, values.to_pylist())


def _slice_out(one: Slice) -> schemas.SliceOut:
    return schemas.SliceOut(
        conditions=[
            schemas.ConditionOut(column=c.column, equals=c.equals, low=_finite(c.low), high=_finite(c.high))
            for c in one.conditions
        ],
        where=[text for condition in one.conditions for text in _texts(condition)],
        n=one.n,
        value=one.value,
        lower=one.lower,
        upper=one.upper,
        rest=one.rest,
        difference=one.difference,
        p=one.p,
        q=one.q,
    )


def _texts(condition: Condition) -> list[str]:
    """The condition as filters in addresses."""
    name = condition.column
    if condition.is_missing:
        return [f"{name}=null"]
    if condition.equals is not None:
        return [f"{name}={json.dumps(condition.equals)}"]
    low, high = _finite(condition.low), _finite(condition.high)
    return [
        *([f"{name}>={low!r}"] if low is not None else []),
        *([f"{name}<{high!r}"] if high is not None else []),
    ] or [f"{name}!=null"]


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def list_rows(
    outcomes: Outcomes, question: Question, *, only_wrong: bool, limit: int, cursor: str | None
) -> schemas.LabelledRows:
    """Labelled predictions, newest first."""
    before = _read_cursor(cursor) if cursor is not None else None
    with outcomes.open(question) as joined:
        found = joined.rows(only_wrong=only_wrong, limit=limit + 1, before=before).to_pylist()
    keys = list(question.model.segment_keys or ())
    rows = [_row(row, keys) for row in found[:limit]]
    following = _cursor(rows[-1]) if len(found) > limit and rows else None
    return schemas.LabelledRows(rows=rows, next_cursor=following)


def _row(row: dict[str, Any], keys: list[str]) -> schemas.LabelledRow:
    return schemas.LabelledRow(
        event_id=row["event_id"],
        subject_id=row["subject"],
        happened_at=row["happened_at"].astimezone(UTC),
        version=row["version"],
        label=row["label"],
        truth=row["truth"],
        error=row["error"],
        score=row["score"],
        method=row["method"],
        known_at=row["known_at"].astimezone(UTC),
        artifact=row["artifact"],
        segments={key: row[f"seg_{key}"] for key in keys if row[f"seg_{key}"] is not None},
    )


def _cursor(row: schemas.LabelledRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.happened_at.isoformat(), row.event_id]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, event_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return datetime.fromisoformat(at).astimezone(UTC), str(event_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise Invalid("the cursor is not one that was given out", code="bad_cursor") from error
