"""The recorded API with what reports ask for beside the rest: one model in full, its rollouts, people's work, and the
reports and schedules themselves."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import BaseModel

from backend.monitors import schemas as monitors
from backend.reports.schemas import (
    Activity,
    DatasetLine,
    PeopleCounts,
    QueueCounts,
    ReportFileInfo,
    ReportInfo,
    RunLine,
    ScheduleInfo,
)
from backend.rollouts.schemas import RolloutRead
from tests.dashboard import fake_api
from tests.dashboard.fake_api import NOW, FakeApi

MODEL = "pcb-inspection"
IDS = [f"0000000{n}-0000-7000-8000-000000000000" for n in range(6)]
REPORT = ReportInfo(
    id=IDS[0], model=MODEL, window_start=NOW - timedelta(days=7), window_end=NOW, timezone="Asia/Ho_Chi_Minh",
    languages=["en", "vi"], state="done", is_stalled=False, progress=1.0, step="", error=None, verdict="bad",
    files=[ReportFileInfo(language=one, n_bytes=38_000, sha256="a" * 64) for one in ("en", "vi")], schedule_id=None,
    due_at=None, delivery="none", job_id=IDS[1], created_by="user:u1", created_at=NOW,
)  # fmt: skip
SCHEDULE = ScheduleInfo(
    id=IDS[2], model=MODEL, weekday=0, hour=7, timezone="Asia/Ho_Chi_Minh", languages=["vi"], channel_id=None,
    is_active=True, next_due_at=NOW + timedelta(days=3), last_due_at=None, created_by="user:u1", created_at=NOW,
)  # fmt: skip


class ReportApi(FakeApi):
    """`reports` and `schedules` are what the screen lists; `changes` replaces answers by their path."""

    def __init__(self, role: str = "admin", language: str | None = None, *, is_empty: bool = False) -> None:
        super().__init__(role, language, is_empty=is_empty)
        self.reports, self.schedules = [REPORT], [SCHEDULE]
        self.changes: dict[str, Any] = {}
        self.reason = "better on shorts"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        is_broken = any(path.startswith(prefix) for prefix in self.broken)
        found = None if is_broken or self.is_signed_out else self._own(request, path)
        if found is None:
            return super().__call__(request)
        self.requests.append(request)
        return httpx.Response(200, json=_plain(found))

    def _own(self, request: httpx.Request, path: str) -> Any:
        if path in self.changes:
            return self.changes[path]
        if request.method == "GET" and path == f"/v1/models/{MODEL}":
            return fake_api._model(MODEL)
        if request.method == "GET" and path == f"/v1/models/{MODEL}/rollouts":
            return [] if self.is_empty else self._rollouts()
        if request.method == "GET" and path == "/v1/monitors/series":
            return self._series(request)
        if path == "/v1/reports/activity":
            return self._activity(request)
        if path == "/v1/reports":
            if request.method == "POST":
                return REPORT.model_copy(update={"state": "queued", "files": [], "verdict": None})
            return [] if self.is_empty else self.reports
        if path == "/v1/report-schedules":
            return ([] if self.is_empty else self.schedules) if request.method == "GET" else SCHEDULE
        if re.fullmatch("/v1/(reports|report-schedules)/[^/]+", path):
            return SCHEDULE if request.method == "PATCH" else {}
        return None

    def _rollouts(self) -> list[RolloutRead]:
        shadow = {"version": "v4", "mode": "shadow"}
        rows = [(2, "v3", [shadow], "partial", timedelta(days=2)), (1, "v2", [], "assist", timedelta(days=40))]
        return [
            RolloutRead(
                id=number, model=MODEL, champion=champion, challengers=beside, automation_level=level,
                reason=self.reason, created_by="user:u1", created_at=NOW - age,
            )
            for number, champion, beside, level, age in rows
        ]  # fmt: skip

    def _series(self, request: httpx.Request) -> monitors.Series | None:
        """Measures that the plain fake does not know: parts of a complaint, escape and overkill."""
        asked = request.url.params
        names = {"error_rate_by_kind": ["timeout", "camera"], "escape_rate": [""], "overkill_rate": [""]}
        lines = names.get(asked["measure"])
        if lines is None:
            return None
        start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
        return monitors.Series(
            model=MODEL, measure=asked["measure"], unit="share", bad="up", chart="line", split=None, grain_s=86_400,
            start=start, end=end, bucket_at=[start + (end - start) * i / 7 for i in range(7)],
            lines=[] if self.is_empty else [
                monitors.Points(
                    name=name, value=[0.03 / (i + 1)] * 7, n=[120.0] * 7, lower=[0.01] * 7, upper=[0.05] * 7
                )
                for i, name in enumerate(lines)
            ],
        )  # fmt: skip

    def _activity(self, request: httpx.Request) -> Activity:
        asked = request.url.params
        nothing = QueueCounts(n_opened=0, n_closed=0, n_open=0, oldest_open_at=None)
        people = PeopleCounts(n_decisions=310, n_people=3, n_subjects=290)
        common = {"model": MODEL, "start": asked["start"], "end": asked["end"]}
        if self.is_empty:
            none = PeopleCounts(n_decisions=0, n_people=0, n_subjects=0)
            return Activity(
                **common, people=none, people_before=none, labels={}, labels_before={}, items=nothing, disputes=nothing,
                n_labels=0, n_labels_since_dataset=0, last_dataset=None, datasets=[], runs=[],
            )  # fmt: skip
        dataset = DatasetLine(name="week-11", n_items=900, created_at=NOW - timedelta(days=1))
        return Activity(
            **common,
            people=people,
            people_before=people,
            labels={"ok": 240, "short": 50},
            labels_before={"ok": 200},
            items=QueueCounts(n_opened=300, n_closed=290, n_open=37, oldest_open_at=NOW - timedelta(days=4)),
            disputes=QueueCounts(n_opened=20, n_closed=14, n_open=6, oldest_open_at=NOW - timedelta(days=3)),
            n_labels=1290,
            n_labels_since_dataset=250,
            last_dataset=dataset,
            datasets=[dataset],
            runs=[
                RunLine(
                    parent_version="v3", new_version="v4", dataset="week-11", state="done", accuracy=0.961,
                    parent_accuracy=0.944, created_at=NOW - timedelta(hours=20),
                )
            ],
        )  # fmt: skip


def _plain(body: Any) -> Any:
    if isinstance(body, BaseModel):
        return json.loads(body.model_dump_json())
    if isinstance(body, list):
        return [_plain(item) for item in body]
    return body
