"""Reads CSV and Parquet history in batches of plain Python columns; rows that are broken as text are set aside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from backend.errors import Invalid

BATCH_ROWS = 10_000
_PARQUET = frozenset({".parquet", ".pq"})
_TEXT = frozenset({".csv", ".tsv", ".txt"})


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A line that has another number of fields than the header."""

    number: int
    text: str
    reason: str


@dataclass(slots=True)
class Rows:
    """Some rows of a file: `first` is the number of the first one (the header is not counted)."""

    first: int
    columns: dict[str, list[Any]]
    broken: list[BrokenRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


class HistoryFile:
    """One file of history. CSV cells come as text, Parquet cells with their own types."""

    def __init__(self, path: Path, null_texts: list[str] | None = None) -> None:
        self.path = path
        self.null_texts = null_texts or [""]
        if not path.is_file():
            raise Invalid(f"there is no file {path}")
        self.is_parquet = path.suffix.lower() in _PARQUET
        if not self.is_parquet and path.suffix.lower() not in _TEXT:
            raise Invalid(f"{path.name}: give a .csv, .tsv or .parquet file")
        if path.stat().st_size == 0:
            raise Invalid(f"{path.name} is empty")
        self.columns = self._read_columns()

    def digest(self) -> str:
        """The first 16 hex digits of the file's SHA-256: names its rows when they carry no id."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]

    def count(self) -> int:
        """About how many rows the file has (exact for Parquet, by line ends for text)."""
        if self.is_parquet:
            return int(pq.ParquetFile(self.path).metadata.num_rows)
        with self.path.open("rb") as stream:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        return max(0, lines - 1)

    def read(self) -> Iterator[Rows]:
        """All rows in order."""
        yield from self._read_parquet() if self.is_parquet else self._read_text()

    def _read_columns(self) -> list[str]:
        try:
            if self.is_parquet:
                return list(pq.ParquetFile(self.path).schema_arrow.names)
            with self._open_text([]) as reader:
                names = list(reader.schema.names)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise Invalid(f"{self.path.name} cannot be read: {str(error).splitlines()[0]}") from error
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Invalid(f"{self.path.name} has the column {twice[0]!r} twice")
        return names

    def _read_parquet(self) -> Iterator[Rows]:
        number = 0
        for batch in pq.ParquetFile(self.path).iter_batches(batch_size=BATCH_ROWS):
            columns = {name: [_plain(v) for v in batch.column(i).to_pylist()] for i, name in enumerate(self.columns)}
            yield Rows(number, columns)
            number += batch.num_rows

    def _read_text(self) -> Iterator[Rows]:
        broken: list[BrokenRow] = []
        number = 0
        try:
            with self._open_text(broken) as reader:
                for batch in reader:
                    set_aside, broken[:] = list(broken), []
                    columns = {name: batch.column(i).to_pylist() for i, name in enumerate(self.columns)}
                    yield Rows(number, columns, set_aside)
                    number += batch.num_rows
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise Invalid(
                f"{self.path.name} cannot be read after row {number}: {str(error).splitlines()[0]}"
            ) from error
        if broken:
            yield Rows(number, {name: [] for name in self.columns}, broken)

    def _open_text(self, broken: list[BrokenRow]) -> pacsv.CSVStreamingReader:
        def set_aside(row: Any) -> Literal["skip", "error"]:
            reason = f"{row.actual_columns} fields where the header has {row.expected_columns}"
            broken.append(BrokenRow(int(row.number or 0), str(row.text or "")[:2000], reason))
            return "skip"

        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            header = stream.readline().rstrip("\r\n")
        delimiter = max((",", "\t", ";"), key=header.count)
        names = next(iter(_split(header, delimiter)))
        return pacsv.open_csv(
            self.path,
            read_options=pacsv.ReadOptions(block_size=4 << 20, use_threads=False),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=self.null_texts,
            ),
        )


def _split(header: str, delimiter: str) -> Iterator[list[str]]:
    import csv

    yield from csv.reader([header], delimiter=delimiter)


def _plain(value: Any) -> Any:
    """A Parquet cell as the JSON that the door takes; NaN, pandas' way to say "nothing", becomes nothing."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value
