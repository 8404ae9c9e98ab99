"""Declared policies through the API, in triage, and in the preview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backend.client import ApiError, Client
from backend.services import Services
from db.base import utc_now
from db.models.alert import AlertIncident
from db.models.review_policy import ReviewPolicyVersion, ReviewRate
from review.rules.sampling import unit
from tests.review_policies.conftest import back, log, look, model_row

SignIn = Callable[..., Client]


def tasks_of(manager: Client, **filters: Any) -> dict[str, Any]:
    return {task.subject_id: task for task in manager.review_tasks.list("boards", limit=1000, **filters)}


def code_of(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.status, caught.value.code


def test_every_version_of_a_policy_is_kept_with_who_when_and_why(manager: Client, sign_in: SignIn) -> None:
    [standing] = manager.review_policies.list("boards")
    assert (standing.number, standing.policy["epsilon"], standing.is_current) == (0, 0.02, True)
    begun = utc_now()
    manager.review_policies.declare("boards", reason="start", based_on=0, epsilon=0.1)
    sign_in("admin").review_policies.declare("boards", reason="more doubts", epsilon=0.1, low_score=0.8)
    second, first = manager.review_policies.list("boards")
    assert [(one.number, one.reason, one.is_current) for one in (first, second)] == [
        (1, "start", False),
        (2, "more doubts", True),
    ]
    assert first.policy_id != second.policy_id
    assert first.created_by != second.created_by
    assert first.created_at is not None
    assert second.created_at is not None
    assert begun <= first.created_at <= second.created_at <= utc_now()
    lines = [line for line in sign_in("admin").audit.list() if line.action == "review_policy.declared"]
    assert [line.reason for line in lines] == ["more doubts", "start"]


def test_a_change_in_between_is_not_overwritten_and_the_same_policy_is_no_change(manager: Client) -> None:
    manager.review_policies.declare("boards", reason="start", based_on=0, epsilon=0.1)
    late = lambda: manager.review_policies.declare("boards", reason="late", based_on=0, epsilon=0.2)  # noqa: E731
    assert code_of(late) == (409, "policy_changed")
    same = lambda: manager.review_policies.declare("boards", reason="again", based_on=1, epsilon=0.1)  # noqa: E731
    assert code_of(same) == (409, "policy_same")


@pytest.mark.parametrize(
    "policy",
    [
        {"epsilon": 0},
        {"rates": {"rest": 0.5}},
        {"rates": {"alert": 0.5}, "budgets": {"alert": 10}},
        {"gold_share": 0.5, "injected_share": 0.1},
        {"resolution_channels": ["absent"]},
        {"typo": 1},
    ],
)
def test_nonsense_is_refused_and_leaves_no_version(manager: Client, policy: dict[str, Any]) -> None:
    body = {"model": "boards", "policy": policy, "reason": "try"}
    status, _ = code_of(lambda: manager.transport.request("POST", "/v1/review-policies", json=body))
    assert status == 422
    assert [one.number for one in manager.review_policies.list("boards")] == [0]


def test_a_policy_in_a_models_settings_is_a_version_too_and_a_wrong_one_is_refused(manager: Client) -> None:
    manager.models.change("boards", settings={"review_policy": {"epsilon": 0.5}})
    manager.models.change("boards", settings={"review_policy": {"epsilon": 0.5}, "note": "unrelated"})
    assert [(one.number, one.policy["epsilon"]) for one in manager.review_policies.list("boards")] == [(1, 0.5)]
    wrong = lambda: manager.models.change("boards", settings={"review_policy": {"epsilon": 5}})  # noqa: E731
    assert code_of(wrong) == (422, "bad_policy")


def test_inspectors_and_viewers_neither_see_nor_make_policies(manager: Client, sign_in: SignIn) -> None:
    for role in ("viewer", "inspector"):
        client = sign_in(role)
        assert code_of(lambda client=client: client.review_policies.list("boards"))[0] == 403
        assert code_of(lambda client=client: client.review_policies.preview("boards"))[0] == 403


def test_an_answer_is_drawn_by_the_policy_in_force_when_it_was_given(soi: Services, manager: Client) -> None:
    """Logged and looked at after the change; what happened before it keeps the policy of its time."""
    manager.review_policies.declare("boards", reason="doubts only", epsilon=1e-9)
    old = manager.review_policies.declare("boards", reason="all doubts below one", epsilon=1e-9, low_score=0.995)
    with soi.database.write() as session:
        first, second = session.query(ReviewPolicyVersion).order_by(ReviewPolicyVersion.number)
        first.created_at, second.created_at = back(days=3), back(hours=1)
    rows = [("before", back(hours=2)), ("after", back(minutes=30)), ("long before", back(days=5))]
    log(soi, [{"subject_id": name, "happened_at": at.isoformat()} for name, at in rows])
    look(soi)
    found = tasks_of(manager)
    assert set(found) == {"after"}
    assert found["after"].policy_id == old.policy_id


def test_a_changed_policy_asks_nobody_twice_and_raises_the_chance(soi: Services, manager: Client) -> None:
    manager.review_policies.declare("boards", reason="some", epsilon=0.5, seed=1)
    log(soi, [{"subject_id": f"s{k}"} for k in range(40)])
    look(soi)
    before = tasks_of(manager)
    assert {task.pi for task in before.values()} == {0.5}
    manager.review_policies.declare("boards", reason="more, same seed", epsilon=0.8, seed=1)
    log(soi, [{"subject_id": f"s{k}"} for k in range(40)])
    look(soi)
    after = tasks_of(manager)
    assert {name: task.id for name, task in after.items() if name in before} == {n: t.id for n, t in before.items()}
    assert set(after) == {f"s{k}" for k in range(40) if unit(1, f"s{k}") < 0.8}
    assert {task.pi for task in after.values()} == {0.8}


def test_another_seed_adds_its_chance_also_where_it_picks_nothing(soi: Services, manager: Client) -> None:
    manager.review_policies.declare("boards", reason="one", epsilon=0.5, seed=1)
    log(soi, [{"subject_id": f"s{k}"} for k in range(60)])
    look(soi)
    manager.review_policies.declare("boards", reason="two", epsilon=0.4, seed=2)
    log(soi, [{"subject_id": f"s{k}"} for k in range(60)])
    look(soi)
    found = tasks_of(manager)
    assert set(found) == {f"s{k}" for k in range(60) if unit(1, f"s{k}") < 0.5 or unit(2, f"s{k}") < 0.4}
    assert [task.pi for task in found.values()] == pytest.approx([0.7] * len(found))  # 1 - 0.5 * 0.6


def test_while_an_alert_is_open_its_stratum_picks(soi: Services, manager: Client) -> None:
    manager.review_policies.declare("boards", reason="alerts", epsilon=1e-9, rates={"alert": 1.0})
    model = model_row(soi)
    with soi.database.write() as session:
        session.add(
            AlertIncident(
                rule_id="r",
                model_id=model.id,
                series="",
                number=1,
                state="alert",
                opened_at=back(hours=3),
                closed_at=back(hours=1),
                window_start=back(hours=4),
                window_end=back(hours=3),
            )
        )
    times = {"before": 4, "during": 2, "later": 0.5}
    log(soi, [{"subject_id": name, "happened_at": back(hours=ago).isoformat()} for name, ago in times.items()])
    look(soi)
    assert {name: task.reason for name, task in tasks_of(manager).items()} == {"during": "alert"}


def test_a_budget_stores_its_rate_before_the_items_and_each_item_the_rate_it_was_drawn_with(
    soi: Services, manager: Client
) -> None:
    manager.review_policies.declare("boards", reason="budget", epsilon=1e-6, budgets={"low_confidence": 24})
    hour = utc_now().replace(minute=0, second=0, microsecond=0)
    at = hour - timedelta(hours=30)
    for number in range(26):  # 10 an hour for a day and two hours
        moment = (at + timedelta(hours=number, minutes=5)).isoformat()
        rows = [{"subject_id": f"s{number}-{k}", "score": 0.1, "happened_at": moment} for k in range(10)]
        log(soi, rows)
    look(soi)
    look(soi)  # a second look counts nothing again
    with soi.database.read() as session:
        stored = {row.hour_at: (row.rate, row.n_seen) for row in session.query(ReviewRate)}
    assert [n for _, n in stored.values()] == [10] * 26
    assert stored[at][0] == 0.0  # nothing was known in the first hour
    for name, task in tasks_of(manager).items():
        number = int(name[1:].split("-")[0])
        rate = max(1e-6, stored[at + timedelta(hours=number)][0])
        assert task.pi == rate
        assert unit(task.seed, name) < rate


def test_the_preview_says_exactly_what_triage_then_does(soi: Services, manager: Client) -> None:
    rows: list[dict[str, Any]] = []
    for k in range(300):
        at = back(hours=1 + k * 0.3).isoformat()
        score = 0.3 if k % 7 == 0 else 0.95
        rows.append({"subject_id": f"s{k}", "score": score, "happened_at": at})
        if k % 5 == 0:
            more = {"role": "shadow", "version": "v2", "champion_prediction": "ok"}
            rows.append({"subject_id": f"s{k}", "prediction": "short" if k % 10 else "ok", "happened_at": at, **more})
    rows.append({"request_id": "nameless", "prediction": None, "happened_at": back(hours=2).isoformat()})
    rows.append(
        {"subject_id": "failed", "status": "error", "prediction": None, "happened_at": back(hours=2).isoformat()}
    )
    log(soi, rows)
    policy = {"epsilon": 0.2, "seed": 5, "rates": {"low_confidence": 0.6, "disagreement": 0.5}}
    wish = {**policy, "n_wanted": 2, "second_opinion_share": 0.25}
    seen = manager.review_policies.preview("boards", **wish)
    assert manager.review_tasks.list("boards") == []
    assert (seen.n_events, seen.n_subjects, seen.sample_every) == (361, 301, 1)
    manager.review_policies.declare("boards", reason="go", **wish)
    look(soi)
    found = tasks_of(manager)
    counted = Counter(task.reason for task in found.values())
    assert {name: round(n * 7) for name, n in seen.proposed.by_reason.items()} == counted
    assert round(seen.proposed.items_per_day * 7) == len(found)
    assert round(seen.proposed.answers_per_day * 7) == sum(task.n_wanted for task in found.values())
    assert seen.proposed.least_pi == 0.2
    by_day = Counter(task.happened_at.date() for task in found.values())
    assert {one.day: one.n for one in seen.proposed.by_day} == by_day


def test_a_large_week_is_previewed_on_a_stated_sample_of_whole_subjects(
    soi: Services, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.review_policies.preview.MAX_EVENTS", 500)
    for part in range(4):
        log(soi, [{"subject_id": f"s{part}-{k}", "happened_at": back(hours=5).isoformat()} for k in range(1000)])
    found = manager.review_policies.preview("boards", epsilon=0.5)
    assert (found.n_events, found.sample_every) == (4000, 8)
    assert found.n_subjects == pytest.approx(4000, rel=0.25)
    assert found.proposed.items_per_day * 7 == pytest.approx(2000, rel=0.25)


def test_a_model_without_traffic_has_an_empty_preview(manager: Client) -> None:
    found = manager.review_policies.preview("boards")
    assert (found.n_events, found.proposed.items_per_day, found.proposed.least_pi) == (0, 0.0, None)
    assert (found.people.answers_per_day, found.people.median_s) == (0.0, None)
