"""Labelled rows as JSONL, CSV and Parquet, piece by piece. Pure: rows in, bytes out; exports and datasets use it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

Format = Literal["jsonl", "csv", "parquet"]
MEDIA_TYPES: dict[str, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
#: Column -> how it is stored. `map` is text to text, `json` is free JSON (as text in CSV and Parquet).
COLUMNS: dict[str, str] = {
    "subject_id": "text",
    "label": "text",
    "method": "text",
    "resolved_at": "time",
    "artifact_sha256": "text",
    "golden_sha256": "text",
    "segments": "map",
    "inputs": "json",
    "champion_version": "text",
    "champion_label": "text",
    "champion_score": "number",
    "n_opinions": "integer",
}
#: The same of what was skipped.
SKIP_COLUMNS: dict[str, str] = {
    "subject_id": "text",
    "reason": "text",
    "comment": "text",
    "skipped_at": "time",
    "state": "text",
    "artifact_sha256": "text",
    "golden_sha256": "text",
    "segments": "map",
}
#: A spreadsheet takes a text cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ARROW: dict[str, pa.DataType] = {
    "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "map": pa.map_(pa.string(), pa.string()),
    "json": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
}
_ROWS_PER_PIECE = 1000
_ROWS_PER_GROUP = 8192


def encode(rows: Iterable[dict[str, Any]], format: Format, columns: dict[str, str] | None = None) -> Iterator[bytes]:
    """The rows as pieces of a file; memory holds one piece (Parquet: one row group) at a time.

    >>> list(encode([{"subject_id": "=1+1"}], "csv", {"subject_id": "text"}))
    [b"subject_id\\r\\n'=1+1\\r\\n"]
    """
    columns = columns or COLUMNS
    if format == "jsonl":
        return _jsonl(rows, columns)
    if format == "csv":
        return _csv(rows, columns)
    return _parquet(rows, columns)


def escape_cell(value: str) -> str:
    """A text that a spreadsheet shows as it is instead of running it as a formula.

    >>> escape_cell("=HYPERLINK(1)"), escape_cell("ok")
    ("'=HYPERLINK(1)", 'ok')
    """
    return "'" + value if value.startswith(_FORMULA) else value


def stamp(moment: datetime) -> str:
    """A time as RFC 3339 in UTC with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_line(row: dict[str, Any], columns: dict[str, str]) -> str:
    """One row as canonical JSON: columns in their order, nested keys sorted."""
    shown = {name: _plain(row.get(name), kind) for name, kind in columns.items()}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "time":
        return stamp(value)
    return dict(sorted(value.items())) if kind in ("map", "json") else value


def _jsonl(rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> Iterator[bytes]:
    for piece in _pieces(rows, _ROWS_PER_PIECE):
        yield "".join(json_line(row, columns) for row in piece).encode("utf-8")


def _csv(rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for piece in _pieces(rows, _ROWS_PER_PIECE):
        for row in piece:
            writer.writerow([_cell(row.get(name), kind) for name, kind in columns.items()])
        yield buffer.getvalue().encode("utf-8")
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode("utf-8")


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind == "text":
        return escape_cell(value)
    if kind in ("map", "json"):
        return escape_cell(_json_text(value))
    return stamp(value) if kind == "time" else value


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class _Drain(io.RawIOBase):
    """A file that keeps what was written until it is taken away."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self.pieces)
        self.pieces.clear()
        return taken


def _parquet(rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> Iterator[bytes]:
    import pyarrow.parquet as pq  # with Arrow's file systems 10 MB that only an export needs

    schema = pa.schema([(name, _ARROW[kind]) for name, kind in columns.items()])
    drain = _Drain()
    with pq.ParquetWriter(pa.PythonFile(drain, mode="w"), schema, compression="zstd") as writer:
        for piece in _pieces(rows, _ROWS_PER_GROUP):
            arrays = [
                pa.array([_arrow_value(row.get(name), kind) for row in piece], _ARROW[kind])
                for name, kind in columns.items()
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            if taken := drain.take():
                yield taken
    yield drain.take()


def _arrow_value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "map":
        return [(name, value[name]) for name in sorted(value)]
    return _json_text(value) if kind == "json" else value


def _pieces(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    piece: list[dict[str, Any]] = []
    for row in rows:
        piece.append(row)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece
