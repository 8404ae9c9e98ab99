"""Reports, series and details of drift; `judge_window` is what alert rules call."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from backend.drift import budget, schemas
from backend.drift.consequence import Consequence, weigh
from backend.drift.histogram import Bar, category_bars, number_bars
from backend.drift.kolmogorov import MAX_EXACT, ks_p_value
from backend.drift.references import read_reference
from backend.drift.verdicts import VERDICTS, FeatureVerdict, Rules, coarse, moved_bins, rank
from backend.drift.verdicts import judge_grid as judge_counts_grid
from backend.drift.verdicts import judge_window as judge_counts
from backend.drift.windows import (
    Counted,
    coarse_labels,
    fine_bins,
    is_whole,
    missing_shapes,
    read_series,
    read_window,
)
from backend.errors import Invalid, NotFound
from db.analytics.answers import JudgedAnswers, latest_per_subject
from db.analytics.feature_rows import EXAMPLE_COLUMNS, example_rows, in_bins, rows_of
from db.analytics.feature_windows import ReferenceGone, Slice, align_hours
from db.analytics.windows import GRAINS, UnusableWindow, Window, make_window
from db.engine import Database
from db.eventlog.feature_bins import FeatureBins
from db.eventlog.feature_profile import watched_columns
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.models.drift import DriftReference
from db.models.model import Model
from db.repositories import drift_references

#: Buckets of a series at most: more cannot be told apart in a heat map.
MAX_BUCKETS = 120
#: Judged answers that are looked at for the consequence of drift.
MAX_JUDGED = 20_000
#: A window longer than this is not one window.
MAX_DAYS = 400


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: a model on a reference, in the hours of a window, for some of its events."""

    model: Model
    reference: DriftReference
    start: datetime
    end: datetime
    chosen: Slice

    @property
    def span(self) -> tuple[datetime, datetime]:
        return self.start, self.end


def ask(
    model: Model,
    reference: DriftReference | None,
    start: datetime,
    end: datetime,
    *,
    version: str | None = None,
    role: str | None = None,
    segments: Mapping[str, str] | None = None,
) -> Question:
    """A question that makes sense; Invalid or NotFound otherwise."""
    if reference is None:
        raise NotFound(
            "this model has no reference to compare with", code="no_reference", details={"model": model.name}
        )
    if end <= start:
        raise Invalid("the range ends before it begins")
    if start.year < 1971 or end.year > 2500 or (end - start).days > MAX_DAYS:
        raise Invalid(f"the range is longer than {MAX_DAYS} days or outside the years 1971 to 2500")
    chosen = list((segments or {}).items())
    if len(chosen) > 1:
        raise Invalid("counts know one segment key at a time")
    if chosen and chosen[0][0] not in (model.segment_keys or ()):
        raise Invalid(f"this model has no segment key {chosen[0][0]!r}")
    first, last = align_hours(start, end)
    return Question(model, reference, first, last, Slice(version, role, chosen[0] if chosen else None))


def judge_window(
    database: Database,
    eventlog: EventLog,
    model: Model,
    window: Window | tuple[datetime, datetime],
    *,
    version: str | None = None,
    segment: tuple[str, str] | None = None,
    now: datetime,
    windows_per_month: float | None = None,
    reference_id: str | None = None,
) -> list[FeatureVerdict]:
    """The verdict on every feature of a window [start, end), what needs a look first. For alert rules.

    Compared with the model's current reference (or the one named); a model without one gives []. The window is
    widened to whole hours and ends at the hour of `now` at the latest. `windows_per_month` is how many windows the
    caller evaluates in a month over all its scopes (default: as many as fit into 30 days): the budget of false alarms
    is spread over them. Features of a window whose history is still being counted fail with "counting".
    """
    start, end = (window.start, window.end) if isinstance(window, Window) else window
    with database.read() as session:
        find = drift_references.get_reference if reference_id else drift_references.current_reference
        reference = find(session, reference_id or model.id)
    if reference is None or start >= now:
        return []
    question = ask(
        model, reference, start, min(end, now), version=version, segments=dict([segment]) if segment else None
    )
    rules = budget.rules_of(budget.settings_of(model.settings), *question.span, windows_per_month=windows_per_month)
    if not is_whole(reference, question.start):
        return [_counting(name) for name in reference.facts.get("features", [])]
    return rank(_judge(question, _read(database, eventlog, question), rules))


