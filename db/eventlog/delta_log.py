"""Which files a version of a local Delta table has, read from the table's own log. Called by db.eventlog.lake.

Opening the table with delta-rs tells the same, and costs a process that only reads 50 MB and a thread per file. The log
is an open format: one JSON file per version with the files added and removed, and a Parquet checkpoint now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from db.eventlog.duck import open_duckdb

PARTITION = "event_date"
#: What a table of ours may ask of its readers; anything else (deletion vectors, renamed columns) is left to delta-rs.
_READER_FEATURES = frozenset({"timestampNtz"})


class UnknownLog(Exception):
    """The log is not written as ours are, or a part of it is gone: open the table with delta-rs."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of a version; times are those of its rows."""

    path: str
    day: date
    n_rows: int
    n_bytes: int


#: A version and its files.
Known = tuple[int, tuple[LakeFile, ...]]


def read_files(table: Path, version: int, known: Known | None = None) -> tuple[LakeFile, ...]:
    """The files of a version; `known` is an earlier version with its files, from which fewer commits are read.

    Raises UnknownLog.
    """
    log = table / "_delta_log"
    if known is not None and known[0] <= version:
        found = {file.path: file for file in known[1]}
        try:
            return _replay(table, found, range(known[0] + 1, version + 1))
        except FileNotFoundError:
            pass  # cleaned away since: begin at a checkpoint
    found = {}
    first = 0
    checkpoint = _find_checkpoint(log, version)
    if checkpoint is not None:
        first = checkpoint + 1
        for action in _checkpoint_actions(log / f"{checkpoint:020}.checkpoint.parquet"):
            _apply(table, found, action)
    try:
        return _replay(table, found, range(first, version + 1))
    except FileNotFoundError as error:
        raise UnknownLog(f"{error.filename} is missing") from error


def _replay(table: Path, found: dict[str, LakeFile], versions: range) -> tuple[LakeFile, ...]:
    for version in versions:
        for line in (table / "_delta_log" / f"{version:020}.json").read_bytes().splitlines():
            _apply(table, found, orjson.loads(line))
    return tuple(found.values())


def _apply(table: Path, found: dict[str, LakeFile], action: dict[str, Any]) -> None:
    if removed := action.get("remove"):
        found.pop(_place(table, removed["path"]), None)
    elif added := action.get("add"):
        if added.get("deletionVector"):
            raise UnknownLog("rows are deleted by vectors")
        path = _place(table, added["path"])
        stats = orjson.loads(added["stats"]) if added.get("stats") else {}
        day = date.fromisoformat(added["partitionValues"][PARTITION])
        found[path] = LakeFile(path, day, stats.get("numRecords") or 0, added["size"])
    elif protocol := action.get("protocol"):
        features = set(protocol.get("readerFeatures") or ())
        if protocol["minReaderVersion"] not in (1, 3) or not features <= _READER_FEATURES:
            raise UnknownLog(f"readers need version {protocol['minReaderVersion']} with {sorted(features)}")


def _place(table: Path, path: str) -> str:
    """Paths are relative to the table and encoded like those of URLs."""
    if "://" in path or path.startswith("/"):
        raise UnknownLog("files lie outside the table")
    return f"{table}/{unquote(path)}"


def _find_checkpoint(log: Path, version: int) -> int | None:
    """The newest checkpoint up to a version: the one the log points at, or by the names when that is a later one."""
    try:
        last = orjson.loads((log / "_last_checkpoint").read_bytes())
    except FileNotFoundError:
        return None
    if last.get("parts") or last.get("v2Checkpoint"):
        raise UnknownLog("the checkpoint has several parts")
    if last["version"] <= version:
        return int(last["version"])
    names = (path.name.partition(".")[0] for path in log.glob("*.checkpoint.parquet"))
    return max((int(name) for name in names if int(name) <= version), default=None)


def _checkpoint_actions(path: Path) -> Iterator[dict[str, Any]]:
    connection = open_duckdb()
    try:
        rows = connection.execute('SELECT protocol, "add" FROM read_parquet(?)', [str(path)])
        while batch := rows.fetchmany(1000):
            for protocol, added in batch:
                yield {"protocol": protocol, "add": added}
    finally:
        connection.close()
