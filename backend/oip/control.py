"""What may be said when a model is loaded. Pure; both transports use it."""

from __future__ import annotations

from collections.abc import Collection

from backend.errors import Invalid


def check_load(parameters: Collection[str]) -> None:
    """Models come from their registered versions: a configuration or files sent along would be ignored."""
    sent = [name for name in parameters if name == "config" or name.startswith("file:")]
    if sent:
        raise Invalid(f"the parameter {sent[0]!r} is not taken: register a version instead", code="not_offered")
