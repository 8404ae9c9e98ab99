"""The outbox with a real receiver: signed webhooks and Apprise, refused addresses, retries, restarts, secrets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from backend.channels.addresses import AddressRefused, Allowed, pick, resolve
from backend.channels.apprise_process import send_apprise
from backend.channels.vault import Vault, VaultClosed
from backend.channels.webhook import Hook, NotSent, check_url, send_webhook, sign, verify
from backend.client import ApiError, Client
from backend.outbox.rules import LONGEST_S, after_failure, wait_s
from backend.outbox.sending import Sender
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.models.alert import Channel, OutboxMessage
from db.repositories import outbox
from tests.conftest import on_sqlite

LOCAL = Allowed.parse("127.0.0.1")


class Receiver:
    """A real HTTP server that keeps what it is sent; `answer` is its status, `wait_s` how slow it is."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer, self.wait_s, self.headers = 200, 0.0, dict[str, str]()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                time.sleep(receiver.wait_s)
                self.send_response(receiver.answer)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"said " * 3000 if receiver.answer != 200 else b"")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_webhook_is_signed_so_that_the_receiver_can_tell(receiver: Receiver) -> None:
    body = b'{"a": 1}'
    send_webhook(Hook(f"http://127.0.0.1:{receiver.port}/in?x=1", "secret"), "m1", body, LOCAL, 5)
    path, headers, got = receiver.requests[0]
    assert (path, got, headers["Soi-Message-Id"]) == ("/in?x=1", body, "m1")
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    now = time.time()
    assert verify("secret", headers["Soi-Signature"], got, now)
    assert not verify("secret", headers["Soi-Signature"], got + b" ", now)
    assert not verify("other", headers["Soi-Signature"], got, now)
    assert not verify("secret", headers["Soi-Signature"], got, now + 301)


def test_the_signature_is_hmac_sha256_over_time_and_body() -> None:
    """openssl: printf '1700000000.{}' | openssl dgst -sha256 -hmac key"""
    expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert sign("key", 1_700_000_000, b"{}") == f"t=1700000000,v1={expected}"


def test_redirects_slow_receivers_and_refusals_are_failures_with_a_reason(receiver: Receiver) -> None:
    hook = Hook(f"http://127.0.0.1:{receiver.port}/", "s")
    receiver.answer, receiver.headers = 302, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    with pytest.raises(NotSent, match="302"):
        send_webhook(hook, "m", b"{}", LOCAL, 5)
    assert [path for path, _, _ in receiver.requests] == ["/"]
    receiver.answer, receiver.wait_s = 200, 0.5
    with pytest.raises(NotSent, match="no answer within"):
        send_webhook(hook, "m", b"{}", LOCAL, 0.1)
    with pytest.raises(NotSent, match="Connect"):
        send_webhook(Hook("http://127.0.0.1:9/", "s"), "m", b"{}", LOCAL, 5)


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    send_webhook(Hook(f"http://127.0.0.1:{receiver.port}/", "s"), "m", b"{}", LOCAL, 5)
    send_apprise(f"json://127.0.0.1:{receiver.port}/", "t", "b", allowed="127.0.0.1", only_allowed=False, timeout_s=10)
    assert len(receiver.requests) == 2


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fe80::1",
     "fd00::1", "224.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "100.64.0.1"],
)  # fmt: skip
def test_private_addresses_are_refused_unless_they_are_named(address: str) -> None:
    with pytest.raises(AddressRefused):
        pick(Allowed(), "host.example", [address])
    assert pick(Allowed.parse("host.example"), "host.example", [address]) == address
    with pytest.raises(AddressRefused):
        pick(Allowed.parse("host.example"), "other.example", [address])


def test_public_addresses_are_reached_unless_only_named_ones_are() -> None:
    assert pick(Allowed(), "example.com", ["93.184.216.34"]) == "93.184.216.34"
    with pytest.raises(AddressRefused):
        pick(Allowed.parse("10.0.0.0/8", is_all=True), "example.com", ["93.184.216.34"])
    with pytest.raises(AddressRefused):
        pick(Allowed(), "example.com", ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(AddressRefused):
        resolve(Allowed(), "localhost", 80)


@pytest.mark.parametrize("url", ["ftp://a/", "https://", "http://u:p@a/", "https://a/#x", "http://a:99999/", "x"])
def test_what_is_no_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url)


