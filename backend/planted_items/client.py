"""The calling side of planted items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.planted_items.schemas import PersonChecks, PlantedBody, PlantedIn, PlantedOut, PlantedStored
from backend.transport import Transport

PATH = "/v1/planted-items"


class PlantedItemsClient:
    """`client.planted_items`: for data scientists and admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def store(self, model: str, items: Sequence[PlantedIn | dict[str, Any]]) -> PlantedStored:
        """Add subjects with a known label: `store("pcb", [{"subject_id": "b-17", "kind": "gold", "label": "ok"}])`."""
        body = PlantedBody(model=model, items=[PlantedIn.model_validate(one) for one in items])
        return self._transport.send("POST", PATH, PlantedStored, body)

    def checks(self, model: str) -> list[PersonChecks]:
        """How people did on them, worst first."""
        return self._transport.get_list(f"{PATH}/checks", PersonChecks, model=model)

    def list(self, model: str, **filters: Any) -> list[PlantedOut]:
        """Known items: kind, after, limit."""
        return self._transport.get_list(PATH, PlantedOut, model=model, **filters)

    def withdraw(self, item_id: str) -> PlantedOut:
        """Show an item to nobody any more."""
        return self._transport.send("DELETE", f"{PATH}/{item_id}", PlantedOut)