def report(
    database: Database, eventlog: EventLog, answers: JudgedAnswers, question: Question, *, with_consequence: bool = True
) -> schemas.DriftReport:
    """All features of a window with all their numbers, ranked."""
    settings = budget.settings_of(question.model.settings)
    rules = budget.rules_of(settings, *question.span)
    counted = _read(database, eventlog, question)
    found = rank(_judge(question, counted, rules))
    by_name = {bins.column: bins for bins in counted.profile.features}
    effects = _consequences(eventlog, answers, question, by_name, found) if with_consequence else {}
    return schemas.DriftReport(
        model=question.model.name,
        reference=read_reference(question.reference, question.model),
        start=question.start,
        end=question.end,
        is_whole=is_whole(question.reference, question.start),
        alpha=rules.alpha,
        alarms_per_month=settings.alarms_per_month,
        floor_sigma=settings.floor_sigma,
        n_drifted=sum(one.verdict == "drifted" for one in found),
        features=[_feature(one, by_name.get(one.feature), effects.get(one.feature)) for one in found],
    )


def series(database: Database, eventlog: EventLog, question: Question, grain_s: int | None) -> schemas.DriftSeries:
    """Verdict and effect of every feature in every bucket: small lines and heat map in one answer."""
    window = series_window(question.start, question.end, grain_s)
    rules = budget.rules_of(
        budget.settings_of(question.model.settings),
        window.start,
        window.start + (window.end - window.start) / window.n_buckets,
    )
    try:
        counted = read_series(database, eventlog, question.reference, window, question.chosen)
    except ReferenceGone as error:
        raise NotFound("there is no such reference") from error
    grid = judge_counts_grid(counted.shapes, counted.reference, counted.current, rules)
    return schemas.DriftSeries(
        model=question.model.name,
        reference=read_reference(question.reference, question.model),
        start=window.start,
        end=window.end,
        grain_s=window.grain_s,
        alpha=rules.alpha,
        floor_sigma=rules.floor,
        bucket_at=window.bucket_starts,
        features=[
            schemas.FeatureLine(
                feature=shape.name,
                verdict=[
                    VERDICTS[code] if n else None
                    for code, n in zip(grid.verdict[place].tolist(), grid.n[place].tolist(), strict=True)
                ],
                shift_sigma=_nullable(grid.shift_sigma[place], grid.n[place]),
                p_adjusted=_nullable(grid.p_adjusted[place], grid.n[place]),
                n=grid.n[place].tolist(),
            )
            for place, shape in enumerate(counted.shapes)
        ],
    )


def series_window(start: datetime, end: datetime, grain_s: int | None) -> Window:
    """Buckets of whole hours, at most MAX_BUCKETS of them."""
    length_s = (end - start).total_seconds()
    usable = [grain for grain in GRAINS if grain >= 3_600 and grain <= 604_800]
    if grain_s is not None and grain_s not in usable:
        raise Invalid(f"the grain is one of {', '.join(map(str, usable))} seconds")
    wanted = next(
        (grain for grain in usable if grain >= (grain_s or 0) and length_s / grain <= MAX_BUCKETS), usable[-1]
    )
    try:
        return make_window(start, end, wanted)
    except UnusableWindow as error:
        raise Invalid(str(error)) from error


