"""The logging door through the client: what is stored, repeated, refused and kept for reading."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from backend.client import ApiError, Client
from db.base import utc_now
from db.models.model import Model
from db.repositories import ingestion

pytestmark = pytest.mark.each_database

Raw = Callable[..., Any]


@pytest.fixture
def client(app: TestClient, sign_in: Callable[..., Client]) -> Client:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        session.add(Model(name="pcb", item_kind="tabular", segment_keys=["line"], metrics=["blur"]))
        session.add(
            Model(
                name="locked",
                item_kind="tabular",
                is_schema_locked=True,
                inputs=[{"name": "a", "type": "number"}, {"name": "c", "type": "string"}],
            )
        )
    return sign_in("data_scientist")


@pytest.fixture
def post(client: Client) -> Raw:
    """post(body, content_type=..., **headers) sends raw bytes and returns the answer."""

    def send(body: bytes | str, content_type: str = "application/json", model: str = "pcb", **headers: str) -> Any:
        content = body.encode() if isinstance(body, str) else body
        return client.transport.http.request(
            "POST",
            "/v1/predictions",
            content=content,
            params={"model": model},
            headers={
                "Content-Type": content_type,
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )

    return send


def event(**fields: Any) -> dict[str, Any]:
    return {"version": "v1", "inputs": {"a": 1.5, "c": "x"}, "prediction": "ok", **fields}


def stored(client: Client, model: str = "pcb", **filters: Any) -> list[dict[str, Any]]:
    now = utc_now()
    return client.predictions.list(model, now - timedelta(days=30), now + timedelta(hours=2), **filters).events


def test_one_event_is_stored_and_read_back_with_its_inputs(client: Client) -> None:
    at = datetime(2026, 11, 1, 12, 0, tzinfo=UTC) if utc_now().year == 2026 else utc_now() - timedelta(days=1)
    made = client.predictions.log(event(id="e1", happened_at=at.isoformat(), segments={"line": "L1"}), model="pcb")
    assert (made.id, made.status) == ("e1", "new")
    row = client.predictions.get("pcb", "e1")
    assert (row["in_a"], row["in_c"], row["seg_line"], row["prediction"]) == (1.5, "x", "L1", "ok")
    assert datetime.fromisoformat(row["happened_at"]) == at


def test_an_event_without_an_id_gets_one_that_finds_it(client: Client) -> None:
    made = client.predictions.log(event(model="pcb"))
    assert client.predictions.get("pcb", made.id)["version"] == "v1"


def test_the_same_event_again_counts_once_and_another_under_its_id_is_a_conflict(client: Client, post: Raw) -> None:
    body = json.dumps(event(id="e1"))
    assert [post(body).status_code for _ in range(3)] == [201, 200, 200]
    assert post(json.dumps(event(id="e1", prediction="bad"))).status_code == 409
    assert [row["prediction"] for row in stored(client)] == ["ok"]


def test_a_list_answers_per_item_in_order(client: Client, post: Raw) -> None:
    client.predictions.log(event(id="old"), model="pcb")
    items = [event(id="n1"), event(id="old"), event(id="old", prediction="z"), event(version=3), event(id="n1")]
    answer = post(json.dumps(items))
    body = answer.json()
    assert answer.status_code == 207
    assert (body["n"], body["n_new"], body["n_duplicate"], body["n_refused"]) == (5, 1, 2, 2)
    assert [(item["index"], item["status"]) for item in body["results"]] == [(1, 200), (2, 409), (3, 422), (4, 200)]


@pytest.mark.parametrize("form", ["list", "ndjson"])
def test_bulk_that_is_all_new_answers_201_compactly(client: Client, post: Raw, form: str) -> None:
    events = [event(id=f"e{n}") for n in range(20)]
    body = json.dumps(events) if form == "list" else "\n".join(map(json.dumps, events)) + "\n"
    answer = post(body, "application/json" if form == "list" else "application/x-ndjson")
    assert answer.status_code == 201
    assert answer.json() == {"n": 20, "n_new": 20, "n_duplicate": 0, "n_refused": 0, "results": []}
    assert len(stored(client)) == 20


def test_a_retried_request_with_the_same_key_gets_the_same_answer(client: Client, post: Raw) -> None:
    body = "\n".join(json.dumps(event()) for _ in range(3))
    first = post(body, "application/x-ndjson", Idempotency_Key="k1")
    again = post(body, "application/x-ndjson", Idempotency_Key="k1")
    other = post(body + "\n" + json.dumps(event()), "application/x-ndjson", Idempotency_Key="k1")
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.content == again.content
    assert len(stored(client)) == 3


def nested(depth: int) -> str:
    return '{"version":"v1","inputs":{"free":' + "[" * depth + "1" + "]" * depth + "}}"


HOSTILE = [
    ("nan", '{"version":"v1","inputs":{"a":NaN}}', 400),
    ("infinity", '{"version":"v1","score":Infinity}', 400),
    ("too large for a double", '{"version":"v1","inputs":{"a":1e400}}', 422),
    ("integer beyond 64 bits", '{"version":"v1","inputs":{"a":18446744073709551616}}', 422),
    ("big integer in free JSON", '{"version":"v1","inputs":{"free":{"x":1%s}}}' % ("0" * 30), 422),
    ("lone surrogate", '{"version":"v1","subject_id":"\\ud800"}', 422),
    ("lone surrogate in a free key", '{"version":"v1","inputs":{"\\udc00":1}}', 422),
    ("escaped NUL", '{"version":"v1","error":"\\u0000"}', 422),
    ("NUL in a segment", '{"version":"v1","segments":{"other":"\\u0000"}}', 422),
    ("duplicate key", '{"version":"v1","version":"v2"}', 400),
    ("duplicate key inside", '{"version":"v1","inputs":{"a":1,"a":2}}', 400),
    ("deeply nested", nested(70), 422),
    ("bomb", nested(50_000), 422),
    ("text for a number", '{"version":"v1","score":"0.5"}', 422),
    ("true for a number", '{"version":"v1","latency_ms":true}', 422),
    ("number for text", '{"version":"v1","prediction":1}', 422),
    ("number for a version", '{"version":1}', 422),
    ("unknown field", '{"version":"v1","colour":"red"}', 422),
    ("no version", '{"prediction":"ok"}', 422),
    ("time without a zone", '{"version":"v1","happened_at":"2026-01-01T00:00:00"}', 422),
    ("no such day", '{"version":"v1","happened_at":"2026-02-30T00:00:00Z"}', 422),
    ("year 1", '{"version":"v1","happened_at":"0001-01-01T00:00:00Z"}', 422),
    ("year 9999", '{"version":"v1","happened_at":"9999-12-31T23:59:59Z"}', 422),
    ("negative latency", '{"version":"v1","latency_ms":-1}', 422),
    ("more than certain", '{"version":"v1","assignment_probability":1.5}', 422),
    ("probability below zero", '{"version":"v1","assignment_probability":-0.1}', 422),
    ("unknown role", '{"version":"v1","role":"king"}', 422),
    ("long id", json.dumps({"version": "v1", "id": "x" * 201}), 422),
    ("bad artifact", '{"version":"v1","artifacts":["abc"]}', 422),
    ("not JSON", '{"version":', 400),
    ("trailing comma", '{"version":"v1",}', 400),
]


@pytest.mark.parametrize(("body", "status"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_events_are_refused_with_a_reason(client: Client, post: Raw, body: str, status: int) -> None:
    single = post(body)
    assert single.status_code == status, single.text
    assert single.json()["error"]["message"]
    good = json.dumps(event(id="good"))
    bulk = post(f"{good}\n{body}\n", "application/x-ndjson")
    assert bulk.status_code == 207, bulk.text
    assert [(item["index"], item["status"]) for item in bulk.json()["results"]] == [(1, status)]
    assert [row["event_id"] for row in stored(client)] == ["good"]


def test_refused_rows_are_readable_with_reason_and_pointer(client: Client, post: Raw) -> None:
    client.predictions.log(event(), model="pcb")
    post(json.dumps(event(inputs={"a": "seven"})))
    post("\n".join([json.dumps(event()), json.dumps(event(inputs={"a": [1]}))]), "application/x-ndjson")
    rows = client.predictions.quarantine("pcb")
    assert [(row.code, row.pointer) for row in rows] == [("type_changed", "/inputs/a")] * 2
    assert json.loads(rows[-1].raw)["inputs"] == {"a": "seven"}
    assert {(n.field, n.change, n.n_events) for n in client.predictions.notices("pcb")} >= {("a", "type_changed", 2)}


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/csv", b"a,b", 415),
        ("application/json; charset=utf-16", b"{}", 415),
        ("application/json", '{"version":"v1"}'.encode("utf-16"), 400),
        ("application/x-ndjson", '{"version":"v1"}\n{"version":"v1"}'.encode("utf-16"), 400),
        ("application/json", b'{"version":"\xff"}', 400),
        ("application/json", b"", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"3", 400),
        ("application/json", b"[1]", 400),
        ("application/x-ndjson", b"\n\n", 400),
        ("application/vnd.apache.arrow.stream", b"not arrow", 400),
        ("application/json", b'{"version":"' + b"x" * 2**21 + b'"}', 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies_that_cannot_be_read_are_refused(post: Raw, content_type: str, body: bytes, status: int) -> None:
    assert post(body, content_type).status_code == status


def test_an_unknown_model_is_not_found(post: Raw) -> None:
    assert post(json.dumps(event()), model="nobody").status_code == 404
    assert post(json.dumps([event()]), model="nobody").status_code == 404


def test_a_locked_model_keeps_unknown_fields_as_extra_and_says_so(client: Client) -> None:
    client.predictions.log(event(id="e1", inputs={"a": 1, "c": "x", "new": 7}), model="locked")
    client.predictions.log(event(id="e2", inputs={"a": 1, "c": "x", "new": 8}), model="locked")
    assert client.predictions.get("locked", "e1")["extra"] == {"inputs": {"new": 7}}
    notices = client.predictions.notices("locked")
    assert [(n.field, n.change, n.n_events, n.details["kept_in"]) for n in notices] == [
        ("new", "new_field", 2, "extra")
    ]


def test_an_open_model_learns_its_inputs_and_new_ones(client: Client) -> None:
    client.predictions.log(event(id="e1"), model="pcb")
    client.predictions.log(event(id="e2", inputs={"a": 2, "c": "y", "d": True}), model="pcb")
    assert client.predictions.get("pcb", "e2")["in_d"] is True
    assert client.predictions.get("pcb", "e1")["in_d"] is None
    assert {n.field for n in client.predictions.notices("pcb")} == {"a", "c", "d"}


def test_pages_follow_each_other_without_gap_or_repeat(client: Client) -> None:
    at = (utc_now() - timedelta(hours=1)).isoformat()
    client.predictions.log_many([event(id=f"e{n:02}", happened_at=at) for n in range(25)], model="pcb")
    now, seen, cursor = utc_now(), [], None
    while True:
        page = client.predictions.list("pcb", now - timedelta(days=1), now, limit=10, cursor=cursor)
        seen += [row["event_id"] for row in page.events]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"e{n:02}" for n in reversed(range(25))]


def test_filters_pick_rows_and_refuse_unknown_columns(client: Client) -> None:
    client.predictions.log_many([event(id=f"e{n}", score=n / 10) for n in range(10)], model="pcb")
    assert {row["event_id"] for row in stored(client, where='[["score", "ge", 0.8]]')} == {"e8", "e9"}
    with pytest.raises(ApiError) as refused:
        stored(client, where='[["nothing", "eq", 1]]')
    assert refused.value.status == 422


def arrow_stream(columns: dict[str, Any]) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ARROW = "application/vnd.apache.arrow.stream"


def test_an_arrow_stream_stores_what_the_same_json_would(client: Client, post: Raw) -> None:
    at = utc_now() - timedelta(hours=1)
    stream = arrow_stream(
        {
            "id": ["a1", "a2"],
            "version": pa.array(["v1", "v1"]).dictionary_encode(),
            "happened_at": pa.array([at, at], pa.timestamp("ms", tz="Asia/Ho_Chi_Minh")),
            "prediction": ["ok", None],
            "in_a": pa.array([1, 2], pa.int32()),
            "in_c": ["x", "y"],
            "seg_line": ["L1", "L2"],
        }
    )
    assert post(stream, ARROW).status_code == 201
    assert post(stream, ARROW).status_code == 200
    rows = {row["event_id"]: row for row in stored(client)}
    assert (rows["a1"]["in_a"], rows["a2"]["is_null_output"], rows["a2"]["seg_line"]) == (1.0, True, "L2")
    assert abs(datetime.fromisoformat(rows["a1"]["happened_at"]) - at) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"version": ["v1"], "happened_at": pa.array([0], pa.timestamp("us"))}, 422),
        ({"version": ["v1"], "score": ["0.5"]}, 422),
        ({"version": ["v1"], "score": [float("nan")]}, 422),
        ({"version": ["v1"], "colour": ["red"]}, 422),
        ({"version": ["v1"], "in_c": ["a\0b"]}, 422),
        ({"version": pa.array([None], pa.string())}, 422),
        ({"version": ["v1"], "role": ["king"]}, 422),
        ({"version": ["v1"], "assignment_probability": [1.5]}, 422),
    ],
    ids=["time without zone", "text score", "nan", "unknown column", "nul", "no version", "role", "probability"],
)
def test_arrow_columns_that_do_not_fit_are_refused(post: Raw, columns: dict[str, Any], status: int) -> None:
    assert post(arrow_stream(columns), ARROW).status_code == status


def test_one_bad_row_among_many_is_named_and_the_others_are_stored(client: Client, post: Raw) -> None:
    post(json.dumps(event()))
    lines = [json.dumps(event(id=f"e{n}")) for n in range(3000)]
    lines[1234] = json.dumps(event(id="e1234", score="high"))
    answer = post("\n".join(lines), "application/x-ndjson").json()
    assert (answer["n"], answer["n_new"], answer["n_refused"]) == (3000, 2999, 1)
    assert [(item["index"], item["pointer"]) for item in answer["results"]] == [(1234, "/score")]


def test_a_fast_batch_and_single_rows_are_stored_alike(client: Client, post: Raw) -> None:
    at = (utc_now() - timedelta(hours=1)).isoformat()
    whole = event(
        happened_at=at,
        score=0.25,
        scores={"ok": 0.75, "bad": 0.25},
        latency_ms=3,
        segments={"line": "L1", "x": "y"},
        metrics={"blur": 1.5, "other": 2},
        inputs={"a": 7, "c": "é", "new": 1, "flag": True},
        status="error",
        error="E1",
        is_cached=False,
        artifacts=["0" * 64],
        subject_id="s",
        request_id="r",
        champion_prediction="bad",
        role="canary",
        assignment_probability=0.05,
    )
    post(json.dumps({**whole, "id": "one"}), model="locked")
    answer = post("\n".join(json.dumps({**whole, "id": f"b{n}"}) for n in range(50)), "application/x-ndjson", "locked")
    assert answer.status_code == 201
    rows = stored(client, "locked")
    one = next(row for row in rows if row["event_id"] == "one")
    for row in rows:
        assert {**row, "event_id": "", "logged_at": ""} == {**one, "event_id": "", "logged_at": ""}
    again = post("\n".join(json.dumps({**whole, "id": "one"}) for _ in range(3)), "application/x-ndjson", "locked")
    assert again.status_code == 200


def test_a_database_that_does_not_answer_is_503_and_a_retry_stores_once(
    client: Client, post: Raw, app: TestClient
) -> None:
    client.predictions.log(event(id="before"), model="pcb")
    database = app.app.state.services.database  # type: ignore[attr-defined]
    body = json.dumps(event(id="during"))
    with database.write() as session:
        if not database.is_sqlite:
            session.execute(text("LOCK TABLE event_batches IN ACCESS EXCLUSIVE MODE"))
        begin = time.monotonic()
        refused = post(body)
        assert time.monotonic() - begin < 3.5
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
    until = time.monotonic() + 10
    while post(body).status_code not in (200, 201) and time.monotonic() < until:
        time.sleep(0.1)
    assert sorted(row["event_id"] for row in stored(client)) == ["before", "during"]


def test_a_full_disk_is_507(client: Client, post: Raw, app: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.predictions.log(event(id="before"), model="pcb")

    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr("db.repositories.event_batches.insert_batch", full)
        assert post(json.dumps(event(id="during"))).status_code == 507
        assert [row["event_id"] for row in stored(client)] == ["before"]
    assert post(json.dumps(event(id="during"))).status_code == 201


def test_every_row_that_is_not_stored_is_counted_by_reason(client: Client, post: Raw, app: TestClient) -> None:
    good, bad = json.dumps(event(id="a")), json.dumps(event(score="x"))
    post("\n".join([good, good, bad, bad, json.dumps(event(version=None))]), "application/x-ndjson")
    with app.app.state.services.database.read() as session:  # type: ignore[attr-defined]
        rows = ingestion.list_counts(session, utc_now() - timedelta(minutes=5), utc_now(), model_name="pcb")
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.reason] = counts.get(row.reason, 0) + row.n_events
    assert counts == {"accepted": 1, "duplicate": 1, "wrong_type": 2, "missing_field": 1}


def test_inspectors_and_viewers_may_not_log_or_read(sign_in: Callable[..., Client], client: Client) -> None:
    for role in ("viewer", "inspector"):
        person = sign_in(role)
        for call in (
            lambda person=person: person.predictions.log(event(), model="pcb"),
            lambda person=person: person.predictions.quarantine(),
            lambda person=person: person.predictions.get("pcb", "x"),
        ):
            with pytest.raises(ApiError) as refused:
                call()
            assert refused.value.status == 403
