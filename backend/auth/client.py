"""The calling side of signing in and of one's own account."""

from __future__ import annotations

from backend.auth.schemas import Account, AccountPatch, Bootstrap, Login, SignedIn
from backend.transport import Transport


class AuthClient:
    """`client.auth`: sign in and out, read and change one's own account."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def login(self, email: str, password: str) -> SignedIn:
        """A session; its `token` goes into a new Client."""
        body = Login.model_validate({"email": email, "password": password})
        return SignedIn.model_validate_json(
            self._transport.request(
                "POST",
                "/v1/auth/login",
                json={"email": body.email, "password": password},
            ).content
        )

    def bootstrap(self, token: str, email: str, name: str, password: str) -> SignedIn:
        """Make the first admin with the one-time token of the server."""
        wish = {"token": token, "email": email, "name": name, "password": password}
        Bootstrap.model_validate(wish)
        answer = self._transport.request("POST", "/v1/auth/bootstrap", json=wish)
        return SignedIn.model_validate_json(answer.content)

    def logout(self) -> None:
        self._transport.request("POST", "/v1/auth/logout")

    def me(self) -> Account:
        return self._transport.get("/v1/auth/me", Account)

    def change(self, patch: AccountPatch) -> Account:
        """Change one's own account; only the fields that are set are sent."""
        body = patch.model_dump(mode="json", exclude_unset=True, exclude={"new_password", "current_password"})
        for name in ("new_password", "current_password"):
            secret = getattr(patch, name)
            if secret is not None:
                body[name] = secret.get_secret_value()
        return Account.model_validate_json(self._transport.request("PATCH", "/v1/auth/me", json=body).content)
