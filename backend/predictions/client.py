"""Calling side of the prediction routes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from backend.predictions.schemas import BulkResult, EventPage, LoggedEvent, Notice, QuarantineRow
from backend.transport import Transport

#: Named, because the client's own `list` hides the built-in one.
QuarantineRows = list[QuarantineRow]
Notices = list[Notice]


class PredictionsClient:
    """Log events and read them back, the quarantine and schema notices included."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def log(self, event: Mapping[str, Any], *, model: str | None = None, key: str | None = None) -> LoggedEvent:
        """Log one event; returns when it is on disk. ApiError 409 when its id is taken by another event."""
        answer: LoggedEvent = self._post(json.dumps(event), "application/json", LoggedEvent, model, key)
        return answer

    def log_many(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        model: str | None = None,
        key: str | None = None,
        with_ids: bool = False,
    ) -> BulkResult:
        """Log many events in one request; look at `results` for those that were not simply stored."""
        body = "\n".join(json.dumps(event) for event in events)
        answer: BulkResult = self._post(body, "application/x-ndjson", BulkResult, model, key, with_ids=with_ids)
        return answer

    def log_arrow(self, stream: bytes, *, model: str, key: str | None = None) -> BulkResult:
        """Log an Arrow IPC stream whose columns are named as the fields of an event."""
        answer: BulkResult = self._post(stream, "application/vnd.apache.arrow.stream", BulkResult, model, key)
        return answer

    def _post(
        self,
        body: str | bytes,
        content_type: str,
        shape: type[Any],
        model: str | None,
        key: str | None,
        *,
        with_ids: bool = False,
    ) -> Any:
        headers = {"Content-Type": content_type}
        if key is not None:
            headers["Idempotency-Key"] = key
        params = {"model": model, "ids": "true" if with_ids else None}
        content = body.encode() if isinstance(body, str) else body
        answer = self.transport.request("POST", "/v1/predictions", content=content, headers=headers, params=params)
        return shape.model_validate_json(answer.content)

    def list(self, model: str, start: datetime, end: datetime, **filters: Any) -> EventPage:
        """Events of [start, end), newest first. Filters: version, role, status, prediction, where, limit, cursor..."""
        times = {"start": start.isoformat(), "end": end.isoformat()}
        return self.transport.get("/v1/predictions", EventPage, model=model, **times, **filters)

    def get(self, model: str, event_id: str) -> dict[str, Any]:
        """One stored event."""
        found: dict[str, Any] = self.transport.request(
            "GET", f"/v1/predictions/{event_id}", params={"model": model}
        ).json()
        return found

    def quarantine(self, model: str | None = None, **filters: Any) -> QuarantineRows:
        """Events that were refused for their content, newest first."""
        return self.transport.get_list("/v1/quarantine", QuarantineRow, model=model, **filters)

    def notices(self, model: str | None = None, **filters: Any) -> Notices:
        """Changes that callers made to the models' inputs, newest first."""
        return self.transport.get_list("/v1/schema-notices", Notice, model=model, **filters)

    def acknowledge_notice(self, notice_id: int) -> Notice:
        """Note that somebody has seen a change."""
        return self.transport.send("POST", f"/v1/schema-notices/{notice_id}/acknowledge", Notice)
