"""OTLP/HTTP through the running app: what is stored, counted once, rejected with its reason, and refused whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from backend.client import Client
from backend.pipelines import otlp
from tests.pipelines.conftest import AT, export, make_span

Send = Callable[..., Any]
PROTOBUF = "application/x-protobuf"


@pytest.fixture
def send(client: Client) -> Send:
    """send(body, content_type, **headers) posts an export with the scientist's session."""

    def post(body: bytes, content_type: str = PROTOBUF, query: str = "", **headers: str) -> Any:
        sent = {"Content-Type": content_type, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return client.transport.http.post(f"/v1/traces{query}", content=body, headers=sent)

    return post


def partial(answer: Any) -> tuple[int, str]:
    assert answer.status_code == 200, answer.content
    assert answer.headers["content-type"] == PROTOBUF
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    return told.rejected_spans, told.error_message


def rows(client: Client, model: str) -> list[dict[str, Any]]:
    return client.predictions.list(model, AT - timedelta(days=1), AT + timedelta(days=1)).events


TRACE = (
    make_span(
        7, 1, "vad", took_ms=2.5, attributes={"soi.prediction": 0.41, "soi.input.duration_s": 0.8, "soi.version": "1"}
    ),
    make_span(
        7,
        2,
        "recogniser",
        at_ms=3,
        took_ms=11,
        attributes={
            "soi.prediction": 7,
            "soi.score": 0.93,
            "soi.subject_id": "s1",
            "soi.input.speech_s": 0.41,
            "soi.metric.margin": 2.5,
            "soi.segment.speaker": "an",
        },
    ),
)


def test_a_trace_becomes_one_event_per_step(client: Client, send: Send) -> None:
    assert partial(send(export(*TRACE, resource={"service.version": "2026.5"}))) == (0, "")
    vad, digits = rows(client, "vad")[0], rows(client, "digits")[0]
    assert (vad["trace_id"], vad["step"], vad["version"]) == (f"{7:032x}", "vad", "1")
    assert (vad["latency_ms"], vad["prediction_number"], vad["in_duration_s"]) == (2.5, 0.41, 0.8)
    assert digits["event_id"] == f"{7:032x}-{2:016x}"
    assert datetime.fromisoformat(digits["happened_at"]) == AT + timedelta(milliseconds=3)
    assert (digits["prediction"], digits["score"], digits["seg_speaker"]) == ("7", 0.93, "an")
    assert (digits["version"], digits["subject_id"], digits["status"]) == ("2026.5", "s1", "ok")
    assert digits["extra"] == {"metrics": {"margin": 2.5}}


def test_the_same_export_again_counts_once_and_other_content_is_rejected(client: Client, send: Send) -> None:
    for _ in range(3):
        assert partial(send(export(*TRACE))) == (0, "")
    changed = make_span(7, 1, "vad", took_ms=99)
    assert partial(send(export(changed))) == (1, "1 x another span was stored under this trace and span id")
    assert [row["latency_ms"] for row in rows(client, "vad")] == [2.5]


def as_json() -> dict[str, Any]:
    start = int(AT.timestamp()) * 1_000_000_000
    value = {"stringValue": "3"}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.version", "value": {"stringValue": "v9"}}]},
                "futureField": {"is": "ignored"},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5B8EFFF798038103D269B633813FC60C",
                                "spanId": "EEE19B7EC3C1B174",
                                "name": "recogniser",
                                "kind": 2,
                                "startTimeUnixNano": str(start),
                                "endTimeUnixNano": start + 4_000_000,
                                "attributes": [
                                    {"key": "soi.prediction", "value": value},
                                    {"key": "soi.input.speech_s", "value": {"intValue": "2"}},
                                    {"key": "tags", "value": {"arrayValue": {"values": [value]}}},
                                ],
                                "events": [{"name": "exception", "attributes": [{"key": "exception.message"}]}],
                                "status": {"code": 2, "message": "upstream timeout"},
                            }
                        ]
                    }
                ],
            }
        ]
    }


