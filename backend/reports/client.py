"""Calling side of reports and of their schedules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from backend.reports.schemas import Activity, ReportCreate, ReportInfo, ScheduleCreate, ScheduleInfo, SchedulePatch
from backend.transport import Transport

PATH = "/v1/reports"
SCHEDULES = "/v1/report-schedules"
Reports = list[ReportInfo]
Schedules = list[ScheduleInfo]


class ReportsClient:
    """`client.reports`: how a model is doing, as files for people who do not sign in."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, wish: ReportCreate | None = None, **fields: Any) -> ReportInfo:
        """Queue a report: `create(model="pcb", days=7, languages=["vi"])`; poll `get` until it is done."""
        return self._transport.send("POST", PATH, ReportInfo, wish or ReportCreate(**fields))

    def list(self, model: str | None = None, *, before_id: str | None = None, limit: int = 50) -> Reports:
        """Reports, newest first."""
        return self._transport.get_list(PATH, ReportInfo, model=model, before_id=before_id, limit=limit)

    def get(self, report_id: str) -> ReportInfo:
        return self._transport.get(f"{PATH}/{report_id}", ReportInfo)

    def download(self, report_id: str, to: Path, *, language: str = "en") -> int:
        """Stream the HTML into a file; returns its bytes."""
        return self._transport.download(f"{PATH}/{report_id}/file", to, params={"language": language})

    def delete(self, report_id: str) -> None:
        """Delete a report with its files; one that is being made is ended."""
        self._transport.request("DELETE", f"{PATH}/{report_id}")

    def activity(self, model: str, start: datetime, end: datetime) -> Activity:
        """What people did for a model in a window and in the one before, in counts."""
        return self._transport.get(
            f"{PATH}/activity", Activity, model=model, start=start.isoformat(), end=end.isoformat()
        )

    def schedules(self, model: str | None = None) -> Schedules:
        return self._transport.get_list(SCHEDULES, ScheduleInfo, model=model)

    def create_schedule(self, wish: ScheduleCreate | None = None, **fields: Any) -> ScheduleInfo:
        """A report every week: `create_schedule(model="pcb", weekday=0, hour=7, timezone="Asia/Ho_Chi_Minh")`."""
        return self._transport.send("POST", SCHEDULES, ScheduleInfo, wish or ScheduleCreate(**fields))

    def change_schedule(self, schedule_id: str, patch: SchedulePatch | None = None, **fields: Any) -> ScheduleInfo:
        body = patch or SchedulePatch(**fields)
        return self._transport.send("PATCH", f"{SCHEDULES}/{schedule_id}", ScheduleInfo, body)

    def delete_schedule(self, schedule_id: str) -> None:
        """Its reports stay."""
        self._transport.request("DELETE", f"{SCHEDULES}/{schedule_id}")