def test_secrets_are_encrypted_with_a_key_for_the_owners_eyes_only(tmp_path: Any) -> None:
    vault = Vault(tmp_path)
    sealed = vault.seal({"url": "slack://token"})
    assert "token" not in sealed
    assert vault.path.stat().st_mode & 0o777 == 0o600
    assert Vault(tmp_path).open(sealed) == {"url": "slack://token"}
    vault.path.chmod(0o644)
    with pytest.raises(VaultClosed, match="0600"):
        vault.open(sealed)
    vault.path.unlink()
    with pytest.raises(VaultClosed, match="missing"):
        vault.open(sealed)
    vault.seal({})
    with pytest.raises(VaultClosed, match="not the key"):
        vault.open(sealed)


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_an_hour_and_never_pass_the_time_to_give_up(n: int, u: float) -> None:
    assert min(LONGEST_S, 5 * 2 ** (n - 1)) / 2 <= wait_s(n, u) <= LONGEST_S
    now = utc_now()
    state, at = after_failure(n, now, now + timedelta(seconds=60), u)
    assert state == "waiting"
    assert now < at <= now + timedelta(seconds=60)
    assert after_failure(n, now, now, u)[0] == "given_up"


# --- the outbox ---


@pytest.fixture
def sending(settings: Settings, database: Database) -> Sender:
    return Sender(database, settings.model_copy(update={"outgoing_allowed": "127.0.0.1", "outgoing_timeout_s": 5}))


def put(sender: Sender, url: str, key: str = "k", kind: str = "webhook", **more: Any) -> None:
    """A channel to this address and a message for it."""
    now = utc_now()
    target = sender.vault.seal({"kind": kind, "url": url, "secret": "s"})
    with sender.database.write() as session:
        channel = session.query(Channel).filter_by(name=kind).one_or_none()
        if channel is None:
            fields = {"target": target, "shown": "x", "language": "vi", "min_severity": "low", "created_by": "user:1"}
            channel = Channel(name=kind, kind=kind, **fields)
            session.add(channel)
            session.flush()
        message = {"dedupe_key": key, "kind": "test", "channel_id": channel.id, "payload": {"channel": "Ca đêm"}}
        outbox.add_messages(session, [{**message, "next_at": now, "give_up_at": now + timedelta(hours=1), **more}])


def messages(database: Database) -> list[OutboxMessage]:
    with database.read() as session:
        return list(session.query(OutboxMessage).order_by(OutboxMessage.id))


def test_a_message_is_sent_once_and_its_fate_is_kept(sending: Sender, receiver: Receiver, database: Database) -> None:
    put(sending, f"http://127.0.0.1:{receiver.port}/")
    put(sending, "", key="k")
    assert sending.run() == 1
    assert sending.run() == 0
    (row,) = messages(database)
    assert (row.state, row.n_attempts, row.last_error) == ("sent", 1, None)
    document = json.loads(receiver.requests[0][2])
    assert document["id"] == row.id == receiver.requests[0][1]["Soi-Message-Id"]
    assert "Ca đêm" in document["text"]
    assert document["title"] == "Tin thử từ Soi"


def test_a_channel_that_is_down_is_tried_again_later_and_given_up_in_the_end(
    sending: Sender, receiver: Receiver, database: Database
) -> None:
    put(sending, f"http://127.0.0.1:{receiver.port}/")
    receiver.answer = 500
    now = utc_now()
    sending.run(now)
    (row,) = messages(database)
    assert (row.state, row.n_attempts) == ("waiting", 1)
    assert "500" in (row.last_error or "")
    assert row.next_at > now
    assert sending.run(now) == 0
    receiver.answer = 200
    assert sending.run(row.next_at + timedelta(seconds=1)) == 1
    assert messages(database)[0].state == "sent"
    put(sending, "", key="late", give_up_at=now)
    receiver.answer = 500
    sending.run()
    assert messages(database)[1].state == "given_up"
    with database.write() as session:
        assert outbox.send_again(session, messages(database)[1].id, utc_now(), utc_now() + timedelta(hours=1))
        assert not outbox.send_again(session, messages(database)[0].id, utc_now(), utc_now())
    receiver.answer = 200
    assert sending.run() == 1
    assert [row.state for row in messages(database)] == ["sent", "sent"]


