"""The calling side of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backend.embeddings.schemas import (
    MAX_ITEMS,
    EmbeddingDrift,
    EncoderOut,
    ItemVector,
    RunBody,
    RunOut,
    VectorRefused,
    VectorsStored,
)
from backend.transport import Transport

PATH = "/v1/embeddings"


class EmbeddingsClient:
    """Vectors of pictures, sounds and texts, and drift tested on them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, model: str, encoder: str, items: Sequence[ItemVector]) -> VectorsStored:
        """Store vectors, in requests of at most 1,000; refused ones are told by their place in `items`."""
        n_stored, refused = 0, list[VectorRefused]()
        for first in range(0, len(items), MAX_ITEMS):
            sent = [one.model_dump(mode="json", exclude_unset=True) for one in items[first : first + MAX_ITEMS]]
            body = {"model": model, "encoder": encoder, "items": sent}
            answer = VectorsStored.model_validate_json(self._transport.request("POST", PATH, json=body).content)
            n_stored += answer.n_stored
            refused += [one.model_copy(update={"index": one.index + first}) for one in answer.refused]
        return VectorsStored(n_stored=n_stored, n_refused=len(refused), refused=refused)

    def encoders(self, model: str) -> list[EncoderOut]:
        """What vectors a model has."""
        return self._transport.get_list(PATH, EncoderOut, model=model)

    def drift(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        encoder: str | None = None,
        version: str | None = None,
        reference: tuple[datetime, datetime] | None = None,
        alpha: float | None = None,
    ) -> EmbeddingDrift:
        """The window's vectors against the reference's (by default the time before)."""
        return self._transport.get(
            f"{PATH}/drift",
            EmbeddingDrift,
            model=model,
            start=start.isoformat(),
            end=end.isoformat(),
            encoder=encoder,
            version=version,
            reference_start=reference[0].isoformat() if reference else None,
            reference_end=reference[1].isoformat() if reference else None,
            alpha=alpha,
        )

    def run(self, model: str, *, days: int = 30, per_day: int = 100) -> RunOut:
        """Queue a run that encodes items without a vector."""
        return self._transport.send("POST", f"{PATH}/runs", RunOut, RunBody(model=model, days=days, per_day=per_day))
