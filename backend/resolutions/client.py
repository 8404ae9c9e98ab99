"""The calling side of resolutions."""

from __future__ import annotations

from collections.abc import Iterator

from backend.resolutions.schemas import ResolutionOut, ResolutionPage
from backend.transport import Transport


class ResolutionsClient:
    """`client.resolutions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def page(self, model: str, *, after: int = 0, limit: int = 100) -> ResolutionPage:
        """Items resolved after a number."""
        return self._transport.get("/v1/resolutions", ResolutionPage, model=model, after=after, limit=limit)

    def iter(self, model: str, *, after: int = 0) -> Iterator[ResolutionOut]:
        """All items resolved after a number."""
        while (found := self.page(model, after=after, limit=1000)).items:
            yield from found.items
            after = found.next_after
