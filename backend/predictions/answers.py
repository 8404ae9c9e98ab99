"""What the logging door answers: statuses and bodies from the results of the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from backend.errors import Conflict, Invalid, Malformed, SoiError, TooLarge
from db.eventlog.door import Checked
from db.eventlog.pending import AppendResult
from db.eventlog.problems import Refusal

_ERRORS: dict[int, type[SoiError]] = {400: Malformed, 409: Conflict, 413: TooLarge, 422: Invalid}
CONFLICT_MESSAGE = "another event was stored under this id"


def refusal_error(refusal: Refusal) -> SoiError:
    """A refused single event as an error answer with a JSON pointer."""
    details = {"pointer": refusal.pointer} if refusal.pointer else {}
    return _ERRORS.get(refusal.status, Invalid)(refusal.message, code=refusal.code, details=details)


def single_answer(event_id: str, result: AppendResult) -> tuple[int, bytes]:
    """201 for a new event, 200 for a repeat, 409 for another event under the same id."""
    if result.conflicts:
        error = Conflict(CONFLICT_MESSAGE, code="id_conflict", details={"id": event_id})
        return 409, orjson.dumps(error.body())
    status = 201 if result.n_new else 200
    return status, orjson.dumps({"id": event_id, "status": "new" if result.n_new else "duplicate"})


def bulk_answer(
    n: int, checked: Sequence[Checked], results: Sequence[AppendResult], orphans: Sequence[Refusal], *, with_ids: bool
) -> tuple[int, bytes]:
    """One status for all, or 207; `results` names the events that are not simply new, in order."""
    stored = [item for item in checked if item.part is not None]
    items: list[dict[str, Any]] = [_refused(refusal) for refusal in orphans]
    n_new = n_duplicate = 0
    for item in checked:
        items.extend(_refused(refusal) for refusal in item.refusals)
    for item, result in zip(stored, results, strict=True):
        n_new += result.n_new
        n_duplicate += len(result.duplicates)
        items.extend(_repeat(item, place, 200, "duplicate") for place in result.duplicates)
        items.extend(_repeat(item, place, 409, "id_conflict") for place in result.conflicts)
    items.sort(key=lambda entry: entry["index"])
    body: dict[str, Any] = {
        "n": n,
        "n_new": n_new,
        "n_duplicate": n_duplicate,
        "n_refused": n - n_new - n_duplicate,
        "results": items,
    }
    if with_ids:
        body["ids"] = _ids(n, stored)
    return _status(n, n_new, items), orjson.dumps(body)


def _status(n: int, n_new: int, items: list[dict[str, Any]]) -> int:
    if n_new == n:
        return 201
    statuses = {entry["status"] for entry in items}
    return int(statuses.pop()) if n_new == 0 and len(statuses) == 1 else 207


def _refused(refusal: Refusal) -> dict[str, Any]:
    return {
        "index": refusal.index,
        "status": refusal.status,
        "code": refusal.code,
        "pointer": refusal.pointer,
        "message": refusal.message,
    }


def _repeat(item: Checked, place: int, status: int, code: str) -> dict[str, Any]:
    message = CONFLICT_MESSAGE if status == 409 else ""
    return {
        "index": int(item.indexes[place]),
        "status": status,
        "code": code,
        "id": event_ids(item)[place],
        "message": message,
    }


def event_ids(item: Checked) -> list[str]:
    """The ids of the rows that passed the door, in their order."""
    part = item.part
    if part is None:
        return []
    if part.batch is not None:
        ids: list[str] = part.batch.column("event_id").to_pylist()
        return ids
    return [row["event_id"] for row in part.rows or ()]


def _ids(n: int, stored: Sequence[Checked]) -> list[str | None]:
    ids: list[str | None] = [None] * n
    for item in stored:
        for index, event_id in zip(item.indexes, event_ids(item), strict=True):
            ids[index] = event_id
    return ids
