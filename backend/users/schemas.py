"""Shapes of people, for those who manage them."""

from __future__ import annotations

from datetime import datetime

from backend.auth.rules import Role
from backend.auth.schemas import Email, Language, Password, TimeZone
from backend.shapes import Input, Output, Title


class UserCreate(Input):
    """A new person. Without a password one is made and shown once in the answer."""

    email: Email
    name: Title
    role: Role
    password: Password | None = None
    language: Language | None = None
    timezone: TimeZone | None = None


class UserPatch(Input):
    """Changes by an admin. Deactivating ends the person's sessions at once."""

    name: Title | None = None
    role: Role | None = None
    is_active: bool | None = None


class PasswordReset(Input):
    """A new password; without one it is made and shown once. All sessions of the person end."""

    password: Password | None = None


class UserRead(Output):
    id: str
    email: str
    name: str
    role: str
    language: str | None
    timezone: str | None
    is_active: bool
    created_at: datetime


class UserMade(UserRead):
    """`initial_password` is only there when it was made here; it is never shown again."""

    initial_password: str | None = None
