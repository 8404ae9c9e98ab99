"""Sending and reading resolved labels, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.ground_truth.schemas import MAX_TRUTHS, TruthIn, TruthOut, TruthResult, TruthsStored
from backend.transport import Transport

PATH = "/v1/ground-truth"


class GroundTruthClient:
    """Late labels in, resolved labels out."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, **filters: Any) -> list[TruthOut]:
        """One page: subject_id, method, start, end, history, after, limit."""
        return self._transport.get_list(PATH, TruthOut, model=model, **filters)

    def send(self, model: str, truths: Sequence[TruthIn]) -> TruthsStored:
        """Store labels, in requests of at most 1,000; results keep the order given."""
        results: Sequence[TruthResult] = []
        for first in range(0, len(truths), MAX_TRUTHS):
            sent = [one.model_dump(mode="json", exclude_unset=True) for one in truths[first : first + MAX_TRUTHS]]
            answer = self._transport.request("POST", PATH, json={"model": model, "truths": sent})
            stored = TruthsStored.model_validate_json(answer.content)
            results = [*results, *(one.model_copy(update={"index": one.index + first}) for one in stored.results)]
        return TruthsStored(
            n_stored=sum(one.status == "stored" for one in results),
            n_unchanged=sum(one.status == "unchanged" for one in results),
            n_refused=sum(one.status == "refused" for one in results),
            results=[*results],
        )