def detail(
    database: Database, eventlog: EventLog, answers: JudgedAnswers, question: Question, feature: str
) -> schemas.FeatureDetail:
    """One feature: histogram, coarse bins, the exact test where rows are few, and what the drift does."""
    rules = budget.rules_of(budget.settings_of(question.model.settings), *question.span)
    counted = _read(database, eventlog, question)
    one = next((one for one in _judge(question, counted, rules) if one.feature == feature), None)
    if one is None:
        raise NotFound("the model has no such feature", details={"feature": feature[:200]})
    place = counted.profile.columns.index(feature) if feature in counted.profile.columns else None
    if place is None:
        raise NotFound("the reference does not know this feature", code="not_in_reference")
    bins, ref, cur = counted.profile.features[place], counted.reference[place], counted.current[place]
    m, n = int(ref[:-1].sum()), int(cur[:-1].sum())
    if one.ks is not None and max(m, n) <= MAX_EXACT:
        one.ks_p, one.ks_is_exact = ks_p_value(one.ks, m, n), True
    effects = _consequences(eventlog, answers, question, {feature: bins}, [one])
    return schemas.FeatureDetail(
        model=question.model.name,
        reference=read_reference(question.reference, question.model),
        start=question.start,
        end=question.end,
        feature=_feature(one, bins, effects.get(feature)),
        bars=[_bar(bar) for bar in _bars(bins, ref, cur)],
        bins=_all_bins(bins, coarse(counted.shapes[place], ref), coarse(counted.shapes[place], cur)),
    )


def examples(
    database: Database, eventlog: EventLog, question: Question, feature: str, wanted: Sequence[int], limit: int
) -> schemas.Examples:
    """Newest predictions whose value lies in the named coarse bins, or, without any, in those that grew most."""
    counted = _read(database, eventlog, question)
    if feature not in counted.profile.columns:
        raise NotFound("the reference does not know this feature", code="not_in_reference")
    place = counted.profile.columns.index(feature)
    bins, shape = counted.profile.features[place], counted.shapes[place]
    chosen = list(wanted) or _grown(coarse(shape, counted.reference[place]), coarse(shape, counted.current[place]))
    if any(one < 0 or one >= len(bins.groups) for one in chosen):
        raise Invalid(f"bins are numbered 0 to {len(bins.groups) - 1}")
    rows = example_rows(
        eventlog,
        spec_of(question.model),
        bins,
        fine_bins(bins, chosen),
        question.start,
        question.end,
        question.chosen,
        limit,
    )
    names = (*EXAMPLE_COLUMNS, "value")
    shown = [schemas.Example(**{name: _plain(row[name]) for name in names}) for row in rows]
    return schemas.Examples(model=question.model.name, feature=feature, bins=chosen, rows=shown)


def _read(database: Database, eventlog: EventLog, question: Question) -> Counted:
    try:
        return read_window(database, eventlog, question.reference, question.span, question.chosen)
    except ReferenceGone as error:
        raise NotFound("there is no such reference") from error


def _judge(question: Question, counted: Counted, rules: Rules) -> list[FeatureVerdict]:
    extra = missing_shapes(counted.profile, watched_columns(spec_of(question.model)))
    nothing = [np.zeros(1, dtype=np.int64)] * len(extra)
    return judge_counts([*counted.shapes, *extra], [*counted.reference, *nothing], [*counted.current, *nothing], rules)


def _counting(name: str) -> FeatureVerdict:
    return FeatureVerdict(name, "number", "failed", reason="counting")


def _consequences(
    eventlog: EventLog,
    answers: JudgedAnswers,
    question: Question,
    bins: Mapping[str, FeatureBins],
    found: Sequence[FeatureVerdict],
) -> dict[str, Consequence]:
    """Errors that people found inside the bins that grew, against outside, for every drifted feature."""
    drifted = [one for one in found if one.verdict == "drifted" and one.feature in bins]
    if not drifted:
        return {}
    judged, is_wrong, weight = _judged(answers, question)
    if not judged.num_rows:
        return {one.feature: Consequence("unknown") for one in drifted}
    spec = spec_of(question.model)
    rows = rows_of(eventlog, spec, judged, [one.feature for one in drifted], question.start, question.end)
    place = {event_id: number for number, event_id in enumerate(judged["event_id"].to_pylist())}
    order = np.array([place[event_id] for event_id in rows["event_id"].to_pylist()], dtype=np.int64)
    effects = {}
    for one in drifted:
        if rows.schema.get_field_index(one.feature) < 0:
            continue
        grown = [moved.bin for moved in one.moved if moved.current > moved.reference]
        inside = in_bins(bins[one.feature], rows.column(one.feature), fine_bins(bins[one.feature], grown))
        effects[one.feature] = weigh(inside, is_wrong[order], weight[order])
    return effects


