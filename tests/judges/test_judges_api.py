"""Judging the judges through the API on both databases, against counting the same answers by hand."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from sqlalchemy import text

from backend.client import ApiError, Client
from db.repositories import judges as repository
from review.rules.agreement import cohen_kappa, confusion_matrix, krippendorff_alpha
from tests.judges.conftest import END, LABELS, START, Bench

RIGHT = {"an": 0.97, "binh": 0.85, "chi": 0.7, "outside": 0.9}
N = 90


@pytest.fixture
def said(bench: Bench) -> dict[tuple[str, str], tuple[str, int]]:
    """90 boards, each judged blind by two or three of four people; every second one was measured."""
    rng = np.random.default_rng(3)
    made: dict[tuple[str, str], tuple[str, int]] = {}
    for i in range(N):
        true = str(rng.choice(LABELS, p=[0.6, 0.25, 0.15]))
        if i % 2:
            bench.truth(f"s{i:02}", true)
        for who in rng.permutation(list(RIGHT))[: 2 + i % 2]:
            label = true if rng.random() < RIGHT[who] else str(rng.choice(LABELS))
            duration = int(rng.integers(1000, 9000))
            bench.answer(who, f"s{i:02}", label, duration_ms=duration)
            made[who, f"s{i:02}"] = label, duration
    return made


def standard(bench: Bench) -> dict[str, str]:
    with bench.services.database.read() as session:
        return dict(session.execute(text("SELECT subject_id, label FROM ground_truth WHERE method = 'measured'")).all())


def test_everybody_is_counted_as_by_hand(bench: Bench, said: dict[tuple[str, str], tuple[str, int]]) -> None:
    found = bench.sign_in("admin").judges.agreement("boards", START, END)
    truth = standard(bench)
    assert found.visibility == "named"
    assert {row.name for row in found.judges} == set(RIGHT)
    for row in found.judges:
        own = {subject: label for (who, subject), (label, _) in said.items() if who == row.name}
        times = [duration for (who, _), (_, duration) in said.items() if who == row.name]
        known = {subject: label for subject, label in own.items() if subject in truth}
        right = sum(label == truth[subject] for subject, label in known.items())
        bad = [subject for subject in known if truth[subject] != "ok"]
        good = [subject for subject in known if truth[subject] == "ok"]
        assert (row.n_answers, row.effectiveness.n_hits, row.effectiveness.n) == (len(own), right, len(known))
        assert (row.miss.n_hits, row.miss.n) == (sum(known[one] == "ok" for one in bad), len(bad))
        assert (row.false_alarm.n_hits, row.false_alarm.n) == (sum(known[one] != "ok" for one in good), len(good))
        assert row.kappa.value == pytest.approx(
            cohen_kappa(confusion_matrix([truth[one] for one in known], list(known.values()), LABELS)).value
        )
        assert (row.speed.n, row.speed.median_ms) == (len(times), np.median(times))
        assert (row.speed.p10_ms, row.speed.p90_ms) == tuple(np.percentile(times, [10, 90]))
    effectiveness = [row.effectiveness.value or 0 for row in found.judges]
    assert effectiveness == sorted(effectiveness, reverse=True)
    assert found.team is not None
    assert found.team.effectiveness.n_hits == sum(row.effectiveness.n_hits for row in found.judges)


def test_agreement_between_people_is_krippendorffs_of_the_same_table(
    bench: Bench, said: dict[tuple[str, str], tuple[str, int]]
) -> None:
    [everyday] = bench.sign_in("viewer").judges.agreement("boards", START, END).between
    table = np.full((4, N), np.nan)
    for (who, subject), (label, _) in said.items():
        table[list(RIGHT).index(who), int(subject[1:])] = LABELS.index(label)
    assert everyday.alpha.value == pytest.approx(krippendorff_alpha(table).value)
    given = [set(column[~np.isnan(column)]) for column in table.T]
    assert (everyday.agreement.n_hits, everyday.agreement.n) == (sum(len(one) == 1 for one in given), N)


def test_the_pair_that_shared_the_most_is_taken_for_capture_recapture(
    bench: Bench, said: dict[tuple[str, str], tuple[str, int]]
) -> None:
    found = bench.sign_in("admin").judges.agreement("boards", START, END).capture
    truth = standard(bench)
    assert found is not None
    best = []
    for first, second in combinations(sorted(RIGHT, key=lambda who: bench.judges[who]), 2):
        shared = [
            (said[first, one][0] != "ok", said[second, one][0] != "ok")
            for one in (f"s{i:02}" for i in range(N))
            if (first, one) in said and (second, one) in said and truth.get(one) != "ok"
        ]
        best.append(
            (len(shared), sum(a for a, _ in shared), sum(b for _, b in shared), sum(a and b for a, b in shared))
        )
    counts = (found.n_shared, found.n_first, found.n_second, found.n_both)
    assert counts in [one for one in best if one[0] == max(n for n, *_ in best)]
    assert found.n_estimated == pytest.approx((counts[1] + 1) * (counts[2] + 1) / (counts[3] + 1) - 1)


def test_only_answers_that_say_something_about_people_are_read_and_the_rest_is_told(bench: Bench) -> None:
    for who in ("an", "binh", "chi"):
        bench.answer(who, "s1", "ok")
    bench.truth("s1", "ok")
    bench.answer("an", "s1", "short", superseded_by="undone")
    bench.answer("an", "s1", "short", is_adjudication=True, is_evidence=False, seen="assisted")
    bench.answer("an", "s1", "short", outcome="extra", is_evidence=False)
    bench.answer("an", "s1", None, verb="skip", is_evidence=False)
    bench.answer("predictor:other", "s1", "short")
    bench.answer("an", "s2", "short", is_evidence=False, pi=None)
    bench.answer("an", "s3", None, verb="unsure")
    bench.answer("an", "s4", "open", seen="revealed", is_evidence=False)
    bench.answer("binh", "s5", "open")
    bench.answer("binh", "s5", "short")
    bench.answer("binh", "s6", "ok")
    bench.answer("binh", "s6", "ok")
    bench.answer("an", "s7", "ok", decided_at=END)
    found = bench.sign_in("admin").judges.agreement("boards", START, END)
    counted = found.counted
    assert (counted.n_answers, counted.n_judges, counted.n_unusable) == (9, 3, 1)
    assert (counted.n_unsure, counted.n_assisted) == (1, 1)
    assert (counted.n_repeated, counted.n_repeated_differing) == (2, 1)
    assert {row.name: row.n_answers for row in found.judges} == {"an": 1, "binh": 3, "chi": 1}
    assert found.between[0].agreement.n == 1
    said = bench.sign_in("admin").judges.consensus("boards", START, END, show="all")
    assert [item.subject_id for item in said.items] == ["s1"]


def test_hidden_repeats_are_held_against_the_first_answer_even_from_before_the_window(bench: Bench) -> None:
    bench.answer("an", "s1", "ok", decided_at=START.replace(year=2025))
    bench.answer("an", "s1", "ok", reason="repeat")
    bench.answer("an", "s2", "ok")
    bench.answer("an", "s2", "short", reason="repeat")
    bench.answer("an", "s3", "open")
    bench.answer("an", "s3", "open", reason="repeat")
    bench.answer("binh", "s3", "short")
    bench.answer("chi", "s3", "short", reason="repeat")  # chi had never seen it before
    found = bench.sign_in("admin").judges.agreement("boards", START, END)
    shares = {row.name: (row.consistency.n_hits, row.consistency.n) for row in found.judges}
    assert shares == {"an": (2, 3), "binh": (0, 0), "chi": (0, 0)}
    assert found.team is not None
    assert (found.team.consistency.n_hits, found.team.consistency.n) == (2, 3)
    assert found.between[0].n_judges == 2  # a repeat is no opinion among others
    own = bench.sign_in("inspector", "an").judges.inspector("boards", START, END)
    assert (own.figures.consistency.n_hits, own.figures.consistency.n) == (2, 3)


def test_gold_items_measure_people_apart_from_everyday_ones(bench: Bench) -> None:
    bench.truth("g1", "short")
    for who, label in (("an", "short"), ("binh", "ok"), ("chi", "open")):
        bench.answer(who, "g1", label, reason="gold")
    bench.answer("an", "s1", "ok")
    bench.answer("binh", "s1", "ok")
    found = bench.sign_in("admin").judges.agreement("boards", START, END)
    by_items = {one.items: one for one in found.between}
    assert (by_items["gold"].agreement.n_hits, by_items["gold"].agreement.n, by_items["gold"].right.n_hits) == (0, 1, 0)
    assert (by_items["everyday"].agreement.n_hits, by_items["everyday"].agreement.n) == (1, 1)
    rows = {row.name: row for row in found.judges}
    assert [rows[who].effectiveness.value for who in ("an", "binh", "chi")] == [1.0, 0.0, 0.0]
    assert [rows[who].miss.value for who in ("an", "binh", "chi")] == [0.0, 1.0, 0.0]
    assert bench.sign_in("admin").judges.consensus("boards", START, END, show="all").n_subjects == 1


def test_nobody_is_held_against_a_consensus_or_against_what_they_settled(bench: Bench) -> None:
    bench.truth("s1", "ok", method="consensus", by="consensus")
    bench.truth("s2", "short", method="adjudication", by=bench.judges["chi"])
    for who in ("an", "binh", "chi"):
        bench.answer(who, "s1", "ok")
        bench.answer(who, "s2", "short")
    api = bench.sign_in("admin").judges
    outside, settled = (api.agreement("boards", START, END, standard=name) for name in ("independent", "settled"))
    assert outside.n_with_standard == 0
    assert outside.team is not None
    assert outside.team.verdict is None
    assert {row.name: row.effectiveness.n for row in settled.judges} == {"an": 1, "binh": 1, "chi": 0}


def test_what_the_machines_answer_did_is_counted_where_the_truth_is_known(bench: Bench) -> None:
    story = (("m1", "ok", "short", "short", "ok"), ("m2", "ok", "short", "ok", "ok"), ("h1", "short", "ok", "ok", "ok"))
    for subject, first, machine, final, true in (*story, ("n1", "ok", "ok", "ok", None)):
        task = bench.shown(subject, machine)
        bench.answer("an", subject, first, task_id=task)
        bench.answer("an", subject, final, task_id=task, seen="revealed", is_evidence=False)
        if true is not None:
            bench.truth(subject, true)
    found = bench.sign_in("inspector", "an").judges.inspector("boards", START, END)
    one = found.assistance
    assert one.n == 3
    assert (one.bias.n_hits, one.bias.n) == (1, 2)
    assert (one.benefit.n_hits, one.benefit.n) == (1, 1)
    assert (one.first.n_hits, one.final.n_hits) == (2, 2)
    assert (found.assisted.n_hits, found.assisted.n) == (2, 3)
    assert (found.figures.effectiveness.n_hits, found.figures.effectiveness.n) == (2, 3)  # first answers only
    assert found.labels == LABELS
    assert found.matrix == [[2, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_other_peoples_figures_are_theirs(bench: Bench, said: dict[tuple[str, str], tuple[str, int]]) -> None:
    anonymous = bench.sign_in("data_scientist").judges.agreement("boards", START, END)
    assert anonymous.visibility == "anonymous"
    assert [(row.name, row.judge, row.is_me) for row in anonymous.judges] == [(x, None, False) for x in "ABCD"]
    told = anonymous.model_dump_json()
    assert not any(f'"{name}"' in told for name in (*RIGHT, *bench.judges.values()))

    own = bench.sign_in("inspector", "binh").judges.agreement("boards", START, END)
    assert [(row.name, row.judge, row.is_me) for row in own.judges] == [("binh", bench.judges["binh"], True)]
    assert own.team is not None

    outside = bench.sign_in("viewer").judges.agreement("boards", START, END)
    assert outside.visibility == "team"
    assert outside.judges == []


def test_an_inspectors_page_is_for_them_and_for_administrators(
    bench: Bench, said: dict[tuple[str, str], tuple[str, int]]
) -> None:
    mine = bench.sign_in("inspector", "an").judges.inspector("boards", START, END)
    theirs = bench.sign_in("admin").judges.inspector("boards", START, END, judge=bench.judges["an"])
    assert mine.figures.name == theirs.figures.name == "an"
    assert (mine.figures.is_me, theirs.figures.is_me) == (True, False)
    assert mine.matrix == theirs.matrix
    assert mine.counted == theirs.counted
    truth = standard(bench)
    pairs = Counter((truth[one], label) for (who, one), (label, _) in said.items() if who == "an" and one in truth)
    assert mine.matrix == [[pairs[a, b] for b in LABELS] for a in LABELS]
    for role, name in (("inspector", "an"), ("data_scientist", "lan"), ("viewer", "view")):
        for whose in ("binh", "outside"):
            with pytest.raises(ApiError) as refused:
                bench.sign_in(role, name).judges.inspector("boards", START, END, judge=bench.judges[whose])
            assert (refused.value.status, refused.value.code) == (403, "others_page")


def test_a_team_of_two_is_shown_only_to_those_who_may_see_each(bench: Bench) -> None:
    bench.truth("s1", "ok")
    for who in ("an", "binh"):
        bench.answer(who, "s1", "ok")
    hidden = bench.sign_in("viewer").judges.agreement("boards", START, END)
    assert (hidden.team, hidden.team_reason) == (None, "few_judges")
    assert hidden.between[0].agreement.n == 1
    assert bench.sign_in("data_scientist").judges.agreement("boards", START, END).team is not None


def test_ties_are_listed_and_no_way_is_preferred(bench: Bench) -> None:
    votes = {"s1": "ok ok short", "s2": "ok short", "s3": "open open open", "s4": "short open", "s5": "ok"}
    for subject, labels in votes.items():
        for who, label in zip(("an", "binh", "chi"), labels.split(), strict=False):
            bench.answer(who, subject, label)
    for subject, label in (("s1", "ok"), ("s2", "short"), ("s3", "ok"), ("s4", "open")):
        bench.truth(subject, label)
    api: Client = bench.sign_in("data_scientist")
    found = api.judges.consensus("boards", START, END, show="ties")
    assert (found.n_subjects, found.n_ties) == (4, 2)
    assert [(item.subject_id, item.majority, item.truth) for item in found.items] == [
        ("s2", ["ok", "short"], "short"),
        ("s4", ["open", "short"], "open"),
    ]
    ways = {way.method: way for way in found.methods}
    assert (ways["majority"].accuracy.n_hits, ways["majority"].accuracy.n, ways["majority"].n_undecided) == (1, 2, 2)
    first = ways["majority_first_label"].accuracy
    assert (first.n_hits, first.n) == (2, 4)  # s1, and s4 by the order of the model's labels
    assert ways["dawid_skene"].accuracy.n == 4
    pages, after = [], None
    while True:
        page = api.judges.consensus("boards", START, END, show="all", after=after, limit=1)
        pages += [item.subject_id for item in page.items]
        if (after := page.next_cursor) is None:
            break
    assert pages == ["s1", "s2", "s3", "s4"]
    different = api.judges.consensus("boards", START, END, show="different")
    assert {item.subject_id for item in different.items} >= {"s2", "s4"}
    assert different.n_different == len(different.items)


def test_the_calibration_set_shows_what_the_reader_may_see(bench: Bench) -> None:
    for subject, labels, true in (
        ("s1", "open short short", "short"),
        ("s2", "open short", "open"),
        ("s3", "open short", None),
        ("s4", "ok open", "ok"),
        ("s5", "ok ok", None),
    ):
        for who, label in zip(("an", "binh", "chi"), labels.split(), strict=False):
            bench.answer(who, subject, label)
        if true:
            bench.truth(subject, true, method="adjudication", by="user:x")
    bench.picture("s1", "a" * 64)
    found = bench.sign_in("data_scientist").judges.calibration("boards", START, END)
    assert [(pair.a, pair.b, pair.n_both, pair.n_either) for pair in found.pairs] == [
        ("open", "short", 3, 4),
        ("ok", "open", 1, 5),
    ]
    assert [pair.are_kinds_apart for pair in found.pairs] == [False, True]
    first = found.pairs[0]
    assert [one.subject_id for one in first.examples_a] == ["s2"]
    assert [(one.subject_id, one.artifact) for one in first.examples_b] == [("s1", "a" * 64)]
    assert [one.subject_id for one in first.examples_open] == ["s3"]
    assert [(vote.label, vote.n) for vote in first.examples_b[0].votes] == [("short", 2), ("open", 1)]
    inspector = bench.sign_in("inspector", "an").judges.calibration("boards", START, END)
    assert "s3" not in inspector.model_dump_json()
    assert [one.subject_id for one in inspector.pairs[0].examples_a] == ["s2"]
    viewer = bench.sign_in("viewer").judges.calibration("boards", START, END)
    assert viewer.are_examples_shown is False
    assert viewer.pairs[0].n_both == 3
    assert '"s1"' not in viewer.model_dump_json()
    few = bench.sign_in("data_scientist").judges.calibration("boards", START, END, n_pairs=1, n_examples=1)
    assert (len(few.pairs), few.n_pairs) == (1, 2)


def test_consensus_is_not_for_inspectors_or_viewers(bench: Bench) -> None:
    for role in ("viewer", "inspector"):
        with pytest.raises(ApiError) as refused:
            bench.sign_in(role, "an" if role == "inspector" else "").judges.consensus("boards", START, END)
        assert refused.value.status == 403


def test_a_question_without_answers_is_answered(bench: Bench) -> None:
    api = bench.sign_in("admin").judges
    found = api.agreement("boards", START, END)
    assert (found.team, found.team_reason, found.judges, found.between) == (None, "no_answers", [], [])
    assert api.consensus("boards", START, END).fit.reason == "no_answers"
    assert api.calibration("boards", START, END).pairs == []
    assert api.inspector("boards", START, END).figures.verdict is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"model": "absent", "start": START, "end": END}, 404),
        ({"model": "boards", "start": END, "end": START}, 422),
        ({"model": "boards", "start": START, "end": START.replace(year=2028)}, 422),
        ({"model": "boards", "start": START, "end": END, "standard": "mine"}, 422),
        ({"model": "boards", "start": "yesterday", "end": END}, 422),
    ],
)
@pytest.mark.parametrize("path", ["agreement", "inspector", "consensus", "calibration"])
def test_questions_that_make_no_sense_are_refused(
    bench: Bench, path: str, query: dict[str, object], status: int
) -> None:
    http = bench.sign_in("admin").transport
    with pytest.raises(ApiError) as refused:
        http.request("GET", f"/v1/judges/{path}", params={name: str(value) for name, value in query.items()})
    assert refused.value.status == status


def test_the_limit_keeps_the_newest_and_says_how_many_it_left_out(bench: Bench) -> None:
    for i in range(7):
        bench.answer("an", f"s{i}", "ok")
    with bench.services.database.read() as session:
        found = repository.load_answers(session, bench.model.id, START, END, limit=3)
        whole = repository.load_answers(session, bench.model.id, START, END, limit=7)
        own = repository.load_answers(session, bench.model.id, START, END, judge=bench.judges["binh"])
    assert [row.subject_id for row in found.rows] == ["s4", "s5", "s6"]
    assert (found.n_left_out, whole.n_left_out, len(whole.rows)) == (4, 0, 7)
    assert (own.rows, own.n_left_out) == ([], 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_labels_in_force_are_found_by_subject_not_by_reading_them_all(bench: Bench) -> None:
    from sqlalchemy import select

    from db.models.review import Decision, GroundTruth
    from db.repositories.judges import _truth_of_decision

    query = select(Decision.id, GroundTruth.label).outerjoin(GroundTruth, _truth_of_decision())
    with bench.services.database.read() as session:
        sql = str(query.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        plan = " ".join(row[-1] for row in session.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    assert "uq_ground_truth_current" in plan
