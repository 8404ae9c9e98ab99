"""Asking a model for an answer, from Python."""

from __future__ import annotations

from backend.inference.schemas import PredictBody, Prediction
from backend.transport import Transport


class InferenceClient:
    """Asks a model, and looks after what people decide."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def predict(self, model: str, body: PredictBody) -> Prediction:
        """The answer to one request; its `status` is "pending" where a person decides."""
        return self._transport.send("POST", f"/v1/models/{model}/predict", Prediction, body)

    def answer(self, model: str, answer_id: str, wait_s: float = 0) -> Prediction:
        """What became of a pending request, waiting up to `wait_s` seconds (at most 60) for the person."""
        path = f"/v1/models/{model}/predict/{answer_id}"
        return self._transport.send("GET", path, Prediction, params={"wait_s": wait_s})
