"""The calling side of managing people."""

from __future__ import annotations

from typing import Any

from backend.transport import Transport
from backend.users.schemas import UserMade, UserPatch, UserRead


class UsersClient:
    """`client.users`: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int = 100, offset: int = 0) -> list[UserRead]:
        return self._transport.get_list("/v1/users", UserRead, limit=limit, offset=offset)

    def get(self, user_id: str) -> UserRead:
        return self._transport.get(f"/v1/users/{user_id}", UserRead)

    def create(self, email: str, name: str, role: str, password: str | None = None, **fields: Any) -> UserMade:
        """Add a person; without a password the answer's `initial_password` holds one, shown once."""
        body = {"email": email, "name": name, "role": role, "password": password, **fields}
        return UserMade.model_validate_json(self._transport.request("POST", "/v1/users", json=body).content)

    def change(self, user_id: str, patch: UserPatch | None = None, **fields: Any) -> UserRead:
        return self._transport.send("PATCH", f"/v1/users/{user_id}", UserRead, patch or UserPatch(**fields))

    def reset_password(self, user_id: str, password: str | None = None) -> UserMade:
        """A new password, made and shown once when none is given; ends the person's sessions."""
        body = {"password": password}
        answer = self._transport.request("POST", f"/v1/users/{user_id}/password", json=body)
        return UserMade.model_validate_json(answer.content)
