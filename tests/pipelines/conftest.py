"""A two-step pipeline (voice activity detection -> recogniser) and spans of it as an exporter sends them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.auth.tokens import hash_token, new_key
from backend.client import Client
from db.models.person import ApiKey

DIGITS = [{"name": str(digit)} for digit in range(10)]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(app: TestClient, sign_in: Callable[..., Client]) -> Client:
    """A data scientist's client on a server that knows the pipeline `speech`."""
    made = sign_in("data_scientist")
    made.models.create(
        name="vad",
        item_kind="audio",
        output_kind="number",
        inputs=[{"name": "duration_s", "type": "number"}],
        metrics=["edge_db"],
    )
    made.models.create(
        name="digits",
        item_kind="audio",
        labels=DIGITS,
        inputs=[{"name": "speech_s", "type": "number"}],
        segment_keys=["speaker"],
    )
    made.pipelines.create(
        name="speech", steps=[{"name": "vad", "model": "vad"}, {"name": "recogniser", "model": "digits"}]
    )
    return made


@pytest.fixture
def make_key(app: TestClient) -> Callable[..., str]:
    """make_key("events:write", models=[...]) is a new API key."""

    def make(*scopes: str, models: list[str] | None = None) -> str:
        key = new_key()
        with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
            session.add(ApiKey(name="k", key_hash=hash_token(key), prefix=key[:10], scopes=list(scopes), models=models))
        return key

    return make


def make_span(trace: int, number: int, name: str, *, at_ms: float = 0, took_ms: float = 5, **more: Any) -> Any:
    """An opentelemetry-proto span; `attributes`, `error` and `exception` are optional."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    start = int(AT.timestamp()) * 1_000_000_000 + int(at_ms * 1e6)
    span = Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(took_ms * 1e6),
    )
    put(span.attributes, more.get("attributes", {}))
    if "error" in more:
        span.status.code, span.status.message = 2, more["error"]
    return span


def put(pairs: Any, attributes: dict[str, Any]) -> None:
    kinds = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}
    for key, value in attributes.items():
        pair = pairs.add()
        pair.key = key
        setattr(pair.value, kinds[type(value)], value)


def export(*spans: Any, resource: dict[str, Any] | None = None) -> bytes:
    """An ExportTraceServiceRequest as an exporter serialises it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, resource or {})
    group.scope_spans.add().spans.extend(spans)
    return bytes(request.SerializeToString())
