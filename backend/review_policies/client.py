"""The calling side of review policies."""

from __future__ import annotations

from typing import Any

from backend.review_policies.schemas import PolicyCreate, PolicyFields, PolicyOut, Preview, PreviewBody
from backend.transport import Transport

PATH = "/v1/review-policies"


class ReviewPoliciesClient:
    """`client.review_policies`: for data scientists and admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, *, limit: int = 100) -> list[PolicyOut]:
        """Policies, newest first; the first one is in force."""
        return self._transport.get_list(PATH, PolicyOut, model=model, limit=limit)

    def declare(
        self, model: str, policy: PolicyFields | None = None, *, reason: str, based_on: int | None = None, **fields: Any
    ) -> PolicyOut:
        """Put a policy in force: `declare("pcb", reason="more audits", epsilon=0.05)`."""
        wish = PolicyCreate(model=model, policy=policy or PolicyFields(**fields), reason=reason, based_on=based_on)
        return self._transport.send("POST", PATH, PolicyOut, wish)

    def preview(self, model: str, policy: PolicyFields | None = None, *, days: int = 7, **fields: Any) -> Preview:
        """What a policy would send to people, on the last days' traffic."""
        wish = PreviewBody(model=model, policy=policy or PolicyFields(**fields), days=days)
        return self._transport.send("POST", f"{PATH}/preview", Preview, wish)
