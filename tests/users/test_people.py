"""Managing people, keys and the audit trail: who stays, who is out at once, and what is written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from db.base import utc_now
from db.engine import Database
from db.models.person import ApiKey, AuditEntry
from db.repositories import audit

SignIn = Callable[..., Client]


def acting(app: TestClient, token: str) -> Client:
    return Client(http=TestClient(app.app, headers={"Authorization": f"Bearer {token}"}))


def refused(call: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


def test_made_person_signs_in_with_the_password_shown_once(app: TestClient, sign_in: SignIn) -> None:
    admin = sign_in("admin")
    made = admin.users.create("An@soi.test", "An", "inspector", language="vi")
    assert made.initial_password is not None
    assert Client(http=app).auth.login("an@soi.test", made.initial_password).user.language == "vi"
    listed = admin.transport.request("GET", "/v1/users").text
    assert made.initial_password not in listed
    assert "password" not in listed


def test_second_person_with_an_address_answers_409(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    admin.users.create("an@soi.test", "An", "viewer")
    error = refused(lambda: admin.users.create("AN@SOI.TEST", "An", "viewer"))
    assert (error.status, error.code) == (409, "email_taken")


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "no address"},
        {"role": "owner"},
        {"name": " "},
        {"is_active": True},
        {"name": "a\u0000b"},
    ],
)
def test_wrong_person_is_refused(sign_in: SignIn, wrong: dict[str, object]) -> None:
    admin = sign_in("admin")
    body = {"email": "an@soi.test", "name": "An", "role": "viewer"} | wrong
    assert refused(lambda: admin.transport.request("POST", "/v1/users", json=body)).status == 422
    assert len(admin.users.list()) == 1


def test_weak_password_is_refused(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    for password in ("short", "aaaaaaaaaaaaaa", "an.nguyen.soi@soi.test"):
        error = refused(lambda given=password: admin.users.create("an.nguyen.soi@soi.test", "An", "viewer", given))
        assert error.code == "weak_password"


def test_last_admin_can_neither_be_demoted_nor_deactivated(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    me = admin.auth.me().id
    assert refused(lambda: admin.users.change(me, role="viewer")).code == "last_admin"
    assert refused(lambda: admin.users.change(me, is_active=False)).code == "last_admin"
    sign_in("admin", name="second")
    assert admin.users.change(me, role="viewer").role == "viewer"


def test_deactivated_person_is_out_with_the_next_request(sign_in: SignIn) -> None:
    admin, inspector = sign_in("admin"), sign_in("inspector")
    user_id = inspector.auth.me().id
    admin.users.change(user_id, is_active=False)
    assert refused(inspector.auth.me).status == 401


def test_changed_role_counts_with_the_next_request(sign_in: SignIn) -> None:
    admin, person = sign_in("admin"), sign_in("viewer")
    assert refused(lambda: person.models.create(name="m", item_kind="text")).status == 403
    admin.users.change(person.auth.me().id, role="data_scientist")
    assert person.models.create(name="m", item_kind="text").name == "m"


def test_reset_password_ends_sessions_and_is_shown_once(app: TestClient, sign_in: SignIn) -> None:
    admin, inspector = sign_in("admin"), sign_in("inspector")
    account = inspector.auth.me()
    made = admin.users.reset_password(account.id)
    assert refused(inspector.auth.me).status == 401
    assert Client(http=app).auth.login(account.email or "", made.initial_password or "").user.id == account.id


def test_unknown_person_or_key_answers_404(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    assert refused(lambda: admin.users.change("absent", name="X")).status == 404
    assert refused(lambda: admin.api_keys.revoke("absent")).status == 404


def test_key_is_shown_once_and_only_its_hash_is_stored(app: TestClient, sign_in: SignIn, database: Database) -> None:
    admin = sign_in("admin")
    made = admin.api_keys.create(name="line 1", scopes=["me:read", "models:read"])
    assert made.key.startswith("soi_")
    assert made.key not in admin.transport.request("GET", "/v1/api-keys").text
    with database.read() as session:
        row = session.get_one(ApiKey, made.id)
    assert made.key not in {row.key_hash, row.prefix}
    account = acting(app, made.key).auth.me()
    assert (account.kind, account.email, account.permissions) == ("key", None, ["me:read", "models:read"])


def test_revoked_rotated_and_expired_keys_stop_at_once(app: TestClient, sign_in: SignIn, database: Database) -> None:
    admin = sign_in("admin")
    first = admin.api_keys.create(name="k", scopes=["me:read"])
    client = acting(app, first.key)
    assert client.auth.me().kind == "key"
    second = admin.api_keys.rotate(first.id)
    assert refused(client.auth.me).status == 401
    assert acting(app, second.key).auth.me().name == "k"
    admin.api_keys.revoke(second.id)
    assert refused(acting(app, second.key).auth.me).status == 401
    third = admin.api_keys.create(name="k", scopes=["me:read"], expires_at=utc_now() + timedelta(hours=1))
    with database.write() as session:
        past = utc_now() - timedelta(seconds=1)
        session.execute(update(ApiKey).where(ApiKey.id == third.id).values(expires_at=past))
    assert refused(acting(app, third.key).auth.me).status == 401


def test_change_made_by_another_process_counts_within_a_second(
    app: TestClient, sign_in: SignIn, database: Database
) -> None:
    made = sign_in("admin").api_keys.create(name="k", scopes=["me:read"])
    client = acting(app, made.key)
    client.auth.me()
    with database.write() as session:
        session.execute(update(ApiKey).values(revoked_at=utc_now()))
    time.sleep(1.05)
    assert refused(client.auth.me).status == 401


def test_narrowed_key_sees_other_models_as_absent(app: TestClient, sign_in: SignIn) -> None:
    admin = sign_in("admin")
    for name in ("mine", "theirs"):
        admin.models.create(name=name, item_kind="text")
    made = admin.api_keys.create(name="k", scopes=["models:read", "models:write"], models=["mine"])
    client = acting(app, made.key)
    assert [model.name for model in client.models.list()] == ["mine"]
    assert refused(lambda: client.models.get("theirs")).status == 404
    assert refused(lambda: client.model_versions.create("theirs", name="v1", kind="human")).status == 404
    assert client.model_versions.create("mine", name="v1", kind="human").created_by == f"key:{made.id}"


@pytest.mark.parametrize("scopes", [["people:manage"], ["keys:manage"], ["review:work"], ["everything"], []])
def test_key_cannot_have_rights_that_are_for_people(sign_in: SignIn, scopes: list[str]) -> None:
    admin = sign_in("admin")
    body = {"name": "k", "scopes": scopes}
    assert refused(lambda: admin.transport.request("POST", "/v1/api-keys", json=body)).status == 422


def test_key_for_a_model_that_does_not_exist_is_refused(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    error = refused(lambda: admin.api_keys.create(name="k", scopes=["models:read"], models=["absent"]))
    assert (error.status, error.code) == (422, "model_unknown")


def test_audit_tells_who_did_what_and_is_intact(sign_in: SignIn) -> None:
    admin = sign_in("admin", name="lan")
    made = admin.users.create("an@soi.test", "An", "viewer")
    admin.users.change(made.id, role="inspector")
    key = admin.api_keys.create(name="k", scopes=["me:read"])
    admin.api_keys.revoke(key.id)
    admin.models.create(name="pcb", item_kind="image")
    admin.model_versions.create("pcb", name="v1", kind="external")
    admin.rollouts.create("pcb", champion="v1", reason="first one")
    lines = list(reversed(admin.audit.list()))
    assert [line.action for line in lines] == [
        "user.created",
        "user.changed",
        "key.created",
        "key.revoked",
        "model.created",
        "version.created",
        "rollout.created",
    ]
    assert {line.actor_name for line in lines} == {"lan"}
    assert lines[1].details == {"before": {"role": "viewer"}, "after": {"role": "inspector"}}
    assert lines[-1].reason == "first one"
    assert admin.audit.verify().model_dump() == {"is_intact": True, "n_lines": 7, "first_bad_id": None}
    assert [line.action for line in admin.audit.list(action="key.")] == ["key.revoked", "key.created"]


@pytest.mark.parametrize("change", ["details", "actor", "gone"])
def test_changed_or_removed_audit_line_is_found(sign_in: SignIn, database: Database, change: str) -> None:
    with database.write() as session:
        ids = [audit.record(session, "user:1", "x", details={"n": n}).id for n in range(5)]
    with database.write() as session:
        line = session.get_one(AuditEntry, ids[2])
        if change == "gone":
            session.delete(line)
        elif change == "actor":
            line.actor = "user:2"
        else:
            line.details = {"n": 99}
    found = sign_in("admin").audit.verify()
    assert not found.is_intact
    assert found.first_bad_id == ids[3 if change == "gone" else 2]


def test_lines_written_at_the_same_moment_make_one_chain(database: Database) -> None:
    def write(name: str) -> None:
        for n in range(10):
            with database.write() as session:
                audit.record(session, name, "x", details={"n": n})

    threads = [threading.Thread(target=write, args=(f"user:{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert audit.verify_chain(session) == (40, None)
