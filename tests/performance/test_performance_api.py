"""Performance over time through the API on both databases, against counting by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from backend.client import ApiError
from backend.ground_truth.schemas import TruthIn
from backend.performance import finding
from backend.performance.changes import find_changes
from db.models.review import Decision
from tests.conftest import on_sqlite
from tests.performance.conftest import DAY, END, START, Line, at, boards, wire

GRAIN = 86_400
#: What differs between databases is how labels are read; counting happens in DuckDB and is tested on one.


def accuracy(events: list[dict[str, Any]]) -> float:
    return float(np.mean([event["prediction"] == event["truth"] for event in events]))


def area(is_positive: list[bool], scores: list[float]) -> float:
    """AUC by looking at every pair."""
    positive, score = np.array(is_positive), np.array(scores)
    gap = score[positive][:, None] - score[~positive][None, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


@on_sqlite
def test_realised_performance_coverage_and_lag_are_by_prediction_time(line: Line) -> None:
    events = boards(600)
    line.log(wire(events))
    labelled = events[:300:2]  # every second board of the first five days
    line.label_many(
        {e["subject_id"]: e["truth"] for e in labelled}, {e["subject_id"]: at(e) + 3 * DAY for e in labelled}
    )
    found = line.client.performance.over_time("boards", START, END, grain_s=GRAIN)
    assert (found.metric, found.n, found.n_labels) == ("accuracy", 600, 150)
    assert found.coverage == pytest.approx(0.25)
    assert found.lag_p50_s == pytest.approx(3 * 86_400, rel=1e-6)
    first = [event for event in labelled if at(event) < START + DAY]
    assert found.points[0].realised.value == pytest.approx(accuracy(first))
    assert found.points[0].coverage == pytest.approx(0.5)
    assert found.points[0].lag_p90_s == pytest.approx(3 * 86_400, rel=1e-6)
    assert [point.is_thin for point in found.points] == [False] * 5 + [True] * 5
    assert found.points[9].realised.reason == "no_labels"
    assert found.realised.value == pytest.approx(accuracy(labelled))
    assert found.realised.lower is not None
    by_metric = {m: line.client.performance.over_time("boards", START, END, metric=m).realised for m in found.metrics}
    defects = [event for event in labelled if event["truth"] == "bad"]
    assert by_metric["escape_rate"].value == pytest.approx(np.mean([e["prediction"] == "ok" for e in defects]))
    good = [event for event in labelled if event["truth"] == "ok"]
    assert by_metric["overkill_rate"].value == pytest.approx(np.mean([e["prediction"] == "bad" for e in good]))
    p = [e["score"] if e["prediction"] == "bad" else 1 - e["score"] for e in labelled]
    assert by_metric["auc"].value == pytest.approx(area([e["truth"] == "bad" for e in labelled], p), abs=1e-9)


def test_a_label_forty_days_late_revises_history_and_any_past_day_can_be_shown(line: Line) -> None:
    events = boards(200)
    line.log(wire(events))
    early, late = events[:10], events[10:20]
    line.label_many({e["subject_id"]: e["truth"] for e in early}, START + 1.5 * DAY)
    line.label_many({e["subject_id"]: e["truth"] for e in late}, START + 41 * DAY)
    asked: dict[str, Any] = {"grain_s": GRAIN, "clock": "resolved"}  # events were logged now, in this test
    now = line.client.performance.over_time("boards", START, END, as_of=START + 42 * DAY, **asked)
    then = line.client.performance.over_time("boards", START, END, as_of=START + 40 * DAY, **asked)
    assert (now.points[0].n_labels, then.points[0].n_labels) == (20, 10)
    assert now.points[0].realised.value == pytest.approx(accuracy(events[:20]))
    assert then.points[0].realised.value == pytest.approx(accuracy(early))
    assert now.points[0].before is not None
    assert (now.points[0].before.n_labels, now.points[0].before.value) == (10, then.points[0].realised.value)
    assert then.points[0].before is None
    assert now.points[5].before is None


def test_corrections_and_withdrawals_are_replayed_by_when_they_were_known(line: Line) -> None:
    from db.analytics.known import Knowledge
    from db.repositories import ground_truth

    line.label("s1", "ok", START)
    line.label("s1", "bad", START + 5 * DAY)
    line.label("s2", "ok", START + 1 * DAY)
    with line.services.database.write() as session:
        truths = ground_truth.current_truths(session, line.model.id, ["s1", "s2"])
        ground_truth.withdraw_truth(session, truths["s2"])
        ground_truth.withdraw_truth(session, truths["s1"])
    known = Knowledge(line.services.database)

    def labels(as_of: Any, clock: Any = "logged") -> dict[str, str]:
        table = known.truths(line.model.id, as_of, clock)
        return dict(zip(table["subject_id"].to_pylist(), table["label"].to_pylist(), strict=True))

    assert labels(START - DAY) == {}
    assert labels(START + 2 * DAY) == {"s1": "ok", "s2": "ok"}
    assert labels(START + 6 * DAY) == {"s1": "bad", "s2": "ok"}
    assert labels(None) == {"s1": "ok"}
    assert labels(START + 6 * DAY, "resolved") == {"s1": "ok"}
    first = known.truths(line.model.id, None)["first_known_at"].to_pylist()
    assert first == [START]


def test_labels_before_their_predictions_and_of_unknown_ones_are_kept_and_joined_later(line: Line) -> None:
    sent = line.client.ground_truth.send("boards", [TruthIn(subject_id="s1-0", label="ok", resolved_at=START)])
    assert sent.n_stored == 1
    empty = line.client.performance.over_time("boards", START, END)
    assert (empty.n, empty.n_labels, empty.coverage) == (0, 0, None)
    assert empty.realised.reason == "no_labels"
    line.log([event | {"prediction": "bad"} for event in wire(boards(1))])
    found = line.client.performance.over_time("boards", START, END)
    assert (found.n_labels, found.realised.value) == (1, 0.0)
    late = line.client.performance.over_time("boards", START, END, clock="resolved")
    assert late.lag_p50_s == 0.0


@on_sqlite
def test_what_cannot_be_computed_says_why(line: Line) -> None:
    events = [event | {"prediction": "ok"} for event in wire(boards(60))]
    for event in events:
        del event["score"]
    line.log(events)
    nothing = line.client.performance.over_time("boards", START, END)
    assert nothing.label_free.figure.reason == "no_scores"
    assert nothing.estimates == []
    line.label_many({f"s1-{i}": "ok" for i in range(60)}, END)
    for metric, reason in (("auc", "no_scores"), ("escape_rate", "one_class")):
        assert line.client.performance.over_time("boards", START, END, metric=metric).realised.reason == reason
    scored = [event | {"id": f"x{i}", "score": 0.9} for i, event in enumerate(events)]
    line.log(scored)
    assert line.client.performance.over_time("boards", START, END, metric="auc").realised.reason == "one_class"
    assert line.client.performance.over_time("boards", START, END).label_free.figure.reason == "too_few_labels"
    line.label("s1-0", "scratch", END)
    found = line.client.performance.over_time("boards", START, END)
    assert found.n_unknown_labels == 2
    assert found.realised.value == pytest.approx(118 / 120)
    outside = line.client.performance.over_time("boards", START - 30 * DAY, START - 20 * DAY)
    assert (outside.n, outside.points[0].coverage) == (0, None)
    assert line.client.performance.changes("boards", START - 30 * DAY, START - 20 * DAY).changes == []
    assert line.client.performance.slices("boards", START - 30 * DAY, START - 20 * DAY).slices == []


REFUSED = [
    ({"metric": "mae"}, 422),
    ({"segment": "colour=red"}, 422),
    ({"where": "nonsense<1"}, 422),
    ({"where": "in_brightness<dark"}, 422),
    ({"model": "other"}, 404),
    ({"end": START.isoformat()}, 422),
    ({"min_coverage": "2"}, 422),
    ({"as_of": "soon"}, 422),
    ({"clock": "sun"}, 422),
    ({"reference_start": END.isoformat(), "reference_end": START.isoformat()}, 422),
]


@on_sqlite
def test_questions_that_make_no_sense_are_refused(line: Line) -> None:
    asked = {"model": "boards", "start": START.isoformat(), "end": END.isoformat()}
    for options, status in REFUSED:
        with pytest.raises(ApiError) as refused:
            line.client.transport.request("GET", "/v1/performance", params=asked | options)
        assert refused.value.status == status, options
    with pytest.raises(ApiError) as refused:
        line.client.performance.rows("boards", START, END, cursor="nonsense")
    assert refused.value.status == 422


def test_few_reviews_estimate_all_predictions_though_doubtful_ones_are_picked(line: Line) -> None:
    events = boards(3000)
    line.log(wire(events))
    picked = []
    rng = np.random.default_rng(4)
    for event in events:
        pi = 0.6 if event["score"] < 0.8 else 0.05
        if rng.random() < pi:
            picked.append((event, pi))
    with line.services.database.write() as session:
        session.add_all(
            Decision(model_id=line.model.id, subject_id=e["subject_id"], judge="person:an", label=e["truth"], pi=pi)
            for e, pi in picked
        )
    found = line.client.performance.over_time("boards", START, END, grain_s=GRAIN)
    naive = accuracy([event for event, _ in picked])
    truth = accuracy(events)
    by_method = {one.method: one for one in found.estimates}
    assert naive < truth - 0.08
    for name in ("active_hajek", "hajek", "wilson"):
        one = by_method[name]
        assert one.lower is not None
        assert one.upper is not None
        assert one.lower <= truth <= one.upper, (name, one)
    reviewed = [point.reviewed for point in found.points if point.reviewed.value is not None]
    assert len(reviewed) >= 8
    assert all(one.lower is not None and one.lower <= (one.value or 0) for one in reviewed)
    assert found.n_labels == len(picked)  # what people said counts as a label where nothing was resolved
    assert found.realised.value == pytest.approx(by_method["hajek"].value)


def test_a_person_who_agrees_counts_as_much_as_one_who_does_not(line: Line) -> None:
    """One person against the model starts an adjudication, one for it resolves nothing: resolved labels alone are
    those of the mistakes."""
    events = [event | {"prediction": "ok"} for event in boards(20)]
    line.log(wire(events))
    for number, event in enumerate(events):
        line.decide(event["subject_id"], "bad" if number < 2 else "ok", 0.5)
    for event in events[:2]:
        line.label(event["subject_id"], "bad", END, "adjudication")
    found = line.client.performance.over_time("boards", START, END)
    assert (found.n_labels, found.realised.value) == (20, pytest.approx(0.9))


def test_labels_out_of_the_review_queue_are_weighed_and_others_are_not(line: Line) -> None:
    events = boards(40)
    events = [event | {"prediction": "ok"} for event in events]
    line.log(wire(events))
    for number, event in enumerate(events[:4]):
        line.decide(event["subject_id"], "ok", 0.1 if number < 2 else 1.0)
        line.label(event["subject_id"], "ok" if number < 2 else "bad", END, "consensus")
    line.label(events[4]["subject_id"], "bad", END, "measured")
    found = line.client.performance.over_time("boards", START, END)
    assert found.realised.value == pytest.approx(20 / 23)
    assert found.n_labels == 5


@on_sqlite
def test_label_free_estimate_is_calibrated_before_the_window(line: Line) -> None:
    before = boards(1500, seed=2, days=5)
    after = [event | {"happened_at": (at(event) + 5 * DAY).isoformat()} for event in boards(1500, seed=3, days=5)]
    line.log(wire(before) + wire(after))
    line.label_many({e["subject_id"]: e["truth"] for e in before}, START + 5 * DAY)
    start = START + 5 * DAY
    found = line.client.performance.over_time("boards", start, END, grain_s=GRAIN)
    free = found.label_free
    assert (free.n_calibration, free.is_in_sample) == (1500, False)
    assert "blind_to_concept_drift" in free.warnings
    assert free.figure.value == pytest.approx(accuracy(after), abs=0.025)
    assert found.n_labels == 0
    assert all(point.expected.value is not None for point in found.points)
    auc = line.client.performance.over_time("boards", start, END, metric="auc").label_free.figure
    p = [e["score"] if e["prediction"] == "bad" else 1 - e["score"] for e in after]
    assert auc.value == pytest.approx(area([e["truth"] == "bad" for e in after], p), abs=0.03)


@on_sqlite
def test_a_change_is_found_with_when_it_began_and_the_rows_behind_a_bad_slice(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "detect_elsewhere", find_changes)  # in this process: test_changes starts the other
    events = boards(4000, right=0.95)
    rng = np.random.default_rng(9)
    for number, event in enumerate(events):
        is_bad_slice = event["segments"]["line"] == "L2" and event["inputs"]["side"] == "back"
        if number >= 2000 and is_bad_slice and rng.random() < 0.7:
            event["prediction"] = "ok" if event["truth"] == "bad" else "bad"
    line.log(wire(events))
    line.label_many({e["subject_id"]: e["truth"] for e in events}, END + DAY)
    found = line.client.performance.changes("boards", START, END)
    assert [change.is_worse for change in found.changes] == [True]
    change = found.changes[0]
    assert abs(change.began_at - (START + 5 * DAY)) < timedelta(hours=16)
    assert change.began_at < change.found_at < change.known_at
    assert change.known_at == END + DAY
    slices = line.client.performance.slices("boards", START, END)
    assert {c.column: c.equals for c in slices.slices[0].conditions} == {"seg_line": "L2", "in_side": "back"}
    assert slices.n_tested > 20
    rows = line.client.performance.rows("boards", START, END, where=slices.slices[0].where, limit=20)
    assert len(rows.rows) == 20
    assert rows.next_cursor is not None
    assert all(row.segments["line"] == "L2" and row.label != row.truth for row in rows.rows)
    older = line.client.performance.rows("boards", START, END, where=slices.slices[0].where, cursor=rows.next_cursor)
    assert older.rows[0].happened_at <= rows.rows[-1].happened_at
    assert older.rows[0].event_id != rows.rows[-1].event_id


@on_sqlite
def test_several_defects_and_one_good_label_have_an_auc(line: Line) -> None:
    from db.models.model import Model

    with line.services.database.write() as session:
        names = [{"name": "fine"}, {"name": "open", "is_defect": True}, {"name": "short", "is_defect": True}]
        model = Model(name="kinds", item_kind="tabular", labels=names)
        session.add(model)
    line.model = model
    said = [("fine", 0.9, "fine"), ("fine", 0.6, "short"), ("open", 0.4, "open"), ("short", 0.9, "fine")]
    line.log(
        [
            {"version": "v1", "subject_id": f"k{i}", "happened_at": START.isoformat(), "prediction": p, "score": score}
            for i, (p, score, _) in enumerate(said)
        ]
    )
    line.label_many({f"k{i}": truth for i, (_, _, truth) in enumerate(said)}, END)
    found = line.client.performance.over_time("kinds", START, END, metric="auc")
    assert found.realised.value == pytest.approx(area([False, True, True, False], [0.1, 0.4, 0.6, 0.9]))


@on_sqlite
def test_errors_of_numbers(line: Line) -> None:
    from db.models.model import Model

    with line.services.database.write() as session:
        model = Model(name="weight", item_kind="tabular", output_kind="number")
        session.add(model)
    line.model = model
    line.log(
        [
            {
                "version": "v1",
                "subject_id": f"w{i}",
                "happened_at": (START + i * DAY).isoformat(),
                "prediction": 10.0 + i,
            }
            for i in range(4)
        ]
    )
    line.label_many({"w0": "11", "w1": "10", "w2": "not a number", "w3": "14.5"}, END)
    found = line.client.performance.over_time("weight", START, END)
    assert (found.metric, found.metrics) == ("mae", ["mae", "bias"])
    assert found.realised.value == pytest.approx((1 + 1 + 1.5) / 3)
    assert found.realised.n == 3
    assert line.client.performance.over_time("weight", START, END, metric="bias").realised.value == pytest.approx(-0.5)
    assert found.label_free.figure.reason == "not_for_numbers"