def test_two_workers_do_not_send_the_same_and_a_dead_ones_message_is_taken_over(
    sending: Sender, receiver: Receiver, settings: Settings, database: Database
) -> None:
    put(sending, f"http://127.0.0.1:{receiver.port}/")
    now = utc_now()
    with database.write() as session:  # a worker that leased the message and died
        claimed = outbox.claim_messages(session, n=9, token="dead", now=now, until=now + timedelta(seconds=60))
    assert len(claimed) == 1
    assert sending.run(now + timedelta(seconds=59)) == 0
    assert sending.run(now + timedelta(seconds=61)) == 1
    with database.write() as session:
        assert not outbox.settle_message(session, claimed[0].id, "dead", state="waiting")
    assert [row.state for row in messages(database)] == ["sent"]


@on_sqlite
def test_apprise_sends_to_a_real_receiver_and_respects_the_address_rules(
    sending: Sender, receiver: Receiver, settings: Settings, database: Database
) -> None:
    put(sending, f"json://127.0.0.1:{receiver.port}/hook", kind="apprise")
    sending.run()
    assert json.loads(receiver.requests[0][2])["title"] == "Tin thử từ Soi"
    closed = Sender(database, settings)
    put(closed, "", key="second", kind="apprise")
    closed.run()
    row = messages(database)[1]
    assert row.state == "waiting"
    assert "SOI_OUTGOING_ALLOWED" in (row.last_error or "")
    assert len(receiver.requests) == 1


@on_sqlite
def test_a_message_without_a_channel_goes_to_its_own_address_as_it_is(
    sending: Sender, receiver: Receiver, database: Database
) -> None:
    now = utc_now()
    target = sending.vault.seal({"kind": "webhook", "url": f"http://127.0.0.1:{receiver.port}/own", "secret": "s"})
    message = {
        "dedupe_key": "decision:1",
        "kind": "decision",
        "target": target,
        "payload": {"label": "ok"},
        "next_at": now,
        "give_up_at": now + timedelta(hours=1),
    }
    with database.write() as session:
        outbox.add_messages(session, [message])
    sending.run()
    path, _, body = receiver.requests[0]
    assert path == "/own"
    assert json.loads(body)["data"] == {"label": "ok"}


# --- the API ---


def test_an_admin_makes_tests_and_removes_channels_whose_secrets_never_come_back(
    sign_in: Callable[..., Client], receiver: Receiver, database: Database
) -> None:
    admin = sign_in("admin")
    made = admin.channels.create(name="ops", kind="webhook", url="https://hooks.example.com/T0KEN/path")
    assert made.secret
    assert made.shown == "https://hooks.example.com/…"
    told = admin.transport.request("GET", "/v1/channels").text
    assert "T0KEN" not in told
    assert made.secret not in told
    with database.read() as session:
        stored = session.execute(text("SELECT target FROM channels")).scalar_one()
        trail = session.execute(text("SELECT details FROM audit_entries")).all()
    assert "T0KEN" not in stored
    assert "T0KEN" not in str(trail)
    sent = admin.channels.test(made.id)
    page = admin.outbox.list()
    assert [(row.id, row.kind, row.channel, row.state) for row in page.items] == [
        (sent.message_id, "test", "ops", "waiting")
    ]
    assert admin.outbox.send_again(sent.message_id).state == "waiting"
    assert admin.channels.change(made.id, is_enabled=False).is_enabled is False
    with pytest.raises(ApiError) as taken:
        admin.channels.create(name="ops", kind="webhook", url="https://other.example.com/")
    assert taken.value.status == 409
    admin.channels.delete(made.id)
    assert admin.channels.list() == []
    assert admin.outbox.list().items == []


@on_sqlite
def test_an_address_that_nobody_knows_is_refused_when_it_is_entered(sign_in: Callable[..., Client]) -> None:
    admin = sign_in("admin")
    for kind, url in (("apprise", "nonsense://x"), ("apprise", "dbus://"), ("webhook", "ftp://example.com/")):
        with pytest.raises(ApiError) as refused:
            admin.channels.create(name="x", kind=kind, url=url)
        assert refused.value.status == 422, url
    assert (
        admin.channels.create(name="chat", kind="apprise", url="json://me:pass@example.com/x").shown.count("pass") == 0
    )
