"""DuckDB as the product uses it: in memory, bounded, in UTC. Called by whoever reads events or the lake's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "256MB",
    "threads": "2",
    "preserve_insertion_order": "false",
}


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """A bounded in-memory DuckDB that speaks UTC."""
    import duckdb  # with the first question: the logging door does without its 45 MB

    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("SET TimeZone = 'UTC'")
    return connection