def _judged(answers: JudgedAnswers, question: Question) -> tuple[pa.Table, Any, Any]:
    """Answers of the window that the truth, or else people, judged: their events, whether wrong, and their weight."""
    opinions, model_id = answers.opinions, question.model.id
    said: dict[str, str] = {}
    for table in (opinions.people(model_id), opinions.truths(model_id)):
        said.update(zip(table["subject_id"].to_pylist(), table["label"].to_pylist(), strict=True))
    found = answers.find(question.model, said, question.start, question.end) if said else pa.table({"event_id": []})
    if not found.num_rows:
        return found, np.zeros(0, dtype=bool), np.zeros(0)
    chosen = question.chosen
    is_taken = [
        chosen.takes(version, role)
        for version, role in zip(found["version"].to_pylist(), found["role"].to_pylist(), strict=True)
    ]
    found = found.filter(pa.array(is_taken))
    if chosen.segment is not None:
        values = found[f"seg_{chosen.segment[0]}"].to_pylist()
        found = found.filter(pa.array([value == chosen.segment[1] for value in values]))
    found = latest_per_subject(found).slice(0, MAX_JUDGED)
    subjects, labels = found["subject_id"].to_pylist(), found["label"].to_pylist()
    chances = opinions.chances(model_id)
    is_wrong = np.array([said[subject] != label for subject, label in zip(subjects, labels, strict=True)], dtype=bool)
    weight = np.array([1 / chances.get(subject, 1.0) for subject in subjects], dtype=np.float64)
    return found, is_wrong, weight


def _grown(ref: Any, cur: Any) -> list[int]:
    """The coarse bins that hold more than they did; where none did, the largest one."""
    found = [moved.bin for moved in moved_bins(ref, cur) if moved.current > moved.reference]
    return found or [int(np.argmax(cur))]


def _feature(one: FeatureVerdict, bins: FeatureBins | None, effect: Consequence | None) -> schemas.FeatureOut:
    labels = coarse_labels(bins) if bins is not None else []
    values = {name: _plain(getattr(one, name)) for name in schemas.FeatureOut.model_fields if hasattr(one, name)}
    values["sigma"] = {name: value for name, value in one.sigma.items() if math.isfinite(value)}
    values["moved"] = [
        schemas.BinOut(
            bin=moved.bin,
            text=labels[moved.bin][0],
            low=_finite(labels[moved.bin][1]),
            high=_finite(labels[moved.bin][2]),
            reference=moved.reference,
            current=moved.current,
            part=moved.part,
        )
        for moved in one.moved
    ]
    return schemas.FeatureOut(**values, consequence=schemas.ConsequenceOut(**asdict(effect)) if effect else None)


def _bars(bins: FeatureBins, ref: Any, cur: Any) -> list[Bar]:
    if bins.kind == "number":
        return number_bars(bins.edges, bins.steps, ref, cur)
    return category_bars([*bins.categories, "other", "unseen", "null"], ref, cur)


def _bar(bar: Bar) -> schemas.BinOut:
    return schemas.BinOut(
        bin=bar.bin,
        text=bar.text,
        low=_finite(bar.low),
        high=_finite(bar.high),
        reference=bar.reference,
        current=bar.current,
    )


def _all_bins(bins: FeatureBins, ref: Any, cur: Any) -> list[schemas.BinOut]:
    m, n = int(ref.sum()), int(cur.sum())
    return [
        schemas.BinOut(
            bin=place,
            text=text,
            low=_finite(low),
            high=_finite(high),
            reference=float(ref[place] / m) if m else None,
            current=float(cur[place] / n) if n else None,
        )
        for place, (text, low, high) in enumerate(coarse_labels(bins))
    ]


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _nullable(values: Any, n: Any) -> list[float | None]:
    return [
        value if rows and math.isfinite(value) else None
        for value, rows in zip(values.tolist(), n.tolist(), strict=True)
    ]
