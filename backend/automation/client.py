"""The calling side of the automation ladder."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from backend.automation import schemas
from backend.transport import Transport

Shape = TypeVar("Shape", bound=BaseModel)


class AutomationClient:
    """`client.automation`: how far a model may act by itself, on what evidence, and what to do when it may not."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ladder(self, model: str) -> schemas.Ladder:
        """Where the model and its segments stand."""
        return self._transport.get(f"/v1/automation/{model}", schemas.Ladder)

    def policies(self, model: str, *, segment: str | None = None, limit: int = 50) -> list[schemas.PolicyOut]:
        """All versions of its policies, newest first."""
        path = f"/v1/automation/{model}/policies"
        return self._transport.get_list(path, schemas.PolicyOut, segment=segment, limit=limit)

    def put_policy(
        self, model: str, policy: Any, *, reason: str, segment: str = "", based_on: int | None = None
    ) -> Any:
        """Put a policy (a `Policy` or the same as a dict) in force; answers the new version."""
        body = schemas.PolicyIn(policy=policy, reason=reason, segment=segment, based_on=based_on)
        return self._transport.send("PUT", f"/v1/automation/{model}/policy", schemas.PolicyOut, body)

    def remove_policy(self, model: str, *, reason: str, segment: str = "") -> schemas.PolicyOut:
        """Take the policy away."""
        return self._send(model, "policy/remove", schemas.PolicyOut, schemas.LadderAct(segment=segment, reason=reason))

    def evaluate(self, model: str, *, segment: str = "") -> schemas.VerdictOut:
        """Look at the gates now."""
        return self._send(model, "evaluate", schemas.VerdictOut, schemas.EvaluateIn(segment=segment))

    def verdicts(
        self, model: str, *, segment: str | None = None, before_id: int | None = None, limit: int = 50
    ) -> list[schemas.VerdictLine]:
        """Kept verdicts, newest first."""
        path = f"/v1/automation/{model}/verdicts"
        asked = {"segment": segment, "before_id": before_id, "limit": limit}
        return self._transport.get_list(path, schemas.VerdictLine, **asked)

    def verdict(self, model: str, verdict_id: int) -> schemas.VerdictOut:
        """One verdict with what it was made of."""
        return self._transport.get(f"/v1/automation/{model}/verdicts/{verdict_id}", schemas.VerdictOut)

    def promote(self, model: str, *, reason: str, segment: str = "") -> schemas.VerdictOut:
        """One level up, if the evidence says so."""
        return self._send(model, "promote", schemas.VerdictOut, schemas.LadderAct(segment=segment, reason=reason))

    def step_back(self, model: str, *, reason: str, segment: str = "") -> schemas.Ladder:
        """One level down, at once."""
        return self._send(model, "step-back", schemas.Ladder, schemas.LadderAct(segment=segment, reason=reason))

    def block(self, model: str, *, reason: str, segment: str = "") -> schemas.BlockOut:
        """Hold the model where it is."""
        return self._send(model, "block", schemas.BlockOut, schemas.LadderAct(segment=segment, reason=reason))

    def unblock(self, model: str, *, reason: str, segment: str = "") -> schemas.BlockOut:
        """End the block."""
        return self._send(model, "unblock", schemas.BlockOut, schemas.LadderAct(segment=segment, reason=reason))

    def blocks(self, model: str, *, limit: int = 50) -> list[schemas.BlockOut]:
        """Blocks, newest first."""
        return self._transport.get_list(f"/v1/automation/{model}/blocks", schemas.BlockOut, limit=limit)

    def backtest(self, model: str, policy: Any, **fields: Any) -> schemas.Backtest:
        """What a policy would have said on past days: `segment`, `days`, `level`, `clock`."""
        return self._send(model, "backtest", schemas.Backtest, schemas.BacktestIn(policy=policy, **fields))

    def preview_recall(self, model: str, **fields: Any) -> schemas.RecallPreview:
        """What a recall would open: `version`, `segment`, `start`, `end`, `limit`, `reason`."""
        return self._send(model, "recalls/preview", schemas.RecallPreview, schemas.RecallIn(**fields))

    def open_recall(self, model: str, **fields: Any) -> schemas.RecallOut:
        """Open the recall's review tasks."""
        return self._send(model, "recalls", schemas.RecallOut, schemas.RecallIn(**fields))

    def recalls(self, model: str, *, limit: int = 50) -> list[schemas.RecallOut]:
        """Recalls, newest first."""
        return self._transport.get_list(f"/v1/automation/{model}/recalls", schemas.RecallOut, limit=limit)

    def _send(self, model: str, what: str, shape: type[Shape], body: BaseModel) -> Shape:
        return self._transport.send("POST", f"/v1/automation/{model}/{what}", shape, body)
