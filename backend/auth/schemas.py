"""Shapes of signing in and of one's own account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

from backend.shapes import Input, Output, SmallJson, Title


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # unknown names, folders of the database, odd characters
        raise ValueError("not a known time zone, such as Asia/Ho_Chi_Minh") from None
    return value


def _plain_email(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Email = Annotated[
    str, BeforeValidator(_plain_email), StringConstraints(pattern=r"^[^@\s<>\"]+@[^@\s<>\"]+$", max_length=320)
]
Language = Literal["en", "vi"]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class Login(Input):
    email: Annotated[str, BeforeValidator(_plain_email), StringConstraints(max_length=320)]
    password: Password


class Bootstrap(Input):
    """The first admin, made once with the token that the server printed."""

    token: Password
    email: Email
    name: Title
    password: Password
    language: Language | None = None


class Account(Output):
    """Who I am and what I may do. A key has no e-mail, role, language, time zone or preferences."""

    kind: Literal["user", "key"]
    id: str
    name: str
    email: str | None = None
    role: str | None = None
    language: str | None = None
    timezone: str | None = None
    preferences: dict[str, Any] = {}
    permissions: list[str]
    models: list[str] | None = None


class SignedIn(Output):
    token: str
    expires_at: datetime
    user: Account


class AccountPatch(Input):
    """Changes to one's own account. `preferences` are merged key by key; null removes a key."""

    name: Title | None = None
    language: Language | None = None
    timezone: TimeZone | None = None
    preferences: SmallJson | None = None
    new_password: Password | None = None
    current_password: Password | None = None
