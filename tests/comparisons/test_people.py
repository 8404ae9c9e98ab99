"""Who may single out whom in comparisons: each role, by name, by number and by guessing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.auth.tokens import hash_token, new_key
from backend.client import ApiError, Client
from backend.comparisons.schemas import Comparison, JudgeOut
from db.models.person import ApiKey, User
from db.models.review import Decision
from tests.comparisons.test_comparisons_api import END, START, N, story

__all__ = ["story"]
SignIn = Callable[..., Client]
TOGETHER = {"version:v1", "version:v2", "people", "truth", "predictor:xray"}


@pytest.fixture
def people(app: TestClient, story: dict[str, Any], sign_in: SignIn) -> dict[str, str]:
    """Name -> judge. Binh answered s0 to s9 after the outside person of the story did, then Chi, then a predictor."""
    found = {"outside": "person:an"}
    for name in ("binh", "chi"):
        sign_in("inspector", name)
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        for name in ("binh", "chi"):
            found[name] = "user:" + session.query(User).filter_by(name=name).one().id
        for judge in (found["binh"], found["chi"], "predictor:xray"):
            for i in range(10):
                label = story["people"][i] if judge == found["binh"] else "ok"
                session.add(Decision(model_id=story["model"].id, subject_id=f"s{i}", judge=judge, label=label))
            session.flush()
    return found


def singles(api: Client) -> list[tuple[str, str, str]]:
    return [(one.judge, one.kind, one.title) for one in api.comparisons.judges("pcb") if one.judge not in TOGETHER]


def against(api: Client, judge: str) -> Comparison:
    return api.comparisons.compare("pcb", "version:v1", judge, START, END)


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        call()
    return refused.value.status, refused.value.code


def test_administrators_see_everybody_by_name(people: dict[str, str], sign_in: SignIn) -> None:
    api = sign_in("admin")
    assert set(singles(api)) == {
        (people["outside"], "person", "an"),
        (people["binh"], "user", "binh"),
        (people["chi"], "user", "chi"),
    }
    assert against(api, people["outside"]).n == N
    assert against(api, "inspector:1").n == N  # a link that a data scientist sent


def test_data_scientists_see_numbers_that_stay_and_no_name(
    app: TestClient, story: dict[str, Any], people: dict[str, str], sign_in: SignIn
) -> None:
    api = sign_in("data_scientist")
    numbered = [(f"inspector:{n}", "inspector", str(n)) for n in (1, 2, 3)]
    assert singles(api) == numbered
    assert [against(api, judge).n for judge, _, _ in numbered] == [N, 10, 10]
    found = against(api, "inspector:3")
    assert (found.a, found.b) == ("version:v1", "inspector:3")
    assert people["chi"] not in found.model_dump_json()
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        for i in range(60, 100):  # now Chi has more answers than Binh, and somebody new came
            for judge in (people["chi"], "person:new"):
                session.add(Decision(model_id=story["model"].id, subject_id=f"s{i}", judge=judge, label="ok"))
            session.flush()
    assert [title for _, _, title in singles(api)] == ["1", "2", "3", "4"]
    assert [against(api, f"inspector:{n}").n for n in (2, 3)] == [10, 50]
    page = api.comparisons.disagreements("pcb", "version:v1", "inspector:3", START, END, limit=1000)
    assert page.items
    assert not any(judge in page.model_dump_json() for judge in people.values())


@pytest.mark.parametrize(("role", "name"), [("inspector", "binh"), ("inspector", "new"), ("viewer", "view")])
def test_inspectors_and_viewers_see_themselves_and_people_together(
    people: dict[str, str], sign_in: SignIn, role: str, name: str
) -> None:
    api = sign_in(role, name)
    own = [(people[name], "user", name)] if name in people else []
    assert singles(api) == own
    assert [against(api, judge).n for judge, _, _ in own] == [10] * len(own)
    assert against(api, "people").n == N
    together = next(one for one in api.comparisons.judges("pcb") if one.judge == "people")
    assert together.n_decisions == N + 20


@pytest.mark.parametrize("role", ["viewer", "inspector", "data_scientist"])
def test_a_guessed_name_is_refused_on_either_side(people: dict[str, str], sign_in: SignIn, role: str) -> None:
    api = sign_in(role, "lan")
    for judge in (*people.values(), "person:nobody"):
        assert refusal(lambda judge=judge: against(api, judge)) == (403, "others_page")  # type: ignore[misc]
        swapped = lambda judge=judge: api.comparisons.compare("pcb", judge, "people", START, END)  # noqa: E731
        assert refusal(swapped) == (403, "others_page")
    if role == "data_scientist":
        assert refusal(lambda: against(api, "inspector:9")) == (404, "no_such_judge")
        items = lambda: api.comparisons.disagreements("pcb", "version:v1", people["binh"], START, END)  # noqa: E731
        assert refusal(items) == (403, "others_page")
    else:
        assert refusal(lambda: against(api, "inspector:1")) == (403, "others_page")


@pytest.mark.parametrize(
    ("scopes", "shown"), [(["aggregates:read"], []), (["aggregates:read", "labels:read"], ["1", "2", "3"])]
)
def test_a_key_sees_what_its_scopes_say_and_never_a_name(
    app: TestClient, people: dict[str, str], scopes: list[str], shown: list[str]
) -> None:
    key = new_key()
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        name = secrets.token_hex(4)
        session.add(ApiKey(name=name, key_hash=hash_token(key), prefix=key[:10], scopes=scopes))
    answer = app.get("/v1/comparisons/judges?model=pcb", headers={"Authorization": f"Bearer {key}"})
    judges = [JudgeOut.model_validate(one) for one in answer.json()]
    assert [one.title for one in judges if one.judge not in TOGETHER] == shown
