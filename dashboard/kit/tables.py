"""Tables of rows that are already written for the reader; paged by the API, never by the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import streamlit as st

#: Tables up to this many rows are drawn whole; longer ones scroll inside `height`.
_WHOLE_ROWS: Final = 9


def table(
    rows: Sequence[Mapping[str, Any]],
    *,
    alt: str,
    key: str | None = None,
    height: int | None = None,
    columns: Mapping[str, Any] | None = None,
) -> None:
    """Rows with the same keys; the keys are the headings. `alt` says what the table is, for screen readers."""
    _draw(rows, alt, key, height, columns)


def picked_row(
    rows: Sequence[Mapping[str, Any]],
    *,
    alt: str,
    key: str,
    height: int | None = None,
    columns: Mapping[str, Any] | None = None,
) -> int | None:
    """A table whose rows can be picked; the position of the picked one."""
    event = _draw(rows, alt, key, height, columns, on_select="rerun", selection_mode="single-row")
    picked = list(event.selection.rows)
    return picked[0] if picked and picked[0] < len(rows) else None


def _draw(
    rows: Sequence[Mapping[str, Any]],
    alt: str,
    key: str | None,
    height: int | None,
    columns: Mapping[str, Any] | None,
    **more: Any,
) -> Any:
    return st.dataframe(
        pa.Table.from_pylist([dict(row) for row in rows]),
        hide_index=True,
        width="stretch",
        height="content" if len(rows) <= _WHOLE_ROWS else height or 360,
        column_config=dict(columns or {}),
        key=key,
        alt=alt,
        **more,
    )
