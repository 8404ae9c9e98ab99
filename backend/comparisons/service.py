"""Turns the counts of two judges into coefficients with intervals and reasons. No SQL, no HTTP."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from backend.comparisons import schemas
from backend.errors import Invalid
from db.analytics.comparing import Comparer, Question, TooManyPairs
from db.analytics.consensus import NoiseFloor
from db.analytics.judges import UnknownJudge, parse_judge
from db.analytics.pairs import By, Tally, Weighed
from db.analytics.windows import UnusableWindow, make_window
from db.repositories.comparisons import Seen
from review.rules import agreement as rules
from review.rules.inspection import Inspection, Rate
from review.rules.intervals import wilson_of_share


def ask(
    model: Any,
    a: str,
    b: str,
    start: datetime,
    end: datetime,
    *,
    segments: dict[str, str],
    by: By,
    seen: Seen,
    grain_s: int | None = None,
) -> Question:
    """The question in checked form; Invalid when it makes no sense."""
    try:
        judge_a, judge_b, window = parse_judge(a), parse_judge(b), make_window(start, end, grain_s)
    except (UnknownJudge, UnusableWindow) as error:
        raise Invalid(str(error)) from error
    if judge_a == judge_b:
        raise Invalid("a judge always agrees with itself: choose two")
    question = Question(model, judge_a, judge_b, window, segments, by, seen)
    if unknown := set(segments) - set(question.segment_keys):
        raise Invalid(f"unknown segment key {sorted(unknown)[0]!r}", details={"known": list(question.segment_keys)})
    if by == "request" and not (judge_a.is_version and judge_b.is_version):
        raise Invalid("only two versions can be compared by request: people judge subjects")
    return question


def compare(comparer: Comparer, question: Question, a: str, b: str) -> schemas.Comparison:
    """Agreement with interval, coefficients, matrix, course over time, segments, who was right, noise floor. The answer
    calls the judges `a` and `b`, as the caller did."""
    try:
        counted, floor = comparer.count(question)
    except TooManyPairs as error:
        raise _too_many(error) from error
    labels = _labels(question.model, counted)
    matrix = _matrix(counted, labels)
    n = sum(map(sum, matrix))
    n_agreed = sum(matrix[index][index] for index in range(len(labels)))
    return schemas.Comparison(
        model=question.model.name,
        a=a,
        b=b,
        by=question.by,
        seen=question.seen,
        start=question.window.start,
        end=question.window.end,
        grain_s=question.window.grain_s,
        n=n,
        agreement=_rate(Rate(n_agreed, n)),
        agreement_of_all=_of_all(counted.weighed),
        kappa=_statistic(rules.cohen_kappa(matrix)),
        ac1=_statistic(rules.gwet_ac1(matrix)),
        labels=labels,
        matrix=matrix,
        by_label=_by_label(question.model, labels, matrix),
        **_inspections(question, labels, matrix),
        right=_right(counted),
        over_time=_over_time(question, counted),
        by_segment=[
            schemas.SegmentAgreement(key=key, value=value, agreement=_rate(Rate(agreed, total)))
            for (key, value), (total, agreed) in counted.segments.items()
        ],
        noise_floor=_noise_floor(floor),
    )


def list_disagreements(
    comparer: Comparer,
    question: Question,
    *,
    labels: tuple[str | None, str | None],
    cursor: str | None,
    limit: int,
) -> schemas.DisagreementPage:
    """One page of items on which the judges differ."""
    try:
        found = comparer.disagreements(question, labels=labels, after=_read_cursor(cursor), limit=limit + 1)
    except TooManyPairs as error:
        raise _too_many(error) from error
    rows = found.slice(0, limit).to_pylist()
    more = found.num_rows > limit
    items = [_item(row) for row in rows]
    return schemas.DisagreementPage(items=items, next_cursor=_write_cursor(rows[-1]) if more else None)


def list_judges(versions: Sequence[Any], judges: Sequence[schemas.JudgeOut], n_people: int) -> list[schemas.JudgeOut]:
    """Versions (newest first), people together, the single judges that the reader may know of, and the truth."""
    found = [schemas.JudgeOut(judge=f"version:{row.name}", kind="version", title=row.name) for row in versions]
    found.append(schemas.JudgeOut(judge="people", kind="people", title="people", n_decisions=n_people))
    found += judges
    found.append(schemas.JudgeOut(judge="truth", kind="truth", title="truth"))
    return found


def defect_labels(model: Any) -> set[str]:
    """The labels that an inspector must not miss."""
    return {item["name"] for item in model.labels or () if item.get("is_defect")}


def _too_many(error: TooManyPairs) -> Invalid:
    return Invalid(f"{error}: choose a shorter range or a segment", code="too_many_pairs")


def _labels(model: Any, counted: Tally) -> list[str]:
    """The model's labels in their order, then others that somebody used; "no answer" comes last."""
    declared = [item["name"] for item in model.labels or ()]
    used = {label for a, b, _ in counted.cells for label in (a, b)}
    others = sorted(used - set(declared) - {""})
    return [*declared, *others, *([""] if "" in used else [])]


