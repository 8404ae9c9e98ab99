"""The pure parts of signing in, and what happens when two requests come at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from backend.auth.bootstrap import ensure_bootstrap_token
from backend.auth.login_page import LANGUAGES, choose_language, texts
from backend.auth.origins import is_own_origin, local_path, trusted_origins
from backend.auth.passwords import Passwords, check_new_password
from backend.auth.rules import KEY_SCOPES, PERMISSIONS, Principal
from backend.client import ApiError, Client
from backend.errors import Invalid
from backend.settings import Settings
from db.engine import Database

SignIn = Callable[..., Client]
TRUSTED = trusted_origins("https://soi.example/app", "https://other.example:8443/, ")


@pytest.mark.parametrize(
    ("origin", "host", "is_own"),
    [
        ("https://soi.example", None, True),
        ("https://SOI.example", "10.0.0.5:8300", True),
        ("https://other.example:8443", None, True),
        ("http://10.0.0.5:8300", "10.0.0.5:8300", True),
        ("http://10.0.0.5:8301", "10.0.0.5:8300", False),
        ("http://soi.example", None, False),
        ("https://soi.example.evil.example", "soi.example", False),
        ("ftp://10.0.0.5:8300", "10.0.0.5:8300", False),
        ("null", "null", False),
        ("", "", False),
        (None, "soi.example", False),
    ],
)
def test_origin_is_ours_only_when_scheme_host_and_port_are(origin: str | None, host: str | None, is_own: bool) -> None:
    assert is_own_origin(origin, host, TRUSTED) is is_own


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/health?model=pcb&from=-7d", "/health?model=pcb&from=-7d"),
        (None, "/"),
        ("", "/"),
        ("health", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/x\\y", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("/login?next=/login", "/"),
    ],
)
def test_next_stays_on_this_site(target: str | None, path: str) -> None:
    assert local_path(target) == path


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ("vi", "en", "vi"),
        ("de", "vi", "vi"),
        (None, "fr, en;q=0.2, vi;q=0.7", "vi"),
        (None, "vi;q=0, en;q=0.1", "en"),
        (None, "fr;q=x, *", "en"),
        (None, None, "en"),
    ],
)
def test_language_of_the_page(wanted: str | None, accepted: str | None, language: str) -> None:
    assert choose_language(wanted, accepted, "en") == language


def test_page_has_every_text_in_both_languages() -> None:
    assert set(texts()) == set(LANGUAGES)
    assert texts()["en"].keys() == texts()["vi"].keys()


@pytest.mark.parametrize("password", ["short", "x" * 201, "abababababab", "lan@soi.test", "Lan Nguyen Van"])
def test_weak_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid):
        check_new_password(password, "lan@soi.test", "lan nguyen van")


def test_password_check_of_nobody_does_the_work_and_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    hashed = passwords.hash("a lamp in the dark")
    n_checked = 0
    real = passwords._hasher.verify

    def count(*given: str) -> bool:
        nonlocal n_checked
        n_checked += 1
        return real(*given)

    monkeypatch.setattr(passwords._hasher, "verify", count)
    assert passwords.verify("a lamp in the dark", hashed)
    assert not passwords.verify("a lamp in the dark!", hashed)
    assert not passwords.verify("nobody has this password", None)
    assert n_checked == 3


def test_at_most_two_passwords_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, running, most, lock = Passwords(), 0, 0, threading.Lock()
    pause = threading.Event()

    def slow(_: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pause.wait(0.02)
        with lock:
            running -= 1
        return "hash"

    monkeypatch.setattr(passwords._hasher, "hash", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(passwords.hash, ["x"] * 16))
    assert most == 2


def test_key_never_holds_what_is_for_people_even_when_its_row_says_so() -> None:
    assert {"people:manage", "keys:manage", "audit:read", "review:work"}.isdisjoint(KEY_SCOPES)
    assert set(PERMISSIONS) >= KEY_SCOPES
    assert not Principal("user", "1", "An", role=None).may("me:read")


def test_set_up_token_used_twice_at_once_makes_one_admin(
    app: TestClient, database: Database, settings: Settings
) -> None:
    token = ensure_bootstrap_token(database, settings) or ""

    def attempt(n: int) -> int:
        client = Client(http=TestClient(app.app))
        try:
            client.auth.bootstrap(token, f"admin{n}@soi.test", f"Admin {n}", "a lamp in the dark")
        except ApiError as error:
            return error.status
        return 201

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(attempt, range(4)))
    assert answers[0] == 201
    assert set(answers[1:]) <= {401, 409}


def test_two_admins_who_remove_each_other_at_once_leave_one(sign_in: SignIn) -> None:
    first, second = sign_in("admin", name="first"), sign_in("admin", name="second")
    pairs = [(first, second.auth.me().id), (second, first.auth.me().id)]

    def demote(pair: tuple[Client, str]) -> int:
        try:
            pair[0].users.change(pair[1], role="viewer")
        except ApiError as error:
            return error.status
        return 200

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(demote, pairs))
    assert answers[0] == 200
    assert answers[1] in {403, 409}
