"""What features of a model are called to a reader: inputs and metrics by their own name, others by the catalogue."""

from __future__ import annotations

from dashboard.kit.text import t_or


def feature_name(column: str) -> str:
    """A feature as the reader calls it."""
    for prefix in ("in_", "metric_"):
        if column.startswith(prefix):
            return column.removeprefix(prefix)
    return t_or(f"drift.name.{column}", column)
