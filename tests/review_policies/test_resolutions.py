"""What people resolved: listed since a number without gaps, and told to channels once, signed, until it arrives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backend.channels.webhook import MESSAGE_ID, SIGNATURE, verify
from backend.client import Client
from backend.outbox.sending import Sender
from backend.services import Services
from backend.settings import Settings
from backend.worker.review import tell_resolutions
from db.base import utc_now
from db.models.alert import OutboxMessage
from db.models.review_policy import Resolution
from db.repositories import resolutions
from tests.review_policies.conftest import log, look, model_row

SignIn = Callable[..., Client]


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it; answers 503 while it is down."""

    def __init__(self) -> None:
        self.bodies: list[tuple[dict[str, str], bytes]] = []
        self.is_down = False
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((dict(self.headers), body))
        self.send_response(503 if self.server.is_down else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outgoing_allowed": "127.0.0.1/32"})


def resolve(soi: Services, sign_in: SignIn, name: str, label: str = "ok") -> None:
    """Two blind people agree about an item."""
    log(soi, [{"subject_id": name, "prediction": label}])
    look(soi)
    for person in ("an", "binh"):
        client = sign_in("inspector", person)
        [task] = client.review_tasks.claim("boards")
        client.review_tasks.decide(task, label)


def tell(soi: Services) -> int:
    return tell_resolutions(soi.database, utc_now(), 24)


def test_resolutions_are_read_on_from_a_number_and_say_what_was_taken_back(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    manager.review_policies.declare("boards", reason="all, twice", epsilon=1.0, n_wanted=2)
    for name in ("s1", "s2", "s3"):
        resolve(soi, sign_in, name)
    assert manager.resolutions.page("boards").items == []  # a worker numbers them
    assert (tell(soi), tell(soi)) == (3, 0)
    first = manager.resolutions.page("boards", limit=2)
    rest = manager.resolutions.page("boards", after=first.next_after)
    assert [(one.number, one.subject_id, one.label, one.method) for one in [*first.items, *rest.items]] == [
        (1, "s1", "ok", "consensus"),
        (2, "s2", "ok", "consensus"),
        (3, "s3", "ok", "consensus"),
    ]
    assert all(one.event_id for one in first.items)
    sign_in("inspector", "binh").review_tasks.undo("boards")
    tell(soi)
    page = manager.resolutions.page("boards", after=rest.next_after)
    assert [(one.number, one.subject_id, one.label) for one in page.items] == [(4, "s3", None)]
    assert manager.resolutions.page("boards", after=page.next_after).next_after == 4
    assert [one.number for one in manager.resolutions.iter("boards")] == [1, 2, 3, 4]


def test_an_adjudicated_item_is_resolved_and_a_label_from_outside_is_not(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    manager.review_policies.declare("boards", reason="all", epsilon=1.0)
    log(soi, [{"subject_id": "s1", "prediction": "short"}])
    look(soi)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    an.review_tasks.decide(an.review_tasks.claim("boards")[0], "ok")
    binh.review_tasks.decide(binh.review_tasks.claim("boards", modes=["adjudicate"])[0], "open")
    body = {"model": "boards", "truths": [{"subject_id": "s9", "label": "ok"}]}
    manager.transport.request("POST", "/v1/ground-truth", json=body)
    tell(soi)
    assert [(one.subject_id, one.label, one.method) for one in manager.resolutions.iter("boards")] == [
        ("s1", "open", "adjudication")
    ]


def test_each_resolution_is_posted_once_signed_and_again_until_it_arrives(
    soi: Services, manager: Client, sign_in: SignIn, receiver: Receiver, settings: Settings
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    channel = sign_in("admin").channels.create(name="mes", kind="webhook", url=url)
    assert channel.secret is not None
    wish = {"epsilon": 1.0, "n_wanted": 2, "resolution_channels": [channel.id]}
    manager.review_policies.declare("boards", reason="tell", **wish)
    resolve(soi, sign_in, "s1", "short")
    assert [tell(soi) for _ in range(3)] == [1, 0, 0]
    receiver.is_down = True
    sender = Sender(soi.database, settings)
    assert (sender.run(), sender.run()) == (1, 0)  # refused: it waits
    receiver.is_down = False
    assert sender.run(utc_now() + timedelta(minutes=1)) == 1
    assert sender.run(utc_now() + timedelta(hours=5)) == 0
    (first, body), (second, again) = receiver.bodies
    assert body == again
    assert first[MESSAGE_ID] == second[MESSAGE_ID]
    assert verify(channel.secret, second[SIGNATURE], body, utc_now().timestamp())
    said = json.loads(body)
    assert (said["kind"], said["model"]) == ("resolution", "boards")
    told = {name: said["data"][name] for name in ("number", "subject_id", "label", "method")}
    assert told == {"number": 1, "subject_id": "s1", "label": "short", "method": "consensus"}
    assert not {"judge", "judges", "resolved_by"} & set(said["data"])
    with soi.database.read() as session:
        [message] = session.query(OutboxMessage).filter_by(kind="resolution")
        assert (message.state, message.n_attempts) == ("sent", 2)


def test_workers_that_number_at_once_give_each_number_once(soi: Services, manager: Client) -> None:
    model = model_row(soi)
    now = utc_now()
    with soi.database.write() as session:
        for k in range(400):
            session.add(
                Resolution(
                    model_id=model.id, subject_id=f"s{k}", truth_id="t", label="ok", method="consensus", resolved_at=now
                )
            )
    threads = [threading.Thread(target=tell, args=(soi,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in manager.resolutions.iter("boards")] == list(range(1, 401))
    with soi.database.read() as session:
        assert not resolutions.has_unnumbered(session)


def test_a_resolution_is_kept_exactly_when_its_truth_is(soi: Services, manager: Client) -> None:
    from db.repositories import ground_truth

    model = model_row(soi)
    values = {"model_id": model.id, "subject_id": "s1", "label": "ok", "method": "consensus"}

    def fail_late() -> None:
        with soi.database.write() as session:
            ground_truth.put_truth(session, **values, resolved_by="consensus", resolved_at=utc_now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    with soi.database.read() as session:
        assert session.query(Resolution).count() == 0
