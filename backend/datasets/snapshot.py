"""Builds the files of a snapshot: labels of one moment to JSONL, Parquet and a manifest. Called by the worker.

Files are written under another name and renamed, the manifest last, and the row in the database after that, so that
nobody ever meets half a snapshot. A build that was killed is simply built again: the same labels give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import orjson

from backend.labelled_data.rules import COLUMNS, Format, encode, stamp
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.models.model import Model
from db.repositories.labelled_data import LabelFilter, iter_by_subject
from review.rules.queue import FILE_KINDS
from review.rules.splitting import split_of

#: Columns of a snapshot, in their order. Answers of versions are left out: they change, a snapshot does not.
SNAPSHOT_COLUMNS = {
    "subject_id": "text",
    "split": "text",
    **{name: COLUMNS[name] for name in ("label", "method", "resolved_at", "artifact_sha256", "golden_sha256")},
    **{name: COLUMNS[name] for name in ("segments", "inputs")},
}
FILES: dict[str, Format] = {"data.jsonl": "jsonl", "data.parquet": "parquet"}
_TELL_EVERY = 2000


class NothingToSnapshot(ValueError):
    """No label is left after the filter and the checks."""


@dataclass(slots=True)
class Tally:
    """What went in and what was left out."""

    splits: dict[str, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "held_out": Counter()})
    methods: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def labels(self) -> Counter[str]:
        return self.splits["train"] + self.splits["held_out"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which labels, split how."""

    model: Model
    wanted: LabelFilter
    held_out_share: float

    def rows(self, database: Database, artifacts: ArtifactStore, tally: Tally) -> Iterator[dict[str, Any]]:
        """The rows in the order of their subject ids; those that cannot be used are counted and left out."""
        labels = {label["name"] for label in self.model.labels}
        checked: dict[str | None, bool] = {}
        with database.read() as session:
            for row in iter_by_subject(session, self.model.id, self.wanted):
                reason = self._reason_to_skip(row.label, row.artifact_sha256, labels, artifacts, checked)
                if reason is not None:
                    tally.skipped[reason] += 1
                    continue
                split = split_of(row.subject_id, self.held_out_share, self.model.name)
                tally.splits[split][row.label] += 1
                tally.methods[row.method] += 1
                tally.first_at = min(tally.first_at or row.resolved_at, row.resolved_at)
                tally.last_at = max(tally.last_at or row.resolved_at, row.resolved_at)
                known = {name: getattr(row, name) for name in SNAPSHOT_COLUMNS if name != "split"}
                yield {**known, "split": split}

    def _reason_to_skip(
        self,
        label: str,
        sha256: str | None,
        labels: set[str],
        artifacts: ArtifactStore,
        checked: dict[str | None, bool],
    ) -> str | None:
        if labels and label not in labels:
            return "unknown_label"
        if self.model.item_kind not in FILE_KINDS:
            return None
        if sha256 is None:
            return "no_artifact"
        if sha256 not in checked:
            checked[sha256] = artifacts.exists(sha256)
        return None if checked[sha256] else "missing_file"


def build(
    database: Database,
    artifacts: ArtifactStore,
    datasets_uri: str,
    dataset_id: str,
    snapshot: Snapshot,
    facts: dict[str, Any],
    *,
    n_expected: int = 0,
    on_progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the files; the manifest, which also lies beside them. `facts` (name, lineage, by whom) go into it.

    Raises NothingToSnapshot when no label is left.
    """
    files: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="soi-dataset-") as folder:
        rows_file = Path(folder) / "rows.jsonl"
        tally = Tally()
        digest = _write_jsonl(rows_file, _telling(snapshot.rows(database, artifacts, tally), n_expected, on_progress))
        if not tally.labels:
            raise NothingToSnapshot("no label is left: " + (_say(tally.skipped) or "the filter selects none"))
        files["data.jsonl"] = {"sha256": digest, "n_bytes": rows_file.stat().st_size}
        parquet = Path(folder) / "data.parquet"
        files["data.parquet"] = _write(parquet, encode(_read_rows(rows_file), "parquet", SNAPSHOT_COLUMNS))
        manifest = _manifest(snapshot, tally, files, facts, dataset_id)
        manifest_file = Path(folder) / "manifest.json"
        manifest_file.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        target = dataset_folder(datasets_uri, dataset_id)
        for path, name in ((rows_file, "data.jsonl"), (parquet, "data.parquet"), (manifest_file, "manifest.json")):
            _publish(path, f"{target}/{name}")
    return manifest


def dataset_folder(datasets_uri: str, dataset_id: str) -> str:
    """Where the files of a snapshot lie."""
    return f"{str(datasets_uri).rstrip('/')}/{dataset_id}"


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """The rows of a published snapshot, from its folder."""
    with fsspec.open(f"{path}/data.jsonl", "rb") as file:
        for line in file:
            yield orjson.loads(line)


def _manifest(
    snapshot: Snapshot, tally: Tally, files: dict[str, dict[str, Any]], facts: dict[str, Any], dataset_id: str
) -> dict[str, Any]:
    labels = tally.labels
    warnings = []
    if len(labels) < 2:
        warnings.append("one_label_only")
    if not tally.splits["held_out"]:
        warnings.append("nothing_held_out")
    return {
        "format": 1,
        "id": dataset_id,
        "model": snapshot.model.name,
        **facts,
        "content_sha256": files["data.jsonl"]["sha256"],
        "files": files,
        "columns": SNAPSHOT_COLUMNS,
        "n_items": labels.total(),
        "labels": dict(sorted(labels.items())),
        "splits": {name: dict(sorted(counts.items())) for name, counts in tally.splits.items()},
        "methods": dict(sorted(tally.methods.items())),
        "skipped": dict(sorted(tally.skipped.items())),
        "filters": snapshot.wanted.as_json(),
        "held_out_share": snapshot.held_out_share,
        "split_rule": "sha256(model, NUL, subject_id) / 2^64 < held_out_share",
        "first_resolved_at": stamp(tally.first_at) if tally.first_at else None,
        "last_resolved_at": stamp(tally.last_at) if tally.last_at else None,
        "warnings": warnings,
    }


def _telling(
    rows: Iterator[dict[str, Any]], n_expected: int, on_progress: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows):
        if number % _TELL_EVERY == 0:
            on_progress(min(0.9, 0.9 * number / max(1, n_expected)))
        yield row


def _write_jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> str:
    return str(_write(path, encode(rows, "jsonl", SNAPSHOT_COLUMNS))["sha256"])


def _write(path: Path, pieces: Iterator[bytes]) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return {"sha256": digest.hexdigest(), "n_bytes": path.stat().st_size}


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            row["resolved_at"] = datetime.fromisoformat(row["resolved_at"])
            yield row


def _publish(path: Path, target: str) -> None:
    """Copy under another name, make it durable on a disk, rename."""
    fs, key = fsspec.core.url_to_fs(target)
    fs.makedirs(key.rsplit("/", 1)[0], exist_ok=True)
    partial = f"{key}.part"
    fs.put_file(str(path), partial)
    if "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol):
        with Path(partial).open("rb") as file:
            os.fsync(file.fileno())
    fs.mv(partial, key)


def _say(skipped: Counter[str]) -> str:
    return ", ".join(f"{n} skipped ({reason})" for reason, n in sorted(skipped.items()))