def _matrix(counted: Tally, labels: list[str]) -> list[list[int]]:
    position = {label: index for index, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for (a, b, _), n in counted.cells.items():
        matrix[position[a]][position[b]] += n
    return matrix


def _by_label(model: Any, labels: list[str], matrix: list[list[int]]) -> list[schemas.LabelAgreement]:
    defects = defect_labels(model)
    return [
        schemas.LabelAgreement(
            label=label,
            is_defect=label in defects,
            agreement=_statistic(rules.positive_agreement(matrix, index)),
            n_a=sum(matrix[index]),
            n_b=sum(row[index] for row in matrix),
        )
        for index, label in enumerate(labels)
    ]


def _inspections(question: Question, labels: list[str], matrix: list[list[int]]) -> dict[str, Any]:
    """A judge compared with the truth is an inspector."""
    defects = defect_labels(question.model)
    if not defects:
        return {}
    if question.b.kind == "truth":
        return {"inspection_a": _inspection(labels, matrix, defects)}
    if question.a.kind == "truth":
        transposed = [list(column) for column in zip(*matrix, strict=True)]
        return {"inspection_b": _inspection(labels, transposed, defects)}
    return {}


def _inspection(labels: list[str], matrix: list[list[int]], defects: set[str]) -> schemas.Inspection:
    """`matrix` has the inspector's labels as rows and the true ones as columns."""
    counts = {(said, true): 0 for said in (True, False) for true in (True, False)}
    for said, row in zip(labels, matrix, strict=True):
        for true, n in zip(labels, row, strict=True):
            counts[said in defects, true in defects] += n
    found = Inspection(
        true_positive=counts[True, True],
        false_negative=counts[False, True],
        false_positive=counts[True, False],
        true_negative=counts[False, False],
    )
    return schemas.Inspection(
        miss=_rate(found.miss),
        escape_of_passed=_rate(found.escape_of_passed),
        overkill=_rate(found.overkill),
        false_call=_rate(found.false_call),
        effectiveness=_rate(found.effectiveness),
    )


def _right(counted: Tally) -> schemas.RightCounts:
    counts = {key: counted.right.get(key, 0) for key in ((True, True), (True, False), (False, True), (False, False))}
    both, only_a, only_b, neither = counts.values()
    n = both + only_a + only_b + neither
    return schemas.RightCounts(
        n=n,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        accuracy_a=_rate(Rate(both + only_a, n)),
        accuracy_b=_rate(Rate(both + only_b, n)),
        mcnemar_p=_statistic(rules.mcnemar_exact(only_a, only_b) if n else rules.Coefficient(None, "no truth known")),
    )


def _over_time(question: Question, counted: Tally) -> list[schemas.AgreementPoint]:
    """One point per bucket; a bucket without pairs is a gap."""
    totals = [[0, 0] for _ in range(question.window.n_buckets)]
    for (a, b, bucket), n in counted.cells.items():
        if 0 <= bucket < len(totals):
            totals[bucket][0] += n if a == b else 0
            totals[bucket][1] += n
    return [
        schemas.AgreementPoint(bucket_at=at, agreement=_rate(Rate(hits, n)))
        for at, (hits, n) in zip(question.window.bucket_starts, totals, strict=True)
    ]


def _of_all(weighed: Weighed | None) -> schemas.Rate | None:
    if weighed is None or not weighed.total:
        return None
    share, n_effective = weighed.agreed / weighed.total, weighed.total**2 / weighed.squares
    bounds = wilson_of_share(min(1.0, share), n_effective)
    return schemas.Rate(value=share, n=round(n_effective), lower=bounds.lower, upper=bounds.upper)


def _noise_floor(floor: NoiseFloor) -> schemas.NoiseFloor | None:
    if not floor.n_pairs:
        return None
    return schemas.NoiseFloor(n_subjects=floor.n_subjects, agreement=_rate(Rate(floor.n_agreed, floor.n_pairs)))


def _rate(rate: Rate) -> schemas.Rate:
    bounds = rate.interval
    return schemas.Rate(
        value=rate.value,
        n=rate.n,
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
    )


def _statistic(found: rules.Coefficient) -> schemas.Statistic:
    return schemas.Statistic(value=found.value, reason=found.reason)


def _item(row: dict[str, Any]) -> schemas.Disagreement:
    segments = {name.removeprefix("seg_"): value for name, value in row.items() if name.startswith("seg_") and value}
    fields = ("subject_id", "event_id", "artifact", "happened_at", "label_a", "label_b", "score", "truth")
    return schemas.Disagreement(**{name: row[name] for name in fields}, segments=segments)


def _write_cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["happened_at"].isoformat(), row["key"]])).decode()


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, key = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        moment = datetime.fromisoformat(at)
    except (ValueError, TypeError) as error:
        raise Invalid("the cursor is not one of ours") from error
    if moment.tzinfo is None or not isinstance(key, str):
        raise Invalid("the cursor is not one of ours")
    return moment, key