def test_json_is_read_with_hex_ids_and_answered_in_json(client: Client, send: Send) -> None:
    answer = send(json.dumps(as_json()).encode(), "application/json; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {})
    row = rows(client, "digits")[0]
    assert row["event_id"] == "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174"
    assert (row["prediction"], row["in_speech_s"], row["latency_ms"], row["version"]) == ("3", 2.0, 4.0, "v9")
    assert (row["status"], row["error"]) == ("timeout", "upstream timeout")
    unknown = as_json()
    unknown["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] = "GET /"
    told = send(json.dumps(unknown).encode(), "application/json").json()["partialSuccess"]
    assert told == {"rejectedSpans": "1", "errorMessage": '1 x no pipeline has a step for the span "GET /"'}


def test_gzip_is_unpacked_and_a_bomb_stops_at_the_limit(client: Client, send: Send) -> None:
    assert partial(send(gzip.compress(export(*TRACE)), content_encoding="gzip")) == (0, "")
    bomb = gzip.compress(bytes(otlp.MAX_BODY_BYTES * 4))
    assert len(bomb) < 100_000
    answer = send(bomb, content_encoding="gzip")
    assert answer.status_code == 413
    for broken in (b"no gzip", gzip.compress(export(*TRACE))[:-20]):
        assert send(broken, content_encoding="gzip").status_code == 400
    assert send(export(*TRACE), content_encoding="br").status_code == 415


def test_spans_of_no_step_are_counted_kept_readable_and_do_not_hold_up_the_others(client: Client, send: Send) -> None:
    strangers = [make_span(8, 10 + i, "GET /health") for i in range(30)]
    early = make_span(8, 2, "recogniser", took_ms=-1)
    wordy = make_span(8, 3, "vad", attributes={"soi.input.duration_s": "long"})
    n, message = partial(send(export(*TRACE, *strangers, early, wordy)))
    assert n == 32
    assert message.startswith('30 x no pipeline has a step for the span "GET /health"; ')
    assert "1 x the span ends before it starts" in message
    assert len(rows(client, "vad")) == 1
    kept = client.predictions.quarantine()
    assert sorted({row.code for row in kept}) == ["bad_time", "type_changed", "unknown_step"]
    assert sum(row.code == "unknown_step" for row in kept) == 20
    assert {row.model for row in kept} == {"", "digits", "vad"}
    health = client.ingestion.health(AT - timedelta(days=1), datetime.now(AT.tzinfo) + timedelta(minutes=1))
    assert {reason: sum(line) for reason, line in health.series.refused.items()} == {
        "unknown_step": 30,
        "bad_time": 1,
        "type_changed": 1,
    }


def test_a_pipelines_own_attributes_come_before_the_defaults(client: Client, send: Send) -> None:
    client.pipelines.change(
        "speech",
        mapping={"step": ["component"], "prediction": ["app.answer"], "inputs": {"speech_s": "app.seconds"}},
    )
    attributes = {"component": "recogniser", "app.answer": "4", "app.seconds": 0.3, "soi.prediction": "9"}
    attributes["gen_ai.request.model"] = "small-1"
    attributes["gen_ai.usage.output_tokens"] = 12
    assert partial(send(export(make_span(9, 1, "classify", attributes=attributes)))) == (0, "")
    row = rows(client, "digits")[0]
    assert (row["prediction"], row["in_speech_s"], row["version"]) == ("4", 0.3, "small-1")
    assert row["extra"] == {"metrics": {"output_tokens": 12.0}}


def test_a_pipeline_can_be_named_and_one_of_the_same_step_names_must_be(client: Client, send: Send) -> None:
    client.models.create(name="letters", item_kind="audio")
    client.pipelines.create(name="spelling", steps=[{"name": "recogniser", "model": "letters"}])
    span = make_span(5, 1, "recogniser", attributes={"soi.prediction": "a"})
    n, message = partial(send(export(span)))
    assert (n, "several pipelines" in message) == (1, True)
    assert partial(send(export(span), query="?pipeline=spelling")) == (0, "")
    assert partial(send(export(make_span(5, 2, "recogniser")), soi_pipeline="speech")) == (0, "")
    assert partial(send(export(make_span(5, 3, "recogniser"), resource={"service.name": "spelling"}))) == (0, "")
    assert (len(rows(client, "letters")), len(rows(client, "digits"))) == (2, 1)
    n, message = partial(send(export(span), query="?pipeline=nowhere"))
    assert (n, message) == (1, '1 x there is no pipeline "nowhere"')


def test_a_key_narrowed_to_other_models_finds_no_step(client: Client, app: Any, make_key: Callable[..., str]) -> None:
    def answer(key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": PROTOBUF}
        return app.post("/v1/traces", content=export(*TRACE), headers=headers)

    assert partial(answer(make_key("events:write", models=["vad"])))[0] == 2
    assert partial(answer(make_key("events:write"))) == (0, "")
    assert answer(make_key("events:read")).status_code == 403
    assert answer("soi_nobody").status_code == 401


BROKEN = [
    ("not protobuf", b"\xff\xff\xff\xff", PROTOBUF, 400),
    ("a length beyond the end", b"\x0a\x7fabc", PROTOBUF, 400),
    ("a varint without end", b"\x0a" + b"\x80" * 12, PROTOBUF, 400),
    ("a span that is no span", b"\x0a\x06\x12\x04\x12\x02\x0a\x09", PROTOBUF, 400),
    ("text that is not UTF-8", export(make_span(1, 1, "vad")).replace(b"vad", b"\xff\xfe\xfd"), PROTOBUF, 400),
    ("too many spans", b"\x0a\xc4\x93\x0c\x12\xc0\x93\x0c" + b"\x12\x00" * 100_000, PROTOBUF, 413),
    ("no JSON", b"{", "application/json", 400),
    ("JSON of another kind", b"[1]", "application/json", 400),
    ("spans that are no list", b'{"resourceSpans": {"a": 1}}', "application/json", 400),
    ("a number as name", b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":3}]}]}]}', "application/json", 400),
    ("NaN", b'{"resourceSpans": NaN}', "application/json", 400),
    ("half a surrogate pair", b'{"resourceSpans":[{"\\ud800":1}]}', "application/json", 400),
    ("nested", b'{"resourceSpans":' + b"[" * 5000 + b"]" * 5000 + b"}", "application/json", 400),
    ("another type", b"", "text/plain", 415),
    ("too large", b"\x0a" + bytes(otlp.MAX_BODY_BYTES + 1), PROTOBUF, 413),
]


def test_a_broken_export_is_refused_whole_in_the_encoding_it_came_in(send: Send, client: Client) -> None:
    for what, body, content_type, status in BROKEN:
        answer = send(body, content_type)
        assert answer.status_code == status, what
        if content_type == PROTOBUF:
            assert answer.headers["content-type"] == PROTOBUF
            assert (answer.content[0], answer.content[2]) == (0x08, 0x12), what
        else:
            assert answer.json()["message"] == answer.json()["error"]["message"], what
    assert rows(client, "vad") == []


def test_an_empty_export_is_a_success(send: Send) -> None:
    assert send(b"").content == b""
    assert send(b"{}", "application/json").json() == {}


def test_a_span_with_hostile_text_is_rejected_alone(client: Client, send: Send) -> None:
    spans = [
        make_span(3, 1, "a\0b"),
        make_span(3, 2, "recogniser", attributes={"soi.prediction": "\0"}),
        make_span(3, 3, "recogniser", attributes={"soi.input.speech_s": float("nan"), "soi.prediction": "1"}),
        make_span(3, 4, "recogniser", attributes={"soi.metric.m": float("inf"), "soi.segment.\0": "x"}),
        make_span(0, 5, "recogniser"),
        make_span(3, 6, "vad", attributes={"soi.version": "x" * 5000}),
    ]
    n, _ = partial(send(export(*spans)))
    assert n == 5
    assert [(row["prediction"], row["in_speech_s"]) for row in rows(client, "digits")] == [("1", None)]


def test_an_export_larger_than_a_portion_is_stored_whole(client: Client, send: Send) -> None:
    spans = [make_span(trace, 1, "vad", at_ms=trace) for trace in range(1, 4_501)]
    assert partial(send(gzip.compress(export(*spans)), content_encoding="gzip")) == (0, "")
    found = client.monitors.series("vad", "requests", AT - timedelta(days=1), AT + timedelta(days=1), grain_s=86_400)
    assert sum(value or 0 for value in found.lines[0].value) == 4_500
