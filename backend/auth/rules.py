"""Who may do what: roles, permissions, and the principal that acts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["viewer", "inspector", "data_scientist", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "inspector", "data_scientist", "admin")

#: What somebody may know of single people. named: everybody by name. anonymous: figures without names.
#: team: oneself, and people taken together.
Visibility = Literal["named", "anonymous", "team"]

_ALL: frozenset[Role] = frozenset(ROLES)
_WORKERS: frozenset[Role] = frozenset({"inspector", "data_scientist", "admin"})
_SCIENTISTS: frozenset[Role] = frozenset({"data_scientist", "admin"})
_ADMINS: frozenset[Role] = frozenset({"admin"})

#: Permission name -> roles that hold it. An API key holds the permissions named in its scopes.
PERMISSIONS: dict[str, frozenset[Role]] = {
    "me:read": _ALL,
    "aggregates:read": _ALL,
    "models:read": _ALL,
    "models:write": _SCIENTISTS,
    "rollouts:write": _SCIENTISTS,
    "artifacts:read": _WORKERS,
    "artifacts:write": _SCIENTISTS,
    "events:read": _SCIENTISTS,
    "events:write": _SCIENTISTS,
    "predict": _SCIENTISTS,
    "review:work": _WORKERS,
    "review:manage": _SCIENTISTS,
    "labels:read": _SCIENTISTS,
    "labels:write": _SCIENTISTS,
    "datasets:read": _SCIENTISTS,
    "datasets:write": _SCIENTISTS,
    "runs:read": _SCIENTISTS,
    "runs:write": _SCIENTISTS,
    "reports:write": _SCIENTISTS,
    "alerts:write": _SCIENTISTS,
    "metrics:read": _SCIENTISTS,
    "channels:manage": _ADMINS,
    "people:manage": _ADMINS,
    "keys:manage": _ADMINS,
    "audit:read": _ADMINS,
}

#: What a key may be given; people and keys are managed by people only.
KEY_SCOPES: frozenset[str] = frozenset(PERMISSIONS) - {
    "people:manage",
    "keys:manage",
    "channels:manage",
    "review:work",
    "audit:read",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a signed-in person or a service's key.

    `id` is the user's or key's id; `judge` is how decisions name a person; `models` narrows a key to some models.
    """

    kind: Literal["user", "key"]
    id: str
    name: str
    role: Role | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    models: frozenset[str] | None = None

    @property
    def actor(self) -> str:
        """The name under which this principal appears in logs and audit entries."""
        return f"{self.kind}:{self.id}"

    @property
    def judge(self) -> str:
        return self.actor

    def may(self, permission: str) -> bool:
        """Whether this principal holds a permission.

        >>> Principal("user", "1", "An", role="inspector").may("review:work")
        True
        """
        if self.kind == "key":
            return permission in self.scopes
        return self.role in PERMISSIONS[permission]

    @property
    def sees_people(self) -> Visibility:
        """What this principal may know of single people's answers: the same on every screen and route.

        >>> Principal("user", "1", "An", role="inspector").sees_people
        'team'
        """
        if self.may("people:manage"):
            return "named"
        return "anonymous" if self.may("labels:read") else "team"

    def may_use_model(self, model: str) -> bool:
        """Whether this principal may touch a model; other models look as if they did not exist."""
        return self.models is None or model in self.models
