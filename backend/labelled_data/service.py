"""Reads labelled data for exports: rows as plain dicts inside one snapshot, and the manifest of a whole export."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from backend.errors import Invalid
from backend.labelled_data.rules import COLUMNS, SKIP_COLUMNS, Format, encode
from db.engine import Database
from db.repositories.labelled_data import LabelFilter, LabelledRow, iter_labelled
from db.repositories.skips import SkipFilter, iter_skips


def as_dict(row: LabelledRow) -> dict[str, Any]:
    """A row with the exported columns only."""
    return {name: getattr(row, name) for name in COLUMNS}


def export(database: Database, model_id: str, wanted: LabelFilter, format: Format) -> Iterator[bytes]:
    """The file, piece by piece. The first piece is made before this returns, so a lost database is an error answer."""
    return _begun(_stream(database, model_id, wanted, format))


def export_skips(database: Database, model_id: str, wanted: SkipFilter, format: Format) -> Iterator[bytes]:
    """The same of what people skipped."""
    return _begun(_stream_skips(database, model_id, wanted, format))


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")

    def rest() -> Iterator[bytes]:
        yield first
        yield from pieces

    return rest()


def describe_export(
    database: Database, model: str, model_id: str, wanted: LabelFilter, format: Format
) -> dict[str, Any]:
    """The manifest of an export: counts, columns, size and SHA-256 of the bytes that it would send now."""
    labels: Counter[str] = Counter()
    methods: Counter[str] = Counter()

    def counted(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            labels[row["label"]] += 1
            methods[row["method"]] += 1
            yield row

    digest, n_bytes = hashlib.sha256(), 0
    with database.read() as session:
        rows = (as_dict(row) for row in iter_labelled(session, model_id, wanted))
        for piece in encode(counted(rows), format):
            digest.update(piece)
            n_bytes += len(piece)
    return {
        "model": model,
        "format": format,
        "filters": wanted.as_json(),
        "n_items": labels.total(),
        "n_bytes": n_bytes,
        "sha256": digest.hexdigest(),
        "labels": dict(sorted(labels.items())),
        "methods": dict(sorted(methods.items())),
        "columns": COLUMNS,
    }


def _stream(database: Database, model_id: str, wanted: LabelFilter, format: Format) -> Iterator[bytes]:
    with database.read() as session:
        yield from encode((as_dict(row) for row in iter_labelled(session, model_id, wanted)), format)


def _stream_skips(database: Database, model_id: str, wanted: SkipFilter, format: Format) -> Iterator[bytes]:
    with database.read() as session:
        rows = ({name: getattr(row, name) for name in SKIP_COLUMNS} for row in iter_skips(session, model_id, wanted))
        yield from encode(rows, format, SKIP_COLUMNS)


def encode_cursor(row: LabelledRow) -> str:
    """Where a page ended."""
    return urlsafe_b64encode(f"{row.resolved_at.isoformat()} {row.ground_truth_id}".encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """The place that `encode_cursor` named; Invalid for anything else."""
    try:
        moment, _, row_id = urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = datetime.fromisoformat(moment)
        if place.tzinfo is None or not row_id or "\x00" in row_id:
            raise ValueError(cursor)
    except ValueError:
        raise Invalid("the cursor was not given out by this list", code="bad_cursor") from None
    return place, row_id
