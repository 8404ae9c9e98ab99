"""The calling side of rollouts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.rollouts.schemas import RollbackIn, RolloutCreate, RolloutMark, RolloutRead
from backend.transport import ApiError, Transport

Marks = list[RolloutMark]


class RolloutsClient:
    """`client.rollouts`: who answers for a model, and since when."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, *, before_id: int | None = None, limit: int = 100) -> list[RolloutRead]:
        """The history, newest first."""
        path = f"/v1/models/{model}/rollouts"
        return self._transport.get_list(path, RolloutRead, before_id=before_id, limit=limit)

    def current(self, model: str) -> RolloutRead | None:
        """The rollout in force, or None before the first one."""
        try:
            return self._transport.get(f"/v1/models/{model}/rollouts/current", RolloutRead)
        except ApiError as error:
            if error.code == "no_rollout":
                return None
            raise

    def create(self, model: str, wish: RolloutCreate | None = None, **fields: Any) -> RolloutRead:
        """Put a rollout in force: `create("pcb", champion="v2", reason="beats v1 in shadow by 2 points")`."""
        body = wish or RolloutCreate(**fields)
        return self._transport.send("POST", f"/v1/models/{model}/rollouts", RolloutRead, body)

    def roll_back(self, model: str, reason: str, *, based_on: int | None = None) -> RolloutRead:
        """Put who answered before in force again. `based_on`: the rollout to leave; refused unless it is in force."""
        body = RollbackIn(reason=reason, based_on=based_on)
        return self._transport.send("POST", f"/v1/models/{model}/rollouts/rollback", RolloutRead, body)

    def marks(self, model: str, start: datetime | None = None, end: datetime | None = None) -> Marks:
        """Changes in a time range, oldest first, for charts."""
        path = f"/v1/models/{model}/rollouts/marks"
        times = {"start": start.isoformat() if start else None, "end": end.isoformat() if end else None}
        return self._transport.get_list(path, RolloutMark, **times)
