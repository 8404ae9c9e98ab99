"""The calling side of feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.feedback.schemas import FeedbackOut, FeedbackStored
from backend.transport import Transport

#: Named, because the client's own `list` hides the built-in one.
Signals = list[FeedbackOut]


class FeedbackClient:
    """`client.feedback`: tell what became of predictions, and read it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(
        self, model: str, signals: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, key: str | None = None
    ) -> FeedbackStored:
        """One signal or a list: {"prediction_id", "name", "value"?, "happened_at"?, "key"?}.

        A signal with a `key`, or a request with one, may be sent again and counts once.
        """
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = self._transport.request("POST", "/v1/feedback", json=signals, params={"model": model}, headers=headers)
        return FeedbackStored.model_validate_json(answer.content)

    def list(self, model: str, prediction_id: str) -> Signals:
        """What was told about a prediction, oldest first."""
        return self._transport.get_list("/v1/feedback", FeedbackOut, model=model, prediction_id=prediction_id)
