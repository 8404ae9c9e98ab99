"""The calling side of keys."""

from __future__ import annotations

from typing import Any

from backend.api_keys.schemas import ApiKeyCreate, ApiKeyMade, ApiKeyRead
from backend.transport import Transport


class ApiKeysClient:
    """`client.api_keys`: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int = 100, offset: int = 0) -> list[ApiKeyRead]:
        return self._transport.get_list("/v1/api-keys", ApiKeyRead, limit=limit, offset=offset)

    def create(self, wish: ApiKeyCreate | None = None, **fields: Any) -> ApiKeyMade:
        """A key: `create(name="line 1", scopes=["events:write"])`; its `key` is shown this once."""
        return self._transport.send("POST", "/v1/api-keys", ApiKeyMade, wish or ApiKeyCreate(**fields))

    def rotate(self, key_id: str) -> ApiKeyMade:
        """A new secret with the same rights; the old one stops working."""
        return self._transport.send("POST", f"/v1/api-keys/{key_id}/rotate", ApiKeyMade)

    def revoke(self, key_id: str) -> ApiKeyRead:
        return self._transport.send("POST", f"/v1/api-keys/{key_id}/revoke", ApiKeyRead)
