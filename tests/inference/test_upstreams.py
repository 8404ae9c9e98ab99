"""Versions that answer elsewhere: what each protocol is asked, how answers are checked, what misbehaves."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backend.client import ApiError, Client
from backend.inference.breaker import FAILURES
from backend.inference.schemas import PredictBody
from backend.services import Services
from backend.settings import Settings
from db.models.model import ModelVersion
from tests.conftest import on_sqlite
from tests.inference.conftest import HONEST, IMAGE, TABULAR, events, model_row, png

pytestmark = on_sqlite
Answer = tuple[int, bytes]
YES = 0.880797


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, ui=False, outgoing_allowed="127.0.0.1")


class Stub:
    """An HTTP server that keeps what it was asked and answers what the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, str]] = []
        self.answer: Callable[[], Answer] = lambda: (200, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, body, self.headers["Content-Type"]))
                status, answer = outer.answer()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A caller that gave up is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def says(self, found: Any, status: int = 200) -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.answer = lambda: (status, body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def serve(soi: Services, client: Client, stub: Stub, roll_out: Callable[..., None]) -> Callable[..., None]:
    """serve("oip", model="m") makes a version at the stub champion."""

    def make(kind: str, signature: dict[str, Any] = TABULAR, **upstream: Any) -> None:
        signature = {**signature, "upstream": {"url": stub.url, **upstream}}
        client.model_versions.create("demo", name="far", kind=kind, signature=signature)
        roll_out("far")

    return make


def oip(data: list[Any], **more: Any) -> dict[str, Any]:
    return {"model_name": "credit", "id": "soi", "outputs": [{"name": "out", "shape": [1, 2], "data": data}], **more}


def ask(client: Client, **more: Any) -> Any:
    return client.inference.predict("demo", PredictBody.model_validate({"inputs": {"x": 2, "y": 1}, **more}))


def test_an_open_inference_server_is_asked_with_one_tensor(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None]
) -> None:
    serve("oip", model="credit", version="3", input="x", output="out")
    stub.says(oip([-1.0, 1.0], model_version="3"))
    found = ask(client)
    assert (found.prediction, found.version, found.score) == ("yes", "far", pytest.approx(YES, abs=1e-6))
    [(path, body, kind)] = stub.asked
    assert (path, kind) == ("/v2/models/credit/versions/3/infer", "application/json")
    sent = json.loads(body)
    assert sent["inputs"] == [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [2.0, 1.0]}]
    assert sent["outputs"] == [{"name": "out"}]
    assert [(event["version"], event["status"]) for event in events(soi)] == [("far", "ok")]


def test_tensorflow_serving_is_asked_with_one_instance(client: Client, stub: Stub, serve: Callable[..., None]) -> None:
    serve("tfserving", model="credit", version="3")
    stub.says({"predictions": [[-1.0, 1.0]]})
    assert ask(client).prediction == "yes"
    assert stub.asked[0][0] == "/v1/models/credit/versions/3:predict"
    assert json.loads(stub.asked[0][1]) == {"instances": [[2.0, 1.0]]}


def test_tensorflow_gets_the_channels_last(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None]
) -> None:
    serve("tfserving", IMAGE, model="eye", input="pixels")
    stub.says({"predictions": [{"out": [3.0, 1.0]}]})
    assert client.inference.predict("demo", PredictBody(artifacts=[soi.artifacts.put(png(255))])).prediction == "dark"
    [instance] = json.loads(stub.asked[0][1])["instances"]
    assert (len(instance["pixels"]), len(instance["pixels"][0]), instance["pixels"][0][0]) == (8, 8, [1.0])


@pytest.mark.parametrize(
    ("answer", "scores"),
    [({"yes": 0.7, "no": 0.3}, {"yes": 0.7, "no": 0.3}), ([-1.0, 1.0], {"yes": YES, "no": 1 - YES}), ("yes", {})],
    ids=["scores by label", "numbers", "a label"],
)
def test_torchserve_answers_in_three_ways(
    client: Client, stub: Stub, serve: Callable[..., None], answer: Any, scores: dict[str, float]
) -> None:
    serve("torchserve", model="credit")
    stub.says(answer)
    found = ask(client)
    assert (found.prediction, found.scores) == ("yes", pytest.approx(scores, abs=1e-6))
    assert stub.asked[0][0] == "/predictions/credit"
    assert json.loads(stub.asked[0][1]) == {"x": 2, "y": 1}


def test_torchserve_gets_the_file_of_a_picture(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None]
) -> None:
    serve("torchserve", IMAGE, model="eye", version="2.0")
    stub.says({"bright": 1.0})
    picture = png(200)
    assert client.inference.predict("demo", PredictBody(artifacts=[soi.artifacts.put(picture)])).prediction == "bright"
    assert stub.asked == [("/predictions/eye/2.0", picture, "application/octet-stream")]


