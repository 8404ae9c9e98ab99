"""One span as the OTLP door reads it, whatever it came as, and what it was sent under. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Attributes = Mapping[str, Any]

STATUS_ERROR = 2


@dataclass(frozen=True, slots=True)
class Source:
    """The resource that spans were sent under, such as one service."""

    attributes: Attributes = field(default_factory=dict)

    @property
    def service(self) -> str | None:
        found = self.attributes.get("service.name")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Span:
    """A span: ids in lower-case hex, times in nanoseconds since 1970, `failure` from its status and exceptions."""

    source: Source
    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    status: int
    failure: str
    attributes: Attributes

    @property
    def event_id(self) -> str:
        """The same span has the same id whenever and however often it is sent."""
        return f"{self.trace_id}-{self.span_id}"

    def told(self) -> dict[str, Any]:
        """What the quarantine keeps of a refused span."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "name": self.name,
            "service": self.source.service,
            "attributes": dict(self.attributes),
        }


def as_text(value: Any) -> str | None:
    """An attribute as text: exporters send a class that is called 7 as a number."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return None


def as_number(value: Any) -> Any:
    """An attribute as a number where it is one; NaN and infinity are no value; anything else as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
