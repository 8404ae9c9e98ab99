"""The sealed history: where a model's Delta table lies and which files hold a window at one version."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from db.eventlog.delta_log import PARTITION, Known, LakeFile, UnknownLog, read_files

if TYPE_CHECKING:
    from deltalake import DeltaTable

log = structlog.get_logger("soi.eventlog")
_KEEP_OPEN = 32


@dataclass(frozen=True, slots=True)
class LakeVersion:
    """The files of one version of a model's table; the table itself is open only where it lies in a bucket."""

    files: tuple[LakeFile, ...]
    table: DeltaTable | None = None

    def paths(self, start: datetime | None, end: datetime | None) -> list[str]:
        """Files that may hold rows of [start, end); no bound means all."""
        first = start.astimezone(UTC).date() if start else date.min
        last = (end - timedelta(microseconds=1)).astimezone(UTC).date() if end else date.max
        return [file.path for file in self.files if first <= file.day <= last]


class Lake:
    """Opens versions of the models' tables and remembers the last ones (a version never changes)."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.removeprefix("file://").rstrip("/")
        self.is_remote = "://" in self.uri
        self._open: OrderedDict[tuple[str, int], LakeVersion] = OrderedDict()
        self._lock = threading.Lock()

    def table_uri(self, model_id: str) -> str:
        """Folder or bucket path of a model's Delta table."""
        return f"{self.uri}/events/{model_id}"

    def runs_uri(self, model_id: str) -> str:
        """Where a model's sorted id runs lie."""
        return f"{self.uri}/ids/{model_id}"

    def make_folder(self, uri: str) -> None:
        if not self.is_remote:
            Path(uri).mkdir(parents=True, exist_ok=True)

    def version(self, model_id: str, version: int) -> LakeVersion:
        """The files of one version."""
        key = (model_id, version)
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found
            before = max((number for name, number in self._open if name == model_id and number < version), default=None)
            known = None if before is None else (before, self._open[model_id, before].files)
        made = self._load(model_id, version, known)
        with self._lock:
            self._open[key] = made
            while len(self._open) > _KEEP_OPEN:
                self._open.popitem(last=False)
        return made

    def _load(self, model_id: str, version: int, known: Known | None) -> LakeVersion:
        uri = self.table_uri(model_id)
        if self.is_remote:
            return _open_table(uri, version)
        try:
            return LakeVersion(read_files(Path(uri), version, known))
        except UnknownLog as error:
            log.info("a log that only delta-rs reads", model_id=model_id, version=version, reason=str(error))
            return LakeVersion(_open_table(uri, version).files)


def _open_table(uri: str, version: int) -> LakeVersion:
    from deltalake import DeltaTable

    table = DeltaTable(uri, version=version)
    adds = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    rows = zip(adds["path"], adds[f"partition.{PARTITION}"], adds["num_records"], adds["size_bytes"], strict=True)
    files = tuple(LakeFile(f"{uri}/{path}", _as_date(day), n or 0, size) for path, day, n, size in rows)
    return LakeVersion(files, table)


def _as_date(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