def test_plain_json_takes_named_inputs_and_pictures(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None]
) -> None:
    serve("json", IMAGE)
    stub.says({"prediction": "dark", "score": 0.75, "scores": {"dark": 0.75, "bright": 0.25}})
    picture = png(3)
    body = PredictBody(artifacts=[soi.artifacts.put(picture)], inputs={"gain": 2})
    found = client.inference.predict("demo", body)
    assert (found.prediction, found.score, found.scores) == ("dark", 0.75, {"dark": 0.75, "bright": 0.25})
    assert json.loads(stub.asked[0][1]) == {"inputs": {"gain": 2}, "pictures": [base64.b64encode(picture).decode()]}


VOID: dict[str, tuple[str, Any, str]] = {
    "another model": ("oip", oip([0, 1], model_name="debit"), "for the model 'debit'"),
    "another version": ("oip", oip([0, 1], model_version="4"), "for the version '4'"),
    "another request": ("oip", oip([0, 1], id="r9"), "for the request 'r9'"),
    "two things": (
        "oip", oip([], outputs=[{"name": "out", "shape": [2, 2], "data": [0, 1, 1, 0]}]), "about 2 things",
    ),
    "three numbers": ("oip", oip([0, 1, 2]), "3 numbers where its signature has 2"),
    "null": ("oip", oip([0, None]), "no numbers"),
    "text": ("oip", oip(["0", "1"]), "no numbers"),
    "beyond FP32": ("oip", oip([0, 1e300]), "not finite"),
    "no output": ("oip", {"model_name": "credit", "outputs": []}, "no output"),
    "no object": ("oip", [], "no object"),
    "two predictions": ("tfserving", {"predictions": [[0, 1], [0, 1]]}, "not one prediction"),
    "no predictions": ("tfserving", {"error": "x"}, "not one prediction"),
    "unknown label": ("torchserve", {"maybe": 1.0}, "'maybe', which is none"),
    "score is text": ("torchserve", {"yes": "high"}, "finite numbers"),
    "no scores": ("torchserve", {}, "no scores"),
    "no prediction": ("json", {"label": "yes"}, '"prediction"'),
    "other label": ("json", {"prediction": "maybe"}, "'maybe', which is none"),
    "score no number": ("json", {"prediction": "yes", "score": True}, "score"),
    "not JSON": ("json", b"<html>", "no JSON"),
    "too large": ("json", b'"' + b"x" * (4 * 2**20) + b'"', "larger than"),
}  # fmt: skip


@pytest.mark.parametrize("case", VOID)
def test_an_answer_that_is_not_one_to_what_was_asked_is_void(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None], case: str
) -> None:
    kind, answer, reason = VOID[case]
    serve(
        kind,
        **({} if kind == "json" else {"model": "credit"}),
        **({"version": "3", "input": "x"} if kind == "oip" else {}),
    )
    stub.says(answer)
    with pytest.raises(ApiError) as void:
        ask(client)
    assert (void.value.status, void.value.code) == (502, "version_failed")
    assert reason in str(void.value)
    [event] = events(soi)
    assert (event["status"], event["prediction"], reason in event["error"]) == ("error", None, True)


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [(500, 503, "version_unreachable"), (429, 503, "version_unreachable"), (400, 502, "version_failed"),
     (302, 502, "version_failed")],
)  # fmt: skip
def test_what_an_upstream_refuses_is_told_apart(
    client: Client, stub: Stub, serve: Callable[..., None], status: int, told: int, code: str
) -> None:
    serve("json")
    stub.says(b"out of\x07 memory", status)
    with pytest.raises(ApiError) as failed:
        ask(client)
    assert (failed.value.status, failed.value.code) == (told, code)
    assert f"{status} (out of memory)" in str(failed.value)
    assert len(stub.asked) == 1


def test_a_slow_upstream_is_a_504_and_its_calls_do_not_hold_up_other_models(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None], register: Callable[..., None], roll_out: Any
) -> None:
    goes_on = threading.Event()

    def hang() -> Answer:
        goes_on.wait(20)
        return 200, b"{}"

    stub.answer = hang
    serve("json", timeout_s=0.2)
    with pytest.raises(ApiError) as late:
        ask(client)
    assert (late.value.status, "within 0.2 s" in str(late.value)) == (504, True)
    assert events(soi)[0]["status"] == "timeout"
    register("near", HONEST)
    roll_out("near")
    assert ask(client).version == "near"
    goes_on.set()


