"""Comparisons through the API on both databases, against counting the same rows by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from db.models.model import Model, ModelVersion
from db.models.review import Decision, GroundTruth
from review.rules.agreement import cohen_kappa, confusion_matrix, gwet_ac1, mcnemar_exact
from review.rules.intervals import wilson

START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + timedelta(days=3)
LABELS = ["ok", "open", "short"]
N = 240


@pytest.fixture
def story(app: TestClient) -> dict[str, Any]:
    """240 boards, answered by two versions and by people; every third has a known truth."""
    services = app.app.state.services  # type: ignore[attr-defined]
    rng = np.random.default_rng(11)
    truth = rng.choice(LABELS, N, p=[0.7, 0.2, 0.1])
    wrong = rng.choice(LABELS, (3, N))
    said = [np.where(rng.random(N) < share, truth, wrong[row]) for row, share in enumerate((0.85, 0.95, 0.9))]
    lines = rng.choice(["L1", "L2"], N)
    with services.database.write() as session:
        labels = [{"name": name, "is_defect": name != "ok"} for name in LABELS]
        model = Model(name="pcb", item_kind="image", labels=labels, segment_keys=["line"])
        session.add(model)
        session.flush()
        session.add_all([ModelVersion(model_id=model.id, name=name, kind="external") for name in ("v1", "v2")])
        for i in range(N):
            at = START + timedelta(minutes=10 * i)
            session.add(
                Decision(model_id=model.id, subject_id=f"s{i}", judge="person:an", label=said[2][i], decided_at=at)
            )
            if i % 3 == 0:
                session.add(
                    GroundTruth(model_id=model.id, subject_id=f"s{i}", label=truth[i], method="test", resolved_by="lab")
                )
    rows = [
        {
            "id": f"{version}-{i}",
            "version": version,
            "role": role,
            "subject_id": f"s{i}",
            "request_id": f"r{i}",
            "happened_at": (START + timedelta(minutes=10 * i)).isoformat(),
            "prediction": str(said[column][i]),
            "score": 0.5,
            "segments": {"line": str(lines[i])},
            "artifacts": [f"{i:064x}"],
        }
        for column, (version, role) in enumerate((("v1", "champion"), ("v2", "shadow")))
        for i in range(N)
    ]
    services.eventlog.log_rows(model, rows)
    return {"v1": said[0], "v2": said[1], "people": said[2], "truth": truth, "lines": lines, "model": model}


def expected_matrix(a: Any, b: Any) -> list[list[int]]:
    return confusion_matrix([str(x) for x in a], [str(x) for x in b], LABELS).astype(int).tolist()


@pytest.mark.parametrize("judge", ["people", "person:an"])
def test_version_against_people_gives_the_numbers_counted_by_hand(
    story: dict[str, Any], sign_in: Callable[..., Client], judge: str
) -> None:
    found = sign_in("admin").comparisons.compare("pcb", "version:v1", judge, START, END)
    matrix = expected_matrix(story["v1"], story["people"])
    agreed = int((story["v1"] == story["people"]).sum())
    assert found.labels == LABELS
    assert found.matrix == matrix
    assert found.n == N
    assert found.agreement.value == pytest.approx(agreed / N)
    assert (found.agreement.lower, found.agreement.upper) == pytest.approx(wilson(agreed, N))
    assert found.kappa.value == pytest.approx(cohen_kappa(matrix).value)
    assert found.ac1.value == pytest.approx(gwet_ac1(matrix).value)


def test_agreement_of_all_weighs_what_was_chosen_more_often_less(
    story: dict[str, Any], app: TestClient, sign_in: Callable[..., Client]
) -> None:
    """Every item on which they differ was sure to be looked at, one in ten of the others: the mean over them is low."""
    equal = story["v1"] == story["people"]
    pi = np.where(equal, 0.1, 1.0)
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        for decision in session.query(Decision):
            decision.pi = float(pi[int(decision.subject_id[1:])])
    found = sign_in("viewer").comparisons.compare("pcb", "version:v1", "people", START, END)
    weight = 1 / pi
    assert found.agreement.value == pytest.approx(equal.mean())
    assert found.agreement_of_all is not None
    assert found.agreement_of_all.value == pytest.approx(weight[equal].sum() / weight.sum())
    assert found.agreement_of_all.n == round(weight.sum() ** 2 / (weight**2).sum())
    assert sign_in("viewer").comparisons.compare("pcb", "version:v1", "version:v2", START, END).agreement_of_all is None


def test_who_was_right_follows_the_truth(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    right = sign_in("viewer").comparisons.compare("pcb", "version:v1", "people", START, END).right
    known = np.arange(N) % 3 == 0
    a, b = ((story[name] == story["truth"])[known] for name in ("v1", "people"))
    assert (right.n, right.both, right.only_a, right.only_b) == (80, (a & b).sum(), (a & ~b).sum(), (~a & b).sum())
    assert right.accuracy_a.value == pytest.approx(a.mean())
    assert right.mcnemar_p.value == mcnemar_exact(int((a & ~b).sum()), int((~a & b).sum())).value


@pytest.mark.parametrize("by", ["subject", "request"])
def test_old_against_new_version(story: dict[str, Any], sign_in: Callable[..., Client], by: Any) -> None:
    found = sign_in("viewer").comparisons.compare("pcb", "version:v1", "version:v2", START, END, by=by)
    assert found.matrix == expected_matrix(story["v1"], story["v2"])
    by_line = {(row.key, row.value): row.agreement for row in found.by_segment}
    for line in ("L1", "L2"):
        chosen = story["lines"] == line
        assert by_line["line", line].n == chosen.sum()
        assert by_line["line", line].value == pytest.approx((story["v1"] == story["v2"])[chosen].mean())


def test_segment_filter_and_course_over_time(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").comparisons.compare(
        "pcb", "version:v1", "people", START, END, segments={"line": "L1"}, grain_s=86_400
    )
    chosen = story["lines"] == "L1"
    days = np.arange(N) * 10 // 1440
    assert found.n == chosen.sum()
    assert [point.agreement.n for point in found.over_time] == [(chosen & (days == day)).sum() for day in range(3)]
    assert found.over_time[2].agreement.value is None


def test_version_against_truth_is_an_inspector(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").comparisons.compare("pcb", "version:v2", "truth", START, END)
    known = np.arange(N) % 3 == 0
    is_bad, says_bad = story["truth"][known] != "ok", story["v2"][known] != "ok"
    assert found.inspection_a is not None
    assert found.inspection_b is None
    assert found.inspection_a.miss.value == pytest.approx((is_bad & ~says_bad).sum() / is_bad.sum())
    assert found.inspection_a.overkill.value == pytest.approx((~is_bad & says_bad).sum() / (~is_bad).sum())


def test_disagreements_page_through_exactly_the_differing_items(
    story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    client = sign_in("data_scientist")
    items, cursor = [], None
    while True:
        page = client.comparisons.disagreements("pcb", "version:v1", "people", START, END, limit=7, cursor=cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    differs = story["v1"] != story["people"]
    assert sorted(item.subject_id for item in items) == sorted(f"s{i}" for i in np.flatnonzero(differs))
    first = items[0]
    place = int(str(first.subject_id)[1:])
    assert (first.label_a, first.label_b) == (story["v1"][place], story["people"][place])
    assert first.event_id == f"v1-{place}"
    assert first.artifact == f"{place:064x}"
    assert first.segments == {"line": story["lines"][place]}
    assert first.truth == (story["truth"][place] if place % 3 == 0 else None)


def test_a_decision_made_after_the_first_look_is_in_the_second(
    app: TestClient, story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    client = sign_in("viewer")
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END).n == N
    services = app.app.state.services  # type: ignore[attr-defined]
    late = {"id": "late", "version": "v1", "subject_id": "new", "prediction": "ok", "happened_at": START.isoformat()}
    services.eventlog.log_rows(story["model"], [late])
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END).n == N
    with services.database.write() as session:
        session.add(Decision(model_id=story["model"].id, subject_id="new", judge="person:an", label="ok"))
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END).n == N + 1


def test_an_event_logged_after_the_first_look_is_in_the_second(
    app: TestClient, story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    client = sign_in("viewer")
    first = client.comparisons.compare("pcb", "version:v1", "people", START, END)
    services = app.app.state.services  # type: ignore[attr-defined]
    changed = {"version": "v1", "subject_id": "s0", "happened_at": (START + timedelta(hours=1)).isoformat()}
    other = next(label for label in LABELS if label != story["v1"][0])
    services.eventlog.log_rows(story["model"], [changed | {"prediction": other}])
    second = client.comparisons.compare("pcb", "version:v1", "people", START, END)
    assert second.n == first.n
    assert second.matrix != first.matrix


def test_a_wider_window_after_a_narrow_one_finds_what_lies_around_it(
    story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    client = sign_in("viewer")
    hours = [(20, 22), (10, 22), (10, 30), (0, 72), (15, 16)]
    for first, last in hours:
        start, end = START + timedelta(hours=first), START + timedelta(hours=last)
        places = np.arange(N)
        inside = (places * 10 >= first * 60) & (places * 10 < last * 60)
        assert client.comparisons.compare("pcb", "version:v1", "people", start, end).n == inside.sum()


def test_noise_floor_appears_when_two_people_judged_the_same(
    app: TestClient, story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    client = sign_in("viewer")
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END).noise_floor is None
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        for i in range(10):
            label = story["people"][i] if i else "something else"
            session.add(Decision(model_id=story["model"].id, subject_id=f"s{i}", judge="person:binh", label=label))
    floor = client.comparisons.compare("pcb", "version:v1", "people", START, END).noise_floor
    assert floor is not None
    assert (floor.n_subjects, floor.agreement.value) == (10, 0.9)


def test_answers_given_after_seeing_the_model_are_left_out_unless_asked_for(
    app: TestClient, story: dict[str, Any], sign_in: Callable[..., Client]
) -> None:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        for row in session.query(Decision).filter(Decision.subject_id.in_(["s0", "s1"])):
            row.seen = "assisted"
    client = sign_in("viewer")
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END).n == N - 2
    assert client.comparisons.compare("pcb", "version:v1", "people", START, END, seen="any").n == N


def test_a_comparison_without_pairs_is_null_with_reasons(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    later = START + timedelta(days=300)
    for b in ("people", "version:v2", "truth", "person:nobody"):
        found = sign_in("admin").comparisons.compare("pcb", "version:v1", b, later, later + timedelta(days=1))
        assert found.n == 0
        assert found.agreement.value is None
        assert found.kappa.reason == "no pairs"


def test_senseless_questions_are_refused(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    senseless: list[tuple[str, str, dict[str, Any]]] = [
        ("version:v1", "version:v1", {}),
        ("robot", "people", {}),
        ("version:v1", "people", {"by": "request"}),
        ("version:v1", "people", {"segments": {"colour": "red"}}),
        ("person:an", "people", {"segments": {"line": "L1"}}),
    ]
    client = sign_in("admin")
    for a, b, options in senseless:
        with pytest.raises(ApiError) as refused:
            client.comparisons.compare("pcb", a, b, START, END, **options)
        assert refused.value.status == 422, (a, b, options)


def test_items_need_more_than_aggregates(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    for role in ("viewer", "inspector"):
        with pytest.raises(ApiError) as refused:
            sign_in(role).comparisons.disagreements("pcb", "version:v1", "people", START, END)
        assert refused.value.status == 403


def test_a_foreign_cursor_is_refused(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    with pytest.raises(ApiError) as refused:
        sign_in("data_scientist").comparisons.disagreements("pcb", "version:v1", "people", START, END, cursor="x")
    assert refused.value.status == 422


def test_judges_lists_versions_people_and_truth(story: dict[str, Any], sign_in: Callable[..., Client]) -> None:
    judges = sign_in("admin").comparisons.judges("pcb")
    assert {judge.judge for judge in judges} == {"version:v1", "version:v2", "people", "person:an", "truth"}
    assert next(judge.n_decisions for judge in judges if judge.judge == "person:an") == N
