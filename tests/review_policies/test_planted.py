"""Gold, hidden repeats and injected defects: planted at their shares, told apart by nobody, counted nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from backend.client import ApiError, Client
from backend.datasets.snapshot import LabelFilter
from backend.services import Services
from db.base import utc_now
from db.models.model import Artifact
from db.models.review import Decision, ReviewTask
from db.repositories import activity, comparisons, labelled_data, planted_items, truth_history
from review.rules.sampling import ReviewPolicy, planted_kind
from tests.review_policies.conftest import back, log, look, model_row

SignIn = Callable[..., Client]
PICTURE, GOLDEN = "a" * 64, "b" * 64


@pytest.fixture
def pool(soi: Services, manager: Client) -> list[str]:
    """Sixty gold items and sixty injected defects that look like any board."""
    with soi.database.write() as session:
        for sha in (PICTURE, GOLDEN):
            session.add(Artifact(sha256=sha, kind="image", media_type="image/png", n_bytes=9, width=4, height=4))
    items: list[dict[str, Any]] = []
    for k in range(60):
        same = {"artifact": PICTURE, "golden": GOLDEN}
        items.append({"subject_id": f"board-9{k:03d}", "kind": "gold", "label": "ok", **same})
        items.append({"subject_id": f"board-8{k:03d}", "kind": "injected", "label": "short", **same})
    assert manager.planted_items.store("boards", items).n_stored == 120
    return [one["subject_id"] for one in items]


def fill(soi: Services, manager: Client, n: int = 200, **policy: Any) -> None:
    """Work of which everything goes to people, with what the policy plants."""
    manager.review_policies.declare("boards", reason="plant", epsilon=1.0, **policy)
    log(soi, [{"subject_id": f"board-{k:04d}", "artifacts": [PICTURE, GOLDEN]} for k in range(n)])
    look(soi)


def planted(soi: Services) -> dict[str, ReviewTask]:
    with soi.database.read() as session:
        rows = session.query(ReviewTask).filter(ReviewTask.reason.in_(("gold", "injected", "repeat")))
        return {row.id: row for row in rows}


def work_off(client: Client, label: Callable[[str], str] = lambda subject: "ok") -> list[str]:
    """Answer everything there is; the subjects in their order."""
    seen: list[str] = []
    while tasks := client.review_tasks.claim("boards", 10):
        for task in tasks:
            client.review_tasks.decide(task, label(task.subject_id), duration_ms=900)
            seen.append(task.subject_id)
    return seen


def test_planted_items_come_with_the_work_at_their_declared_shares(
    soi: Services, manager: Client, pool: list[str]
) -> None:
    fill(soi, manager, gold_share=0.1, injected_share=0.15)
    policy = ReviewPolicy.from_fields({"epsilon": 1.0, "gold_share": 0.1, "injected_share": 0.15})
    expected = Counter(kind for k in range(200) if (kind := planted_kind(policy, f"board-{k:04d}")))
    found = Counter(task.reason for task in planted(soi).values())
    assert found == expected
    assert found["gold"] == pytest.approx(20, abs=15)
    look(soi)
    assert Counter(task.reason for task in planted(soi).values()) == expected
    assert len({task.subject_id for task in planted(soi).values()}) == found.total()


def test_nothing_that_reaches_an_inspector_tells_a_planted_item_apart(
    soi: Services, manager: Client, sign_in: SignIn, pool: list[str]
) -> None:
    fill(soi, manager, n=60, gold_share=0.2, injected_share=0.2)
    hidden = planted(soi)
    assert hidden
    inspector = sign_in("inspector")
    shapes: dict[bool, list[Any]] = {True: [], False: []}
    told = {"gold", "injected", "repeat", "planted", "stratum", "policy", "pi", "seed", "assigned"}
    while tasks := inspector.transport.request(
        "POST", "/v1/review-tasks/claim", json={"model": "boards", "n": 3}
    ).json():
        for task in tasks:
            body = {"lease_token": task["lease_token"], "label": "ok"}
            answer = inspector.transport.request("POST", f"/v1/review-tasks/{task['id']}/decide", json=body).json()
            differs = ("id", "lease_token", "lease_until", "subject_id", "decision_id")
            same = [{name: value for name, value in one.items() if name not in differs} for one in (task, answer)]
            assert not told & {name for one in (task, answer) for name in one}
            shapes[task["id"] in hidden].append(same)
    assert shapes[True]
    assert shapes[False]
    assert all(one == shapes[False][0] for kind in shapes.values() for one in kind)
    assert inspector.review_tasks.progress("boards").done_today == 60 + len(hidden)


def test_planted_answers_reach_no_export_dataset_metric_evidence_or_comparison(
    soi: Services, manager: Client, sign_in: SignIn, pool: list[str], tmp_path: Path
) -> None:
    """Two people answer everything, planted items wrongly: none of it is found anywhere but among the checks."""
    known = set(pool)
    log(soi, [{"subject_id": one, "prediction": "open", "artifacts": [PICTURE, GOLDEN]} for one in pool[:40]])
    manager.review_policies.declare("boards", reason="quiet", epsilon=1e-9)
    look(soi)
    fill(soi, manager, n=50, gold_share=0.25, injected_share=0.25, n_wanted=2)
    hidden = {task.subject_id for task in planted(soi).values()}
    assert hidden <= known
    for name in ("an", "binh"):
        work_off(sign_in("inspector", name), lambda subject: "open" if subject in known else "ok")
    model = model_row(soi)
    answers = manager.decisions.list("boards", limit=1000)
    assert {one.subject_id for one in answers}.isdisjoint(known)
    apart = [one for one in manager.decisions.list("boards", limit=1000, planted=True) if one.is_planted]
    assert {one.subject_id for one in apart} == hidden
    assert not any(one.is_evidence for one in apart)
    assert {one.subject_id for one in manager.ground_truth.list("boards", limit=1000)}.isdisjoint(known)
    assert manager.review_tasks.list("boards", mode="adjudicate") == []
    manager.labelled_data.export("boards", tmp_path / "labels.jsonl")
    exported = (tmp_path / "labels.jsonl").read_text()
    assert len(exported.splitlines()) == 50
    assert not any(one in exported for one in known)
    with soi.database.read() as session:
        assert comparisons.load_decisions(session, model.id)["subject_id"].to_pylist()
        for table in (
            comparisons.load_decisions(session, model.id, seen="any"),
            comparisons.load_truths(session, model.id),
            truth_history.truths_as_known(session, model.id, None, "logged"),
            truth_history.reviews_as_known(session, model.id, None),
        ):
            assert table.num_rows >= 50
            assert known.isdisjoint(table["subject_id"].to_pylist())
        assert known.isdisjoint(comparisons.load_chances(session, model.id))
        assert sum(n for _, _, n in comparisons.list_judges(session, model.id)) == 100
        in_dataset = {row.subject_id for row in labelled_data.iter_by_subject(session, model.id, LabelFilter())}
        assert in_dataset.isdisjoint(known)
        done = activity.people_of(session, model.id, back(days=1), utc_now() + timedelta(minutes=1))
        assert (done.n_decisions, done.n_subjects) == (100, 50)
        queue = activity.queue_of(session, model.id, back(days=1), utc_now() + timedelta(minutes=1), disputes=False)
        assert queue.n_opened == 50
    checks = manager.planted_items.checks("boards")
    assert sum(one.n_checks for one in checks) == len(apart)
    assert {one.n_agreed for one in checks} == {0}


def test_a_gold_item_with_a_resolved_label_leaves_metrics_and_exports_too(soi: Services, manager: Client) -> None:
    log(soi, [{"subject_id": "s1"}, {"subject_id": "s2"}])
    manager.review_policies.declare("boards", reason="quiet", epsilon=1e-9)
    look(soi)
    body = {"model": "boards", "truths": [{"subject_id": name, "label": "ok"} for name in ("s1", "s2")]}
    manager.transport.request("POST", "/v1/ground-truth", json=body)
    with soi.database.write() as session:
        session.execute(update(ReviewTask).values(state="done"))
    from db.models.review import Subject

    with soi.database.write() as session:
        session.execute(update(Subject).values(artifact_sha256=PICTURE))
    assert manager.planted_items.store("boards", [{"subject_id": "s1"}]).n_stored == 1
    assert [one.label for one in manager.planted_items.list("boards")] == ["ok"]
    assert [one.subject_id for one in manager.labelled_data.list("boards").items] == ["s2"]
    with soi.database.read() as session:
        assert comparisons.load_truths(session, model_row(soi).id)["subject_id"].to_pylist() == ["s2"]


def test_a_hidden_repeat_goes_to_its_author_alone_and_measures_them(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    fill(soi, manager, n=20, repeat_share=0.0)
    first = work_off(an)
    with soi.database.write() as session:
        session.execute(update(Decision).values(decided_at=back(days=2)))
    manager.review_policies.declare("boards", reason="repeats", epsilon=1.0, repeat_share=0.5)
    log(soi, [{"subject_id": f"new-{k}", "artifacts": [PICTURE, GOLDEN]} for k in range(20)])
    look(soi)
    again = {task.subject_id for task in planted(soi).values()}
    assert again
    assert again <= set(first)
    assert again.isdisjoint(work_off(binh))
    assert again == set(work_off(an, lambda subject: "short" if subject == min(again) else "ok"))
    [checks] = manager.planted_items.checks("boards")
    assert (checks.name, checks.n_checks, checks.n_agreed) == ("an", len(again), len(again) - 1)


def test_the_same_known_item_is_shown_to_somebody_else_but_never_twice_to_one(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    with soi.database.write() as session:
        session.add(Artifact(sha256=PICTURE, kind="image", media_type="image/png", n_bytes=9, width=4, height=4))
    item = {"subject_id": "known", "kind": "gold", "label": "ok", "artifact": PICTURE}
    manager.planted_items.store("boards", [item])
    pictured = {"artifacts": [PICTURE]}
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    manager.review_policies.declare("boards", reason="gold", epsilon=1.0, gold_share=0.5)
    for part, person in enumerate((an, an, binh)):
        log(soi, [{"subject_id": f"p{part}-{k}", **pictured} for k in range(12)])
        look(soi)
        assert work_off(person).count("known") == (0 if part == 1 else 1)


def test_a_planted_item_that_nobody_took_is_withdrawn(soi: Services, manager: Client, pool: list[str]) -> None:
    fill(soi, manager, n=40, gold_share=0.5)
    n = len(planted(soi))
    with soi.database.write() as session:
        session.execute(update(ReviewTask).values(created_at=back(days=8)))
        assert planted_items.withdraw_stale(session, utc_now()) == n
    states = Counter(task.state for task in manager.review_tasks.list("boards", limit=1000))
    assert states == {"open": 40, "skipped": n}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"subject_id": "nobody", "label": "ok"}, "unknown_subject"),
        ({"subject_id": "nobody", "label": "ok", "artifact": "c" * 64}, "unknown_artifact"),
        ({"subject_id": "pic", "label": "scratch", "artifact": PICTURE}, "unknown_label"),
        ({"subject_id": "pic", "artifact": PICTURE}, "label_missing"),
        ({"subject_id": "pic", "kind": "injected", "label": "ok", "artifact": PICTURE}, "not_a_defect"),
    ],
)
def test_an_item_that_could_not_be_planted_is_refused_with_its_reason(
    soi: Services, manager: Client, item: dict[str, Any], code: str
) -> None:
    with soi.database.write() as session:
        session.add(Artifact(sha256=PICTURE, kind="image", media_type="image/png", n_bytes=9))
    stored = manager.planted_items.store("boards", [item, {"subject_id": "good", "label": "ok", "artifact": PICTURE}])
    assert (stored.n_stored, [(one.index, one.code) for one in stored.refused]) == (1, [(0, code)])


def test_an_item_that_lacks_what_the_work_shows_is_not_planted(soi: Services, manager: Client, pool: list[str]) -> None:
    manager.review_policies.declare("boards", reason="plant", epsilon=1.0, gold_share=0.5)
    log(soi, [{"subject_id": f"w{k}", "artifacts": [PICTURE]} for k in range(20)])  # no golden sample beside it
    log(soi, [{"subject_id": f"i{k}", "artifacts": [PICTURE, GOLDEN], "inputs": {"station": 4}} for k in range(20)])
    look(soi)
    assert planted(soi) == {}


def test_a_withdrawn_item_is_planted_no_more(soi: Services, manager: Client, pool: list[str]) -> None:
    for one in manager.planted_items.list("boards", limit=1000):
        assert manager.planted_items.withdraw(one.id).is_active is False
    fill(soi, manager, n=40, gold_share=0.5)
    assert planted(soi) == {}


def test_inspectors_never_see_which_items_are_planted(manager: Client, sign_in: SignIn) -> None:
    for call in (
        lambda: sign_in("inspector").planted_items.list("boards"),
        lambda: sign_in("inspector").planted_items.checks("boards"),
        lambda: sign_in("inspector").decisions.list("boards", planted=True),
    ):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.status == 403
