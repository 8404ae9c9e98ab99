"""A recorded API: answers what the screens ask with fixed, plausible data, built from the API's own shapes, so that a
shape that changes breaks the fake first. Keeps every request for tests to look at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import BaseModel

from backend.alerts import schemas as alerts
from backend.api_keys.schemas import ApiKeyMade, ApiKeyRead
from backend.audit.schemas import AuditCheck, AuditLine
from backend.auth.rules import PERMISSIONS
from backend.auth.schemas import Account
from backend.channels.schemas import ChannelMade, ChannelOut, TestSent
from backend.comparisons import schemas as comparisons
from backend.decisions.schemas import DecisionOut
from backend.embeddings import schemas as embeddings
from backend.feedback.schemas import FeedbackOut
from backend.ground_truth.schemas import TruthOut
from backend.ingestion.schemas import IngestionHealth, IngestionSeries, ModelIngestion
from backend.labelled_data import schemas as labelled
from backend.model_versions.schemas import VersionRead
from backend.models.schemas import InputFieldRead, LabelRead, ModelRead
from backend.monitors import schemas as monitors
from backend.outbox.schemas import MessageOut, MessagePage
from backend.performance import schemas as performance
from backend.predictions.schemas import EventPage, Notice, QuarantineRow
from backend.processes.schemas import ProcessOut, ProcessSeries
from backend.rollouts.schemas import RolloutRead
from backend.users.schemas import UserMade, UserRead
from tests.dashboard import fake_automation, fake_drift, fake_judges, fake_pipelines

NOW = datetime(2026, 3, 20, 10, 0, tzinfo=UTC)
Answer = Callable[..., Any]


class FakeApi:
    """A handler for httpx.MockTransport. `role`, `language` and `is_empty` choose what it answers; `broken` makes every
    path that starts so answer 503."""

    def __init__(self, role: str = "admin", language: str | None = None, *, is_empty: bool = False) -> None:
        self.role, self.language, self.is_empty = role, language, is_empty
        self.requests: list[httpx.Request] = []
        self.broken: set[str] = set()
        self.is_signed_out = False
        self.has_no_reference = False
        self.measures_nothing = False
        self.automation: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if self.is_signed_out:
            return _error(401, "not_authenticated", "sign in")
        if any(path.startswith(prefix) for prefix in self.broken):
            return _error(503, "unavailable", "the database did not answer")
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and request.method == method:
                return _json(answer(self, request, **found.groupdict()))
        return _error(404, "not_found", f"the fake has no {request.method} {path}")

    def asked(self, path: str) -> list[httpx.Request]:
        """The requests made to a path."""
        return [request for request in self.requests if request.url.path == path]


def _json(body: Any) -> httpx.Response:
    return httpx.Response(200, json=_plain(body))


def _plain(body: Any) -> Any:
    if isinstance(body, BaseModel):
        return body.model_dump(mode="json")
    if isinstance(body, list):
        return [_plain(item) for item in body]
    return body


def _error(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message, "details": {}}})


def me(api: FakeApi, _: httpx.Request) -> Account:
    return Account(
        kind="user",
        id="u1",
        name="An Nguyễn",
        email="an@example.org",
        role=api.role,
        language=api.language,
        timezone="Asia/Ho_Chi_Minh",
        permissions=sorted(name for name, roles in PERMISSIONS.items() if api.role in roles),
    )


def change_me(api: FakeApi, request: httpx.Request) -> Account:
    api.language = json.loads(request.content).get("language", api.language)
    return me(api, request)


LABELS = [
    LabelRead(name="ok", title={"en": "Good", "vi": "Đạt"}, key="1"),
    LabelRead(name="open", title={"en": "Open", "vi": "Đứt mạch"}, is_defect=True, key="2"),
    LabelRead(name="short", title={"en": "Short", "vi": "Ngắn mạch"}, is_defect=True, key="3"),
]


def model_list(api: FakeApi, _: httpx.Request) -> list[ModelRead]:
    return [] if api.is_empty else [_model("pcb-inspection"), _model("solder-joint"), _model("text-intent")]


def _model(name: str) -> ModelRead:
    return ModelRead(
        id=f"id-{name}",
        name=name,
        title={"en": name.replace("-", " ").title(), "vi": f"Kiểm tra {name}"},
        item_kind="image",
        output_kind="label",
        labels=LABELS,
        inputs=[
            InputFieldRead(name="brightness", type="number", minimum=0.5),
            InputFieldRead(name="focus", type="number", required=True),
            InputFieldRead(name="speed", type="number"),
        ],
        metrics=["focus"],
        segment_keys=["line", "camera"],
        null_outputs=[""],
        is_schema_locked=False,
        schema_version=1,
        settings={},
        created_at=NOW - timedelta(days=60),
    )


def figure(value: float | None, previous: float | None = None, **more: Any) -> monitors.Figure:
    return monitors.Figure(value=value, previous=previous, **more)


def _rate(value: float, previous: float, lower: float) -> monitors.Figure:
    return figure(value, previous, n=48_213, lower=lower, upper=2 * value - lower)


def summary(api: FakeApi, _: httpx.Request) -> monitors.Summary:
    found = [] if api.is_empty else [_summary("pcb-inspection", "bad"), _summary("solder-joint", "ok"), _silent()]
    return monitors.Summary(start=NOW - timedelta(days=1), end=NOW, models=found)


def _summary(name: str, state: str) -> monitors.ModelSummary:
    is_bad = state == "bad"
    reasons = [
        monitors.Complaint(
            incident_id="i1",
            rule_name="error_rate",
            title_key="alerts.template.error_rate",
            measure="error_rate",
            unit="share",
            series="",
            series_of="",
            state="bad",
            value=0.021,
            reference=0.004,
            opened_at=NOW,
        )
    ]
    return monitors.ModelSummary(
        model=name,
        title={"en": name.replace("-", " ").title(), "vi": f"Kiểm tra {name}"},
        item_kind="image",
        state=state,
        reasons=reasons if is_bad else [],
        champion="v3",
        automation_level="shadow" if is_bad else "partial",
        events=figure(48_213, 46_870, n=48_213),
        latency_p95=figure(212.4 if is_bad else 48.2, 96.0 if is_bad else 49.1),
        error_rate=_rate(0.021, 0.004, lower=0.0205) if is_bad else _rate(0.0012, 0.0016, lower=0.001),
        null_output_rate=_rate(0.234, 0.002, lower=0.23) if is_bad else _rate(0.0, 0.0, lower=0.0),
        missing_rate=figure(0.0004, 0.0004),
        human_ai_agreement=figure(0.931, 0.944, n=1204, lower=0.915, upper=0.944),
        waiting_tasks=37 if is_bad else 4,
        waiting_adjudications=6 if is_bad else 0,
        last_event_at=NOW - timedelta(seconds=40),
    )


def _silent() -> monitors.ModelSummary:
    nothing = monitors.Figure()
    return _summary("text-intent", "no_data").model_copy(
        update={
            "reasons": [],
            "champion": None,
            "automation_level": None,
            "last_event_at": None,
            "events": nothing,
            "latency_p95": nothing,
            "error_rate": nothing,
            "null_output_rate": nothing,
            "missing_rate": nothing,
            "human_ai_agreement": nothing,
            "waiting_tasks": 0,
            "waiting_adjudications": 0,
        }
    )


MEASURES = (
    ("requests", "software", "count", "none", "area", None),
    ("latency_p50", "software", "ms", "up", "line", None),
    ("latency_p95", "software", "ms", "up", "line", None),
    ("latency_p99", "software", "ms", "up", "line", None),
    ("error_rate", "software", "share", "up", "line", None),
    ("latency_heatmap", "software", "count", "none", "heatmap", "band"),
    ("missing_rate", "input", "share", "up", "line", None),
    ("missing_rate_by_field", "input", "share", "up", "line", "field"),
    ("out_of_range_rate", "input", "share", "up", "line", "field"),
    ("refused_rate_by_reason", "input", "share", "up", "stacked", "reason"),
    ("image_brightness", "media", "level", "none", "line", None),
    ("metric_mean", "metric", "number", "none", "line", "metric"),
    ("score_heatmap", "output", "count", "none", "heatmap", "band"),
    ("feedback_rate", "feedback", "share", "none", "line", "signal"),
    ("cpu_share", "capacity", "share", "up", "line", "process"),
    ("memory_bytes", "capacity", "bytes", "up", "line", "process"),
    ("shadow_queue", "capacity", "count", "up", "line", "process"),
    ("null_output_rate", "output", "share", "up", "line", None),
    ("label_shares", "output", "share", "none", "stacked", "label"),
    ("human_ai_agreement", "agreement", "share", "down", "line", None),
)


def measure_list(_: FakeApi, __: httpx.Request) -> list[monitors.MeasureOut]:
    return [
        monitors.MeasureOut(
            name=name,
            group=group,
            unit=unit,
            bad=bad,
            chart=chart,
            dimension=dimension,
            source={"capacity": "processes"}.get(group, "ingestion" if name.startswith("refused") else "rollups"),
            title_key=f"measures.{name}.title",
            description_key=f"measures.{name}.description",
        )
        for name, group, unit, bad, chart, dimension in MEASURES
    ]


def series(api: FakeApi, request: httpx.Request) -> monitors.Series:
    asked = httpx.QueryParams({"model": "", **request.url.params})
    name, group, unit, bad, chart, dimension = next(row for row in MEASURES if row[0] == asked["measure"])
    start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
    at = [start + (end - start) * i / 60 for i in range(60)]
    names = _line_names(asked.get("split"), dimension)
    lines = (
        []
        if api.is_empty or api.measures_nothing
        else [_points(line, i, unit, len(names)) for i, line in enumerate(names)]
    )
    return monitors.Series(
        model=asked["model"],
        measure=name,
        unit=unit,
        bad=bad,
        chart=chart,
        split=asked.get("split"),
        grain_s=3600,
        start=start,
        end=end,
        bucket_at=at,
        lines=lines,
        previous=lines[:1] if asked.get("previous") else None,
    )


def _line_names(split: str | None, dimension: str | None) -> list[str]:
    if dimension == "label":
        return ["ok", "open", "short"]
    if dimension == "band":
        return ["10", "20", "50", "100", "200"]
    if dimension == "field":
        return ["brightness", "focus"]
    if dimension == "process":
        return ["api@line-1", "worker@line-1"]
    if dimension in ("signal", "metric", "reason"):
        return {"signal": ["clicked", "overrode"], "metric": ["focus"], "reason": ["type_changed", "too_large"]}[
            dimension
        ]
    return ["v2", "v3"] if split == "version" else ["L1", "L2"] if split else [""]


def process_list(api: FakeApi, _: httpx.Request) -> list[ProcessOut]:
    return [] if api.is_empty else [_process("api@line-1", 120.0), _process("worker@line-1", 4_000.0)]


def _process(name: str, ago_s: float) -> ProcessOut:
    return ProcessOut(
        process=name,
        pid=4711,
        started_at=NOW - timedelta(days=2),
        sampled_at=NOW - timedelta(seconds=ago_s),
        is_alive=ago_s < 1_000,
        cpu_share=0.31,
        rss_bytes=231_000_000,
        disk_free_bytes=3_000_000_000,
        disk_total_bytes=100_000_000_000,
        gpu_share=0.4,
        gpu_memory_bytes=2_000_000_000,
        n_commit_waiting=3 if name.startswith("api") else None,
        n_shadow_waiting=0 if name.startswith("api") else None,
        n_jobs_waiting=None if name.startswith("api") else 1,
    )


def process_series(api: FakeApi, request: httpx.Request) -> ProcessSeries:
    found = series(api, request)
    fields = ("measure", "unit", "bad", "chart", "grain_s", "start", "end", "bucket_at", "lines")
    return ProcessSeries(**{name: getattr(found, name) for name in fields})


def feedback_list(_: FakeApi, request: httpx.Request) -> list[FeedbackOut]:
    return [
        FeedbackOut(
            id=1,
            prediction_id=request.url.params["prediction_id"],
            name="overrode",
            value=4.5,
            happened_at=NOW,
            received_at=NOW,
            predicted_at=NOW - timedelta(minutes=3),
            is_counted=True,
        )
    ]


def _points(name: str, position: int, unit: str, n_lines: int) -> monitors.Points:
    scales = {"count": 400, "ms": 80, "share": 0.03 if n_lines < 3 else 0.3, "per_second": 2, "score": 0.8}
    scale = scales.get(unit, 120)
    value = [scale * (1 + position * 0.3 + 0.4 * math.sin(i / 5 + position)) for i in range(60)]
    shown = [None if 30 <= i < 33 else number for i, number in enumerate(value)]
    return monitors.Points(name=name, value=shown, n=[0 if number is None else 120 for number in shown])


def marks(_: FakeApi, request: httpx.Request) -> list[monitors.Mark]:
    start, end = (datetime.fromisoformat(request.url.params[name]) for name in ("start", "end"))
    at = start + (end - start) / 3
    return [monitors.Mark(at=at, kind="rollout", name="v3", by="user:u1", reason="better on shorts", details={})]


def versions(api: FakeApi, _: httpx.Request, model: str) -> list[VersionRead]:
    return [] if api.is_empty else [_version(name, model) for name in ("v3", "v2")]


def _version(name: str, model: str) -> VersionRead:
    return VersionRead(
        id=f"id-{name}",
        model=model,
        name=name,
        kind="torchscript",
        artifact_sha256=None,
        signature={},
        metrics={},
        notes="",
        parent=None,
        dataset_id=None,
        retraining_run_id=None,
        created_by="user:u1",
        created_at=NOW - timedelta(days=20),
    )


def rollout(_: FakeApi, __: httpx.Request, model: str) -> dict[str, Any]:
    return RolloutRead(
        id=2,
        model=model,
        champion="v3",
        challengers=[],
        automation_level="shadow",
        reason="better on shorts",
        created_by="user:u1",
        created_at=NOW - timedelta(days=3),
    ).model_dump(mode="json")


def events(api: FakeApi, request: httpx.Request) -> EventPage:
    n = 0 if api.is_empty else 3 if request.url.params.get("subject_id") else 20
    return EventPage(model=request.url.params["model"], events=[_event(i) for i in range(n)], next_cursor="older")


def event(_: FakeApi, __: httpx.Request, event_id: str) -> dict[str, Any]:
    return _event(int(event_id.rsplit("-", 1)[-1]))


def _event(i: int) -> dict[str, Any]:
    return {
        "event_id": f"event-{i}",
        "subject_id": f"board-{i}",
        "happened_at": (NOW - timedelta(minutes=i)).isoformat(),
        "logged_at": (NOW - timedelta(minutes=i - 1)).isoformat(),
        "version": "v2" if i % 3 else "v3",
        "role": "shadow" if i % 3 else "champion",
        "prediction": None if i == 4 else "short",
        "is_null_output": i == 4,
        "score": 0.83,
        "latency_ms": 41.2 + i,
        "status": "error" if i == 4 else "ok",
        "error": "camera timed out" if i == 4 else None,
        "artifacts": [f"{i:064x}"],
        "n_missing": 1,
        "in_brightness": 0.41,
        "in_focus": None,
        "metric_focus": 0.91,
        "media_brightness": 118.25,
        "media_width_px": 640.0,
        "trace_id": "trace-1",
        "request_id": f"request-{i}",
        "seg_line": "L1",
    }


def decisions(_: FakeApi, request: httpx.Request) -> list[DecisionOut]:
    return [
        DecisionOut(
            id="d1",
            subject_id=request.url.params["subject_id"],
            event_id=None,
            task_id=None,
            judge="user:u2",
            label="ok",
            verb="label",
            seen="blind",
            is_adjudication=False,
            duration_ms=2100,
            pi=0.1,
            is_evidence=True,
            comment=None,
            boxes=[],
            details={},
            decided_at=NOW,
            logged_at=NOW,
            superseded_by=None,
        ),
        DecisionOut(
            id="d2",
            subject_id=request.url.params["subject_id"],
            event_id=None,
            task_id=None,
            judge="user:u1",
            label=None,
            verb="skip",
            seen="blind",
            is_adjudication=False,
            duration_ms=2100,
            pi=0.1,
            is_evidence=True,
            comment="glare",
            skip_reason="damaged",
            boxes=[],
            details={},
            decided_at=NOW,
            logged_at=NOW,
            superseded_by=None,
        ),
    ]


def truths(_: FakeApi, __: httpx.Request) -> list[TruthOut]:
    return []


def ingestion_health(api: FakeApi, request: httpx.Request) -> IngestionHealth:
    asked = request.url.params
    start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
    at = [start + (end - start) * i / 48 for i in range(48)]
    counts = [int(900 + 500 * math.sin(i / 6)) for i in range(48)]
    refused = {"missing_field": [i % 3 for i in range(48)], "unknown_model": [2 if i == 20 else 0 for i in range(48)]}
    nothing = [0] * 48
    return IngestionHealth(
        start=start,
        end=end,
        grain_s=1800,
        series=IngestionSeries(
            bucket_at=at,
            accepted=nothing if api.is_empty else counts,
            duplicates=nothing if api.is_empty else [n // 50 for n in counts],
            refused={} if api.is_empty else refused,
        ),
        models=[] if api.is_empty else [_ingestion("pcb-inspection"), _ingestion("typo-inspection", known=False)],
    )


def _ingestion(name: str, *, known: bool = True) -> ModelIngestion:
    return ModelIngestion(
        model=name,
        known=known,
        accepted=48_213 if known else 0,
        duplicates=963 if known else 0,
        refused={"missing_field": 48} if known else {"unknown_model": 2},
        hot_events=1_204 if known else 0,
        hot_batches=12 if known else 0,
        oldest_hot_at=NOW if known else None,
        oldest_hot_age_s=21.0 if known else None,
        last_seal_at=NOW if known else None,
        last_seal_events=25_000 if known else None,
        last_seal_s=0.4 if known else None,
        lake_events=1_480_223 if known else 0,
        lake_files=31 if known else 0,
        lake_bytes=151_000_000 if known else 0,
        bytes_per_event=102.0 if known else None,
        open_notices=1 if known else 0,
    )


def quarantine(api: FakeApi, _: httpx.Request) -> list[QuarantineRow]:
    return [
        QuarantineRow(
            id=90 - i,
            model="pcb-inspection",
            received_at=NOW - timedelta(minutes=i),
            code="missing_field",
            pointer="/version",
            message="version is required",
            raw='{"model": "pcb-inspection", "prediction": "ok"}',
            actor="key:line-2",
        )
        for i in range(0 if api.is_empty else 12)
    ]


def notices(api: FakeApi, _: httpx.Request) -> list[Notice]:
    if api.is_empty:
        return []
    return [
        _notice(1, "exposure", "new_field", {"type": "number", "kept_in": "inputs"}, None),
        _notice(2, "focus", "type_changed", {"reason": "expected number, got string"}, "user:u1"),
    ]


def acknowledge(_: FakeApi, __: httpx.Request, notice_id: str) -> Notice:
    return _notice(int(notice_id), "exposure", "new_field", {}, "user:u1")


def _notice(number: int, field: str, change: str, details: dict[str, Any], by: str | None) -> Notice:
    return Notice(
        id=number,
        model="pcb-inspection",
        field=field,
        change=change,
        details=details,
        n_events=120,
        first_seen_at=NOW - timedelta(days=2),
        last_seen_at=NOW,
        acknowledged_by=by,
    )


def users(api: FakeApi, _: httpx.Request) -> list[UserRead]:
    return [_user("u1", "An Nguyễn", "admin"), _user("u2", "Bình <b>Trần</b>", "inspector", is_active=False)]


def _user(number: str, name: str, role: str, *, is_active: bool = True) -> UserRead:
    return UserRead(
        id=number,
        email=f"{number}@example.org",
        name=name,
        role=role,
        language=None,
        timezone=None,
        is_active=is_active,
        created_at=NOW,
    )


def add_user(_: FakeApi, request: httpx.Request) -> UserMade:
    sent = json.loads(request.content)
    made = _user("u3", sent["name"], sent["role"])
    return UserMade(**made.model_dump() | {"email": sent["email"]}, initial_password="made-once-7421")


def api_keys(api: FakeApi, _: httpx.Request) -> list[ApiKeyRead]:
    return [] if api.is_empty else [_key("k1", "line 1"), _key("k2", "old line", revoked_at=NOW)]


def _key(number: str, name: str, revoked_at: datetime | None = None) -> ApiKeyRead:
    return ApiKeyRead(
        id=number,
        name=name,
        prefix="soi_ab12",
        scopes=["events:write"],
        models=None,
        created_at=NOW,
        expires_at=None,
        revoked_at=revoked_at,
    )


def add_key(_: FakeApi, request: httpx.Request) -> ApiKeyMade:
    sent = json.loads(request.content)
    return ApiKeyMade(**_key("k3", sent["name"]).model_dump(), key="soi_shown_only_once")


def audit(api: FakeApi, _: httpx.Request) -> list[AuditLine]:
    return [
        AuditLine(
            id=50 - i,
            at=NOW - timedelta(minutes=i),
            actor="user:u1",
            actor_name="An Nguyễn",
            action="user.changed",
            target="user:u2",
            details={"role": "inspector"},
            reason=None,
            previous_hash="0" * 64,
            hash="1" * 64,
        )
        for i in range(0 if api.is_empty else 20)
    ]


def verify(_: FakeApi, __: httpx.Request) -> AuditCheck:
    return AuditCheck(is_intact=True, n_lines=20, first_bad_id=None)


def rate(value: float, n: int) -> comparisons.Rate:
    return comparisons.Rate(value=value, n=n, lower=max(0.0, value - 0.02), upper=min(1.0, value + 0.015))


def label_counts(api: FakeApi, _: httpx.Request) -> labelled.LabelCounts:
    return labelled.LabelCounts(n_items=0 if api.is_empty else 1, labels={} if api.is_empty else {"short": 1})


def labelled_page(_: FakeApi, __: httpx.Request) -> labelled.LabelledPage:
    item = labelled.LabelledItem(
        subject_id="board-1",
        label="short",
        method="adjudication",
        resolved_at=NOW,
        artifact_sha256=None,
        golden_sha256=None,
        segments={"line": "L1"},
        inputs={},
        champion_version="v3",
        champion_label="ok",
        champion_score=0.7,
        n_opinions=2,
    )
    return labelled.LabelledPage(items=[item], next_cursor=None)


def skipped(_: FakeApi, __: httpx.Request) -> labelled.Skipped:
    shape = {"skipped_at": NOW, "artifact_sha256": None, "golden_sha256": None, "segments": {"line": "L1"}}
    items = [
        labelled.SkippedItem(subject_id="board-8", reason="damaged", comment="all black", state="skipped", **shape),
        labelled.SkippedItem(subject_id="board-7", reason=None, comment="old words", state="open", **shape),
    ]
    return labelled.Skipped(n_items=4, reasons={"damaged": 3, "": 1}, items=items)


def judges(api: FakeApi, __: httpx.Request) -> list[comparisons.JudgeOut]:
    shape = comparisons.JudgeOut
    others = {
        "admin": [shape(judge="user:u2", kind="user", title="Bình <b>Trần</b>", n_decisions=564)],
        "data_scientist": [shape(judge="inspector:2", kind="inspector", title="2", n_decisions=564)],
    }
    return [
        shape(judge="version:v3", kind="version", title="v3"),
        shape(judge="version:v2", kind="version", title="v2"),
        shape(judge="people", kind="people", title="People", n_decisions=1204),
        shape(judge="user:u1", kind="user", title="An Nguyễn", n_decisions=640),
        *others.get(api.role, []),
        shape(judge="truth", kind="truth", title="Truth"),
    ]


def compare(api: FakeApi, request: httpx.Request) -> comparisons.Comparison:
    asked = request.url.params
    start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
    n = 0 if api.is_empty else 1204
    accuracy = rate(0.95, 610)
    nothing = comparisons.Rate(value=None, n=0, lower=None, upper=None)
    inspection = comparisons.Inspection(
        miss=rate(0.041, 240),
        escape_of_passed=rate(0.009, 900),
        overkill=rate(0.022, 960),
        false_call=rate(0.05, 260),
        effectiveness=rate(0.97, 1200),
    )
    return comparisons.Comparison(
        model=asked["model"],
        a=asked["a"],
        b=asked["b"],
        by="subject",
        seen="blind",
        start=start,
        end=end,
        grain_s=86_400,
        n=n,
        agreement=rate(0.931, n) if n else nothing,
        kappa=comparisons.Statistic(value=0.81),
        ac1=comparisons.Statistic(value=None, reason="one_label"),
        labels=["ok", "open", "short"],
        matrix=[[880, 12, 8], [20, 150, 6], [25, 4, 99]],
        by_label=[
            comparisons.LabelAgreement(
                label=name, is_defect=name != "ok", agreement=comparisons.Statistic(value=0.8), n_a=300, n_b=290
            )
            for name in ("ok", "open", "short")
        ],
        inspection_a=inspection,
        inspection_b=inspection,
        right=comparisons.RightCounts(
            n=610,
            both=560,
            only_a=12,
            only_b=25,
            neither=13,
            accuracy_a=accuracy,
            accuracy_b=rate(0.96, 610),
            mcnemar_p=comparisons.Statistic(value=0.047),
        ),
        over_time=[
            comparisons.AgreementPoint(
                bucket_at=start + (end - start) * i / 20,
                agreement=nothing if i == 7 else rate(0.93 + 0.03 * math.sin(i / 3), 60),
            )
            for i in range(20)
        ],
        by_segment=[
            comparisons.SegmentAgreement(key="line", value=value, agreement=rate(0.9 + i / 50, 300))
            for i, value in enumerate(("L1", "L2", "L3"))
        ],
        noise_floor=comparisons.NoiseFloor(n_subjects=310, agreement=rate(0.962, 310)),
    )


def disagreements(api: FakeApi, _: httpx.Request) -> comparisons.DisagreementPage:
    items = [
        comparisons.Disagreement(
            subject_id=f"board-{i}",
            event_id=f"event-{i}",
            artifact=f"{i:064x}",
            happened_at=NOW - timedelta(hours=i),
            label_a="ok",
            label_b="short",
            score=0.61,
            truth="short" if i % 2 else None,
            segments={"line": "L1"},
        )
        for i in range(0 if api.is_empty else 12)
    ]
    return comparisons.DisagreementPage(items=items, next_cursor="next" if items else None)


CONDITION = {"kind": "threshold", "direction": "above", "warning": 0.02, "alert": 0.1, "is_cautious": True}


def watchdog(api: FakeApi, _: httpx.Request) -> alerts.WatchdogOut:
    return alerts.WatchdogOut(
        state="never" if api.is_empty else "ok",
        evaluated_at=None if api.is_empty else datetime.now(UTC) - timedelta(seconds=20),
        worker="host:1",
        after_s=120,
        n_rules=6,
        n_series=9,
        n_failed=0,
        duration_ms=84.0,
        n_waiting_messages=1,
        n_given_up_messages=0,
    )


def alert_rules(api: FakeApi, _: httpx.Request) -> list[alerts.RuleOut]:
    return [] if api.is_empty else [_rule("r1", "error_rate", "alert"), _rule("r2", "latency_p95", "ok")]


def _rule(rule_id: str, measure: str, state: str) -> alerts.RuleOut:
    said = alerts.Precision(n_incidents=9, n_true=5, n_false=1, n_benign=1, precision=5 / 7, lower=0.36, upper=0.92)
    return alerts.RuleOut(
        id=rule_id,
        name=measure,
        title_key=f"alerts.template.{measure}",
        model="pcb-inspection",
        measure=measure,
        unit="share" if measure == "error_rate" else "ms",
        version=None,
        segment_key=None,
        segment_value=None,
        each="",
        window_s=3600,
        every_s=300,
        offset_s=60,
        condition=alerts.RuleCondition(**CONDITION),
        min_n=50,
        hold_s=300,
        clear_s=600,
        renotify_s=86_400,
        no_data="no_data",
        severity="high",
        channel_ids=None,
        is_enabled=True,
        template=measure,
        created_by="system",
        created_at=NOW,
        changed_at=NOW,
        evaluated_at=NOW,
        state=state,
        is_failing=False,
        people_said=said if state == "alert" else alerts.Precision(),
    )


def change_rule(_: FakeApi, request: httpx.Request, rule_id: str = "r9") -> alerts.RuleOut:
    return _rule(rule_id, json.loads(request.content)["measure"], "ok")


def rule_series(_: FakeApi, __: httpx.Request, rule_id: str) -> list[alerts.SeriesStateOut]:
    return [
        alerts.SeriesStateOut(
            model="pcb-inspection",
            series="",
            state="alert",
            since=NOW,
            value=0.13,
            n=900,
            reason=None,
            evaluated_at=NOW,
        )
    ]


def try_rule(api: FakeApi, request: httpx.Request) -> alerts.TryOut:
    asked = json.loads(request.content)["rule"]
    at = [NOW - timedelta(hours=3 * i) for i in range(200, 0, -1)]
    raised = alerts.RaisedOut(
        series="",
        state="alert",
        opened_at=at[50],
        closed_at=at[60],
        peak=0.2,
        reference=None,
        n=100,
        window_start=at[49],
        window_end=at[50],
        n_messages=2,
    )
    is_drift = asked["condition"]["kind"] == "drift"
    if is_drift:
        raised = raised.model_copy(update={"series": "in_width", "reason": "new_category"})
    line = alerts.TryLine(
        series=raised.series, at=at, value=[0.01 + 0.002 * (i % 9) for i in range(200)], reference=[None] * 200
    )
    return alerts.TryOut(
        model="pcb-inspection",
        measure="drift" if is_drift else asked["measure"],
        unit="count" if is_drift else "share",
        start=at[0],
        end=NOW,
        n_windows=25_920,
        share_no_data=0.04,
        n_incidents=1,
        n_alerts=1,
        hours_firing=30.0,
        raised=[raised],
        lines=[line],
        duration_ms=812.0,
    )


def incidents(api: FakeApi, _: httpx.Request) -> alerts.IncidentPage:
    return alerts.IncidentPage(items=[] if api.is_empty else [_incident("i1", "alert"), _incident("i2", "warning")])


def _incident(incident_id: str, state: str) -> alerts.IncidentOut:
    return alerts.IncidentOut(
        id=incident_id,
        rule_id="r1",
        rule_name="error_rate",
        title_key="alerts.template.error_rate",
        model="pcb-inspection",
        series="L*1" if state == "warning" else "",
        series_of="segment:line" if state == "warning" else "",
        number=3,
        kind="rule",
        state=state,
        severity="high",
        measure="error_rate",
        unit="share",
        condition=CONDITION,
        opened_at=NOW - timedelta(hours=2),
        closed_at=None,
        end_reason=None,
        peak=0.13,
        reference=None,
        n=912,
        window_start=NOW - timedelta(hours=3),
        window_end=NOW - timedelta(hours=2),
        reason=None,
        acknowledged_by="user:u1" if state == "warning" else None,
        acknowledged_at=NOW if state == "warning" else None,
        verdict=None,
        verdict_by=None,
        verdict_at=None,
        verdict_comment=None,
        batch=None,
        is_silenced=False,
        link="/health?model=pcb-inspection&range=24h&group=software&sel=x",
    )


def act_on_incident(_: FakeApi, __: httpx.Request, incident_id: str, **more: str) -> alerts.IncidentOut:
    batch = alerts.BatchOut(n_tasks=58, n_population=900, by_stratum={}, opened_by="user:u1", opened_at=NOW)
    return _incident(incident_id, "alert").model_copy(update={"batch": batch})


def silences(api: FakeApi, _: httpx.Request) -> list[alerts.SilenceOut]:
    return [] if api.is_empty else [_silence()]


def _silence() -> alerts.SilenceOut:
    later = NOW + timedelta(hours=4)
    return alerts.SilenceOut(
        id="s1",
        rule_id=None,
        model="solder-joint",
        starts_at=NOW,
        ends_at=later,
        reason="maintenance",
        created_by="user:u1",
        created_at=NOW,
    )


def channel_list(api: FakeApi, _: httpx.Request) -> list[ChannelOut]:
    return [] if api.is_empty else [_channel()]


def _channel() -> ChannelOut:
    return ChannelOut(
        id="c1",
        name="ops",
        kind="webhook",
        shown="https://hooks.example.com/…",
        language="en",
        min_severity="low",
        models=None,
        is_enabled=True,
        created_by="user:u1",
        created_at=NOW,
    )


def add_channel(_: FakeApi, __: httpx.Request) -> ChannelMade:
    return ChannelMade(**_channel().model_dump(), secret="shown-only-once-19")


def messages(api: FakeApi, _: httpx.Request) -> MessagePage:
    row = MessageOut(
        id="m1",
        kind="alert",
        channel_id="c1",
        channel="ops",
        model="pcb-inspection",
        event="opened",
        state="waiting",
        n_attempts=4,
        next_at=NOW,
        give_up_at=NOW + timedelta(hours=60),
        last_error="the receiver answered 500",
        created_at=NOW,
        sent_at=None,
    )
    return MessagePage(items=[] if api.is_empty else [row], counts={"waiting": 1, "sent": 12})


def drift_references(api: FakeApi, _: httpx.Request) -> list[Any]:
    both = [fake_drift.reference(NOW), fake_drift.reference(NOW, number=2, is_current=False)]
    return [] if api.has_no_reference else both


def drift_report(api: FakeApi, request: httpx.Request) -> Any:
    return fake_drift.report(*_span(request), is_empty=api.is_empty, made_at=NOW)


def drift_series(_: FakeApi, request: httpx.Request) -> Any:
    return fake_drift.series(*_span(request), NOW)


def drift_feature(_: FakeApi, request: httpx.Request) -> Any:
    return fake_drift.detail(request.url.params["feature"], *_span(request), NOW)


def drift_examples(api: FakeApi, request: httpx.Request) -> Any:
    return fake_drift.examples(request.url.params["feature"], NOW, is_empty=api.is_empty)


def drift_settings(_: FakeApi, request: httpx.Request) -> dict[str, Any]:
    changes = json.loads(request.content) if request.content else {}
    return {"model": "pcb-inspection", "alarms_per_month": 1.0, "floor_sigma": 0.1, "window_s": 86_400, **changes}


def drift_reference(_: FakeApi, __: httpx.Request, reference_id: str = "") -> Any:
    return fake_drift.reference(NOW)


def _span(request: httpx.Request) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(request.url.params["start"]), datetime.fromisoformat(request.url.params["end"])


def _performance_figure(value: float | None, n: int = 120) -> performance.Figure:
    if value is None:
        return performance.Figure(reason="no_labels")
    return performance.Figure(value=value, lower=value - 0.03, upper=value + 0.02, n=n)


def performance_over_time(api: FakeApi, request: httpx.Request) -> performance.Performance:
    asked = request.url.params
    start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
    points = []
    for i in range(20):
        value = 0.9 - 0.01 * max(0, i - 12) if i < 18 else None
        points.append(
            performance.Point(
                bucket_at=start + (end - start) * i / 20,
                n=0 if api.is_empty else 400,
                n_labels=0 if value is None else 120 if i < 15 else 12,
                coverage=0.0 if value is None else 0.3 if i < 15 else 0.03,
                is_thin=i >= 15,
                lag_p50_s=None if value is None else 200_000.0,
                lag_p90_s=None if value is None else 400_000.0,
                realised=_performance_figure(value),
                reviewed=_performance_figure(0.89 if i % 3 else None),
                expected=_performance_figure(0.91),
                before=performance.Before(value=0.95, n_labels=40) if i == 4 else None,
            )
        )
    estimates = [
        performance.EstimateOut(
            method=method,
            value=0.88,
            lower=0.86,
            upper=0.9,
            n_labels=180,
            n_items=8000,
            reason=None,
            warnings=["few_labels"] if method == "ppi" else [],
        )
        for method in ("active_hajek", "hajek", "stratified", "ppi", "wilson")
    ]
    return performance.Performance(
        model=asked["model"],
        metric="accuracy",
        metrics=["accuracy", "escape_rate", "overkill_rate", "auc"],
        unit="share",
        bad="down",
        start=start,
        end=end,
        grain_s=86_400,
        as_of=NOW,
        is_replay="as_of" in asked,
        clock=asked["clock"],
        revised_since=NOW - timedelta(days=7),
        min_coverage=0.1,
        n=0 if api.is_empty else 8000,
        n_labels=1836,
        n_unknown_labels=3,
        coverage=0.2295,
        lag_p50_s=200_000.0,
        lag_p90_s=400_000.0,
        realised=_performance_figure(0.893, 1836),
        estimates=estimates,
        label_free=performance.LabelFree(
            figure=_performance_figure(0.91, 8000),
            n_calibration=5000,
            calibrated_from=start - timedelta(days=30),
            calibrated_to=start,
            is_in_sample=False,
            warnings=["blind_to_concept_drift"],
        ),
        points=points,
    )


def performance_changes(_: FakeApi, request: httpx.Request) -> performance.Changes:
    start = datetime.fromisoformat(request.url.params["start"])
    change = performance.ChangeOut(
        began_at=start + timedelta(days=12),
        found_at=start + timedelta(days=14),
        known_at=start + timedelta(days=17),
        before=0.1,
        after=0.2,
        n_before=900,
        n_after=300,
        is_worse=True,
    )
    model = request.url.params["model"]
    return performance.Changes(model=model, detector="adwin", as_of=NOW, n=1836, n_left_out=0, changes=[change])


def performance_slices(_: FakeApi, request: httpx.Request) -> performance.Slices:
    conditions = [
        performance.ConditionOut(column="seg_line", equals="L2"),
        performance.ConditionOut(column="in_brightness", high=0.42),
    ]
    found = performance.SliceOut(
        conditions=conditions,
        where=['seg_line="L2"', "in_brightness<0.42"],
        n=212,
        value=0.31,
        lower=0.25,
        upper=0.37,
        rest=0.09,
        difference=0.22,
        p=1e-9,
        q=2e-7,
    )
    return performance.Slices(
        model=request.url.params["model"],
        unit="share",
        max_q=0.05,
        min_n=30,
        n_rows=1836,
        is_sample=False,
        n_tested=214,
        n_features=4,
        value=0.107,
        slices=[found],
    )


def encoders(api: FakeApi, _: httpx.Request) -> list[embeddings.EncoderOut]:
    if api.is_empty:
        return []
    return [embeddings.EncoderOut(encoder="soi:image-1", n_dims=128, n=3000, first_at=NOW, last_at=NOW)]


def embedding_drift(_: FakeApi, request: httpx.Request) -> embeddings.EmbeddingDrift:
    asked = request.url.params
    start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
    step = (end - start) / 5
    return embeddings.EmbeddingDrift(
        model=asked["model"],
        encoder="soi:image-1",
        start=start,
        end=end,
        reference_start=start - (end - start),
        reference_end=start,
        verdict="drifted",
        alpha=0.01,
        p=0.002,
        n_window=900,
        n_reference=900,
        n_used_window=400,
        n_used_reference=400,
        n_needed=20,
        shift_sigma=0.81,
        tests=[
            embeddings.TestOut(name="classifier", statistic=0.717, p=0.001, n_permutations=999),
            embeddings.TestOut(name="mmd", statistic=0.02, p=0.004, n_permutations=999),
        ],
        points=[
            embeddings.DriftPoint(
                start=start + i * step,
                end=start + (i + 1) * step,
                n=80,
                auc=None if i == 2 else 0.5 + 0.06 * i,
                p=None if i == 2 else 0.2 / (1 + i),
                q=None if i == 2 else 0.2 / (1 + i),
            )
            for i in range(5)
        ],
        examples=[
            embeddings.Example(side=side, score=0.9, event_id=f"event-{i}", artifact=f"{i:064x}", happened_at=NOW)
            for side in ("window", "reference")
            for i in range(4)
        ],
    )


def automation(api: FakeApi, _: httpx.Request, model: str) -> Any:
    return fake_automation.ladder(NOW, is_empty=api.is_empty, **api.automation)


def automation_lists(api: FakeApi, _: httpx.Request, model: str, what: str) -> Any:
    made = {"verdicts": fake_automation.lines(NOW), "recalls": [fake_automation.recall(NOW)]}
    return [] if api.is_empty else made[what]


def automation_acts(api: FakeApi, request: httpx.Request, model: str, what: str) -> Any:
    made = {
        "backtest": lambda: fake_automation.backtest(NOW, json.loads(request.content)["days"]),
        "recalls/preview": lambda: fake_automation.preview(NOW),
        "recalls": lambda: fake_automation.recall(NOW),
        "step-back": lambda: fake_automation.ladder(NOW),
        "block": lambda: fake_automation.ladder(NOW, is_blocked=True).rungs[0].block,
        "unblock": lambda: fake_automation.ladder(NOW, is_blocked=True).rungs[0].block,
        "policy": lambda: fake_automation.ladder(NOW).rungs[0].policy,
        "policy/remove": lambda: fake_automation.ladder(NOW).rungs[0].policy,
    }
    return made.get(what, lambda: fake_automation.verdict(NOW))()


ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("GET", "/v1/automation/(?P<model>[^/]+)", automation),
    ("GET", "/v1/automation/(?P<model>[^/]+)/(?P<what>verdicts|recalls)", automation_lists),
    ("POST", "/v1/automation/(?P<model>[^/]+)/(?P<what>.+)", automation_acts),
    ("PUT", "/v1/automation/(?P<model>[^/]+)/(?P<what>.+)", automation_acts),
    ("GET", "/v1/models/(?P<model>[^/]+)/rollouts", lambda api, request, model: [rollout(api, request, model)]),
    ("GET", "/v1/auth/me", me),
    ("PATCH", "/v1/auth/me", change_me),
    ("GET", "/v1/models", model_list),
    ("GET", "/v1/monitors/summary", summary),
    ("GET", "/v1/monitors/series", series),
    ("GET", "/v1/monitors/marks", marks),
    ("GET", "/v1/measures", measure_list),
    ("GET", "/v1/processes", process_list),
    ("GET", "/v1/processes/series", process_series),
    ("GET", "/v1/feedback", feedback_list),
    ("GET", "/v1/alerts/watchdog", watchdog),
    ("GET", "/v1/alerts/rules", alert_rules),
    ("POST", "/v1/alerts/rules", change_rule),
    ("POST", "/v1/alerts/rules/try", try_rule),
    ("PUT", "/v1/alerts/rules/(?P<rule_id>[^/]+)", change_rule),
    ("GET", "/v1/alerts/rules/(?P<rule_id>[^/]+)/series", rule_series),
    ("GET", "/v1/alerts/incidents", incidents),
    ("GET", "/v1/alerts/incidents/(?P<incident_id>[^/]+)", act_on_incident),
    ("POST", "/v1/alerts/incidents/(?P<incident_id>[^/]+)/.+", act_on_incident),
    ("GET", "/v1/alerts/silences", silences),
    ("POST", "/v1/alerts/silences", lambda *_: _silence()),
    ("GET", "/v1/channels", channel_list),
    ("POST", "/v1/channels", add_channel),
    ("POST", "/v1/channels/c1/test", lambda *_: TestSent(message_id="m2")),
    ("GET", "/v1/outbox", messages),
    ("GET", "/v1/models/(?P<model>[^/]+)/versions", versions),
    ("GET", "/v1/models/(?P<model>[^/]+)/rollouts/current", rollout),
    ("GET", "/v1/predictions", events),
    ("GET", "/v1/predictions/(?P<event_id>[^/]+)", event),
    ("GET", "/v1/decisions", decisions),
    ("GET", "/v1/ground-truth", truths),
    ("GET", "/v1/ingestion", ingestion_health),
    ("GET", "/v1/quarantine", quarantine),
    ("GET", "/v1/schema-notices", notices),
    ("POST", "/v1/schema-notices/(?P<notice_id>[^/]+)/acknowledge", acknowledge),
    ("GET", "/v1/users", users),
    ("POST", "/v1/users", add_user),
    ("GET", "/v1/api-keys", api_keys),
    ("POST", "/v1/api-keys", add_key),
    ("GET", "/v1/audit", audit),
    ("GET", "/v1/audit/verify", verify),
    ("GET", "/v1/drift/references", drift_references),
    ("POST", "/v1/drift/references", drift_reference),
    ("PATCH", "/v1/drift/references/(?P<reference_id>[^/]+)", drift_reference),
    ("GET", "/v1/drift/report", drift_report),
    ("GET", "/v1/drift/series", drift_series),
    ("GET", "/v1/drift/feature", drift_feature),
    ("GET", "/v1/drift/examples", drift_examples),
    ("GET", "/v1/drift/settings", drift_settings),
    ("PATCH", "/v1/drift/settings", drift_settings),
    *fake_pipelines.ROUTES,
    *fake_judges.ROUTES,
    ("GET", "/v1/performance", performance_over_time),
    ("GET", "/v1/performance/changes", performance_changes),
    ("GET", "/v1/performance/slices", performance_slices),
    ("GET", "/v1/embeddings", encoders),
    ("GET", "/v1/embeddings/drift", embedding_drift),
    ("GET", "/v1/labelled-data", labelled_page),
    ("GET", "/v1/labelled-data/counts", label_counts),
    ("GET", "/v1/labelled-data/skipped", skipped),
    ("GET", "/v1/comparisons", compare),
    ("GET", "/v1/comparisons/judges", judges),
    ("GET", "/v1/comparisons/disagreements", disagreements),
)
