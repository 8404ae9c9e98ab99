"""Signing in, sessions, cookies, foreign origins, throttling, the first admin, and one's own account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from backend.auth.bootstrap import ensure_bootstrap_token
from backend.auth.schemas import AccountPatch
from backend.client import ApiError, Client
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.models.person import UserSession
from db.repositories import audit

SignIn = Callable[..., Client]
PASSWORD = "a lamp in the dark"


@pytest.fixture
def admin(app: TestClient, database: Database, settings: Settings) -> Client:
    token = ensure_bootstrap_token(database, settings)
    assert token is not None
    made = Client(http=app).auth.bootstrap(token, "Lan@Soi.test", "Lan", PASSWORD)
    return acting(app, made.token)


def acting(app: TestClient, token: str) -> Client:
    return Client(http=TestClient(app.app, headers={"Authorization": f"Bearer {token}"}))


def refused(call: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return [entry.action for entry in reversed(audit.list_entries(session))]


def test_bootstrap_token_makes_one_admin_and_is_used_up(
    app: TestClient, admin: Client, database: Database, settings: Settings
) -> None:
    assert admin.auth.me().role == "admin"
    assert admin.auth.me().email == "lan@soi.test"
    assert ensure_bootstrap_token(database, settings) is None
    again = refused(lambda: Client(http=app).auth.bootstrap("x", "eve@soi.test", "Eve", PASSWORD))
    assert (again.status, again.code) == (409, "already_set_up")


def test_wrong_bootstrap_token_is_refused_and_the_right_one_still_works(
    app: TestClient, database: Database, settings: Settings
) -> None:
    token = ensure_bootstrap_token(database, settings)
    client = Client(http=app)
    assert refused(lambda: client.auth.bootstrap("wrong", "a@soi.test", "A", PASSWORD)).status == 401
    assert refused(lambda: client.auth.bootstrap(token or "", "a@soi.test", "A", "short")).code == "weak_password"
    assert client.auth.bootstrap(token or "", "a@soi.test", "A", PASSWORD).user.role == "admin"
    assert actions(database) == ["bootstrap.refused", "user.bootstrapped", "login.accepted"]


def test_login_gives_a_session_that_logout_ends(app: TestClient, admin: Client) -> None:
    found = Client(http=app).auth.login("LAN@soi.test ", PASSWORD)
    client = acting(app, found.token)
    assert client.auth.me().name == "Lan"
    client.auth.logout()
    assert refused(client.auth.me).status == 401
    assert admin.auth.me().name == "Lan"


def test_unknown_address_and_wrong_password_look_the_same_and_are_audited(
    app: TestClient, admin: Client, database: Database
) -> None:
    client = Client(http=app)
    unknown = refused(lambda: client.auth.login("nobody@soi.test", PASSWORD))
    wrong = refused(lambda: client.auth.login("lan@soi.test", "not the password"))
    assert (unknown.status, unknown.code, unknown.message) == (wrong.status, wrong.code, wrong.message)
    assert unknown.code == "wrong_credentials"
    assert actions(database)[-2:] == ["login.refused", "login.refused"]


def test_expired_session_is_nobody(app: TestClient, admin: Client, database: Database) -> None:
    token = Client(http=app).auth.login("lan@soi.test", PASSWORD).token
    with database.write() as session:
        session.execute(update(UserSession).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert refused(acting(app, token).auth.me).status == 401


@pytest.mark.parametrize("header", ["Bearer ", "Bearer nonsense", "Basic bGFuOmxhbg==", "Bearer " + "x" * 5000, "soi_"])
def test_nonsense_in_the_authorization_header_is_401(app: TestClient, header: str) -> None:
    assert app.get("/v1/auth/me", headers={"Authorization": header}).status_code == 401


def test_browser_signs_in_with_the_form_and_foreign_pages_cannot_act_with_its_cookie(
    app: TestClient, admin: Client
) -> None:
    form = {"email": "lan@soi.test", "password": PASSWORD, "next": "/inspect?model=pcb"}
    answer = app.post("/login", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/inspect?model=pcb")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert app.get("/v1/auth/me").json()["name"] == "Lan"
    change = {"language": "vi"}
    own = {"Origin": str(app.base_url)}
    assert app.patch("/v1/auth/me", json=change).status_code == 403
    foreign = app.patch("/v1/auth/me", json=change, headers={"Origin": "https://elsewhere.example"})
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "foreign_origin")
    assert app.patch("/v1/auth/me", json=change, headers={"Origin": "null"}).status_code == 403
    assert app.patch("/v1/auth/me", json=change, headers=own).json()["language"] == "vi"


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "x"])
def test_sign_in_never_leads_to_another_site(app: TestClient, admin: Client, target: str) -> None:
    form = {"email": "lan@soi.test", "password": PASSWORD, "next": target}
    assert app.post("/login", data=form, follow_redirects=False).headers["location"] == "/"


def test_form_sent_from_another_site_is_refused(app: TestClient, admin: Client) -> None:
    form = {"email": "lan@soi.test", "password": PASSWORD}
    answer = app.post("/login", data=form, headers={"Origin": "https://elsewhere.example"}, follow_redirects=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_page_speaks_the_language_asked_for_and_shows_errors_in_it(app: TestClient, admin: Client) -> None:
    assert "Đăng nhập" in app.get("/login", headers={"Accept-Language": "vi-VN,vi;q=0.9"}).text
    assert "Sign in" in app.get("/login?lang=en", headers={"Accept-Language": "vi"}).text
    answer = app.post("/login?lang=vi", data={"email": '"><script>@x', "password": "wrong"})
    assert answer.status_code == 401
    assert "không đúng" in answer.text
    assert "<script>" not in answer.text


def test_first_page_asks_for_the_set_up_token_and_makes_the_admin(
    app: TestClient, database: Database, settings: Settings
) -> None:
    token = ensure_bootstrap_token(database, settings)
    assert 'name="token"' in app.get("/login").text
    form = {"token": token, "name": "Lan", "email": "lan@soi.test", "password": PASSWORD}
    assert app.post("/login", data={**form, "token": "wrong"}).status_code == 401
    assert app.post("/login", data=form, follow_redirects=False).status_code == 303
    assert app.get("/v1/auth/me").json()["role"] == "admin"
    assert 'name="token"' not in app.get("/login").text


def test_account_keeps_language_zone_and_merged_preferences(sign_in: SignIn) -> None:
    client = sign_in("inspector")
    zone = "Asia/Ho_Chi_Minh"
    client.auth.change(AccountPatch(language="vi", timezone=zone, preferences={"keys": {"ok": "j"}, "old": 1}))
    found = client.auth.change(AccountPatch(preferences={"old": None, "theme": "dark"}))
    assert (found.language, found.timezone) == ("vi", zone)
    assert found.preferences == {"keys": {"ok": "j"}, "theme": "dark"}


@pytest.mark.parametrize(
    "patch", [{"timezone": "Moon/Base"}, {"timezone": "../x"}, {"language": "de"}, {"role": "admin"}]
)
def test_wrong_account_change_is_refused(sign_in: SignIn, patch: dict[str, str]) -> None:
    client = sign_in("viewer")
    assert refused(lambda: client.transport.request("PATCH", "/v1/auth/me", json=patch)).status == 422
    assert client.auth.me().role == "viewer"


def test_new_password_needs_the_old_one_and_ends_other_sessions(app: TestClient, admin: Client) -> None:
    other = acting(app, Client(http=app).auth.login("lan@soi.test", PASSWORD).token)
    new = "another lamp at night"
    patch = AccountPatch.model_validate({"new_password": new, "current_password": "wrong"})
    assert refused(lambda: admin.auth.change(patch)).code == "wrong_password"
    assert other.auth.me().name == "Lan"
    admin.auth.change(AccountPatch.model_validate({"new_password": new, "current_password": PASSWORD}))
    assert refused(other.auth.me).status == 401
    assert admin.auth.me().name == "Lan"
    assert Client(http=app).auth.login("lan@soi.test", new).user.name == "Lan"


class TestThrottle:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"login_attempts_per_minute": 3})

    def test_fourth_attempt_in_a_minute_is_turned_away_even_with_the_right_password(
        self, app: TestClient, admin: Client
    ) -> None:
        for _ in range(3):
            assert app.post("/v1/auth/login", json={"email": "lan@soi.test", "password": "x"}).status_code == 401
        answer = app.post("/v1/auth/login", json={"email": "lan@soi.test", "password": PASSWORD})
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert app.post("/v1/auth/login", json={"email": "other@soi.test", "password": "x"}).status_code == 401


class TestSecureCookie:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"public_url": "https://soi.test"})

    def test_cookie_goes_over_tls_only_when_the_site_does(self, app: TestClient, admin: Client) -> None:
        answer = app.post("/login", data={"email": "lan@soi.test", "password": PASSWORD}, follow_redirects=False)
        assert "Secure" in answer.headers["set-cookie"]
