"""Sending and reading decisions, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.decisions.schemas import MAX_DECISIONS, DecisionIn, DecisionOut, DecisionResult, DecisionsStored
from backend.transport import Transport

PATH = "/v1/decisions"


class DecisionsClient:
    """Decisions made elsewhere in, all decisions out."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, **filters: Any) -> list[DecisionOut]:
        """One page: subject_id, judge, start, end, superseded, planted, after, limit."""
        return self._transport.get_list(PATH, DecisionOut, model=model, **filters)

    def send(self, model: str, decisions: Sequence[DecisionIn]) -> DecisionsStored:
        """Store decisions, in requests of at most 1,000; results keep the order given."""
        results: Sequence[DecisionResult] = []
        for first in range(0, len(decisions), MAX_DECISIONS):
            chunk = decisions[first : first + MAX_DECISIONS]
            sent = [one.model_dump(mode="json", exclude_unset=True) for one in chunk]
            answer = self._transport.request("POST", PATH, json={"model": model, "decisions": sent})
            stored = DecisionsStored.model_validate_json(answer.content)
            moved = [one.model_copy(update={"index": one.index + first}) for one in stored.results]
            results = [*results, *moved]
        return DecisionsStored(
            n_stored=sum(one.status == "stored" for one in results),
            n_duplicates=sum(one.status == "duplicate" for one in results),
            n_refused=sum(one.status == "refused" for one in results),
            results=[*results],
        )
