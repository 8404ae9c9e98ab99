"""Row filters: allow-listed columns and operators, compiled to SQL with bound values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Op = Literal["eq", "ne", "in", "lt", "le", "gt", "ge", "is_null", "not_null"]

_COMPARE = {"eq": "=", "ne": "IS DISTINCT FROM", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class BadFilter(ValueError):
    """A filter names a column that the model does not have, or an operator that does not exist."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a stored column; several are joined by AND. `in` takes a list."""

    column: str
    op: Op
    value: Any = None


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def compile_filters(filters: Sequence[Filter], columns: Sequence[str]) -> tuple[str, list[Any]]:
    """SQL conditions and their values; columns outside `columns` are refused.

    >>> compile_filters([Filter("score", "lt", 0.5)], ["score"])
    ('"score" < ?', [0.5])
    """
    known = set(columns)
    parts: list[str] = []
    values: list[Any] = []
    for item in filters:
        if item.column not in known:
            raise BadFilter(f"this model's events have no column {item.column!r}")
        name = quote(item.column)
        if item.op in _COMPARE:
            parts.append(f"{name} {_COMPARE[item.op]} ?")
            values.append(item.value)
        elif item.op == "in":
            wanted = list(item.value)
            parts.append(f"{name} IN ({', '.join('?' * len(wanted))})" if wanted else "false")
            values.extend(wanted)
        elif item.op == "is_null":
            parts.append(f"{name} IS NULL")
        elif item.op == "not_null":
            parts.append(f"{name} IS NOT NULL")
        else:
            raise BadFilter(f"unknown operator {item.op!r}")
    return " AND ".join(parts) or "true", values
