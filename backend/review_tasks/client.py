"""The review queue, called from screens, simulated inspectors and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backend.review_tasks.schemas import (
    ClaimedTask,
    Decided,
    ItemContext,
    Lease,
    Mode,
    OpenBody,
    Opened,
    Progress,
    Released,
    Reveal,
    ReviewTaskOut,
)
from backend.transport import Transport
from review.rules.skips import SkipReason

PATH = "/v1/review-tasks"


class ReviewTasksClient:
    """Claim, decide, undo; managers also open and list."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def claim(self, model: str, n: int = 1, modes: Sequence[Mode] | None = None) -> list[ClaimedTask]:
        """The next items, leased to the signed-in person."""
        body: dict[str, Any] = {"model": model, "n": n}
        if modes is not None:
            body["modes"] = list(modes)
        return [ClaimedTask.model_validate(one) for one in self._post("/claim", body).json()]

    def heartbeat(self, task: ClaimedTask) -> Lease:
        """Keep a lease alive."""
        answer = self._post(f"/{task.id}/heartbeat", {"lease_token": task.lease_token})
        return Lease.model_validate_json(answer.content)

    def decide(
        self,
        task: ClaimedTask,
        label: str | None = None,
        *,
        verb: str = "label",
        duration_ms: int | None = None,
        comment: str | None = None,
        skip_reason: SkipReason | None = None,
        boxes: list[dict[str, Any]] | None = None,
        idempotency_key: str | None = None,
        alike: int = 0,
        revealed_ms: int | None = None,
        chosen: str | None = None,
    ) -> Decided:
        """Answer a claimed item; with `alike`, also up to so many with the very same inputs."""
        body: dict[str, Any] = {"lease_token": task.lease_token, "label": label, "verb": verb}
        optional = {
            "duration_ms": duration_ms,
            "comment": comment,
            "skip_reason": skip_reason,
            "boxes": boxes,
            "idempotency_key": idempotency_key,
            "alike": alike or None,
            "revealed_ms": revealed_ms,
            "chosen": chosen,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        return Decided.model_validate_json(self._post(f"/{task.id}/decide", body).content)

    def context(self, task: ClaimedTask) -> ItemContext:
        """Ranges, labelled rows like it and marks of a claimed item."""
        return self._transport.get(f"{PATH}/{task.id}/context", ItemContext)

    def reveal(self, task: ClaimedTask, after_ms: int | None = None) -> Reveal:
        """What the machine said about an item that was answered, where it may be shown."""
        answer = self._post(f"/{task.id}/reveal", {"after_ms": after_ms})
        return Reveal.model_validate_json(answer.content)

    def release(self, tasks: Iterable[ClaimedTask]) -> Released:
        """Give items back to the queue."""
        leases = [{"id": task.id, "lease_token": task.lease_token} for task in tasks]
        return Released.model_validate_json(self._post("/release", {"leases": leases}).content)

    def undo(self, model: str | None = None) -> ClaimedTask:
        """Take back the person's latest answer; the item is theirs again."""
        body = {"model": model} if model is not None else {}
        return ClaimedTask.model_validate_json(self._post("/undo", body).content)

    def progress(self, model: str) -> Progress:
        """The person's day and the length of the queue."""
        return self._transport.get(f"{PATH}/progress", Progress, model=model)

    def open(self, body: OpenBody) -> Opened:
        """Queue subjects for people (managers)."""
        return self._transport.send("POST", PATH, Opened, body)

    def list(self, model: str, **filters: Any) -> list[ReviewTaskOut]:
        """Tasks of a model (managers): state, mode, reason, subject_id, after, limit."""
        return self._transport.get_list(PATH, ReviewTaskOut, model=model, **filters)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._transport.request("POST", f"{PATH}{path}", json=body)
