"""Asking a model for an answer, from Python."""

from __future__ import annotations

from backend.inference.schemas import PredictBody, Prediction
from backend.transport import Transport


class InferenceClient:
    """Serves predictions of a model's champion."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def predict(self, model: str, body: PredictBody) -> Prediction:
        """The champion's answer to one request."""
        return self._transport.send("POST", f"/v1/models/{model}/predict", Prediction, body)