def test_a_broken_upstream_is_left_alone_and_tried_again(
    client: Client, soi: Services, stub: Stub, serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("json")
    stub.says(b"", 503)
    for _ in range(FAILURES + 3):
        with pytest.raises(ApiError) as failed:
            ask(client)
        assert failed.value.status == 503
    assert len(stub.asked) == FAILURES
    assert "left alone" in str(failed.value)
    [loaded] = soi.inference.versions._loaded.values()
    loaded._breaker._open_until = 0.0  # type: ignore[attr-defined]
    stub.says({"prediction": "yes"})
    assert ask(client).prediction == "yes"
    assert ask(client).prediction == "yes"


def test_calls_at_once_are_bounded_and_what_waits_too(client: Client, stub: Stub, serve: Callable[..., None]) -> None:
    goes_on, both_run, running, most = threading.Event(), threading.Event(), [0], [0]
    lock = threading.Lock()

    def hold() -> Answer:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 2:
                both_run.set()
        goes_on.wait(20)
        with lock:
            running[0] -= 1
        return 200, b'{"prediction": "yes"}'

    stub.answer = hold
    serve("json", concurrency=2)
    outcomes: list[Any] = []

    def one() -> None:
        try:
            outcomes.append(ask(client).prediction)
        except ApiError as error:
            outcomes.append((error.status, str(error)))
            if len(outcomes) == 3:
                both_run.wait(10)  # the second call may still be on its way when the third one is refused
                goes_on.set()

    threads = [threading.Thread(target=one) for _ in range(11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most[0] == 2
    assert outcomes.count("yes") == 8
    assert [one[0] for one in outcomes if one != "yes"] == [503] * 3
    assert all("busy" in one[1] for one in outcomes if one != "yes")


def test_nothing_listens_and_addresses_inside_are_refused_unless_named(
    client: Client, soi: Services, serve: Callable[..., None], stub: Stub, roll_out: Callable[..., None]
) -> None:
    with soi.database.write() as session:
        for name, url in (("gone", "http://127.0.0.1:9"), ("inside", "http://127.0.0.2:80"), ("meta", "http://[::1]")):
            signature = {**TABULAR, "upstream": {"url": url}}
            session.add(ModelVersion(model_id=model_row(soi).id, name=name, kind="json", signature=signature))
    for name, status, reason in (
        ("gone", 503, "does not answer"),
        ("inside", 502, "SOI_OUTGOING_ALLOWED"),
        ("meta", 502, "SOI_OUTGOING_ALLOWED"),
    ):
        roll_out(name)
        with pytest.raises(ApiError, match=reason) as refused:
            ask(client)
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("kind", "signature"),
    [
        ("json", TABULAR),
        ("json", {"upstream": {"url": "http://h"}}),
        ("json", {**TABULAR, "upstream": {"url": "ftp://h"}}),
        ("json", {**TABULAR, "upstream": {"url": "http://user:secret@h"}}),
        ("json", {**TABULAR, "upstream": {"url": "http://h", "concurrency": 0}}),
        ("json", {**TABULAR, "upstream": {"url": "http://h", "mood": 1}}),
        ("oip", {**TABULAR, "upstream": {"url": "http://h", "input": "x"}}),
        ("oip", {**TABULAR, "upstream": {"url": "http://h", "model": "m"}}),
        ("oip", {**TABULAR, "upstream": {"url": "http://h", "model": "../m", "input": "x"}}),
        ("tfserving", {**TABULAR, "upstream": {"url": "http://h"}}),
        ("external", {**TABULAR, "upstream": {"url": "http://h"}}),
    ],
)
def test_an_upstream_that_cannot_be_asked_is_not_registered(
    client: Client, kind: str, signature: dict[str, Any]
) -> None:
    with pytest.raises(ApiError) as refused:
        client.model_versions.create("demo", name="far", kind=kind, signature=signature)
    assert (refused.value.status, refused.value.code) == (422, "bad_signature")


def test_a_version_that_is_people_is_answered_by_people(
    client: Client, soi: Services, roll_out: Callable[..., None], sign_in: Callable[..., Client]
) -> None:
    client.model_versions.create("demo", name="inspectors", kind="human")
    roll_out("inspectors")
    asked = ask(client)
    assert asked.status == "pending"
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("demo", 1, ["blind"])
    inspector.review_tasks.decide(task, "no", duration_ms=500)
    assert client.inference.answer("demo", asked.id).prediction == "no"


def test_an_upstream_is_asked_over_the_open_inference_protocol_like_any_other_version(
    client: Client, stub: Stub, serve: Callable[..., None]
) -> None:
    serve("json")
    stub.says({"prediction": "yes", "score": 0.9})
    http: Any = client._http
    assert http.get("/v2/models/demo").json()["platform"] == "json"
    assert http.get("/v2/models/demo/ready").status_code == 200
    table = {"name": "inputs", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    answer = http.post("/v2/models/demo/infer", json={"inputs": [table]}).json()
    assert answer["outputs"][0]["data"] == ["yes", "yes"]
    assert [json.loads(body)["inputs"] for _, body, _ in stub.asked] == [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}]
