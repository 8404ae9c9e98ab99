"""Sorted files of sealed id hashes beside the lake: written by a seal, merged when there are many of a size."""

from __future__ import annotations

import io
import os
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
from sqlalchemy.orm import Session

from db.engine import Database
from db.eventlog.id_index import open_run
from db.eventlog.ids import Hashes, uuid7_times
from db.eventlog.lake import Lake
from db.models.event_log import EventIdRun
from db.repositories import event_batches, seals

#: This many runs of about one size become one: a look-up touches few files, a hash is rewritten log(n) times.
FAN_IN = 8


def write_run(lake: Lake, model_id: str, seal_id: int, hashes: Hashes, ids: pa.Array) -> EventIdRun:
    """Write the ids of a seal as a sorted run; the row is not added yet."""
    is_timed, times = uuid7_times(ids)
    inside = times[is_timed]
    path = f"{lake.runs_uri(model_id)}/{seal_id}.npy"
    save(lake, path, np.sort(hashes))
    return EventIdRun(
        model_id=model_id,
        seal_id=seal_id,
        path=path,
        n_ids=len(hashes),
        is_timed=bool(is_timed.all()),
        first_ms=int(inside.min()) if len(inside) else 1,
        last_ms=int(inside.max()) if len(inside) else 0,
    )


def save(lake: Lake, path: str, hashes: Hashes) -> None:
    """Write a run so that it is there whole or not at all, and on disk before anybody is told."""
    if lake.is_remote:
        buffer = io.BytesIO()
        np.save(buffer, hashes)
        with fsspec.open(path, "wb") as file:
            file.write(buffer.getvalue())
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with part.open("wb") as file:
        np.save(file, hashes)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mergeable(runs: list[EventIdRun]) -> list[EventIdRun]:
    """The newest neighbouring runs of similar size, when there are FAN_IN of them."""
    picked: list[EventIdRun] = []
    for run in reversed(runs):
        if picked and run.n_ids > 4 * max(item.n_ids for item in picked):
            break
        picked.append(run)
    return picked[::-1] if len(picked) >= FAN_IN else []


def merge_runs(database: Database, lake: Lake, model_id: str) -> int:
    """Merge runs if there are many of one size; returns how many became one."""
    with database.read() as session:
        picked = mergeable(event_batches.runs(session, model_id))
    if not picked:
        return 0
    hashes = np.sort(np.concatenate([open_run(run).hashes for run in picked]))
    path = f"{lake.runs_uri(model_id)}/{picked[0].seal_id}-{picked[-1].seal_id}-{uuid.uuid4().hex[:8]}.npy"
    save(lake, path, hashes)
    timed = [run for run in picked if run.first_ms <= run.last_ms]
    merged = EventIdRun(
        model_id=model_id,
        seal_id=picked[-1].seal_id,
        path=path,
        n_ids=len(hashes),
        is_timed=all(run.is_timed for run in picked),
        first_ms=min((run.first_ms for run in timed), default=1),
        last_ms=max((run.last_ms for run in timed), default=0),
    )
    with database.write() as session:
        event_batches.lock_model(session, model_id)
        if not _all_there(session, model_id, picked):
            return 0
        seals.replace_runs(session, [run.id for run in picked], merged)
    return len(picked)


def _all_there(session: Session, model_id: str, picked: list[EventIdRun]) -> bool:
    there = {run.id for run in event_batches.runs(session, model_id)}
    return there.issuperset(run.id for run in picked)


def delete_unused(database: Database, lake: Lake, model_id: str, *, older_than_s: float, now_s: float) -> int:
    """Delete run files that no row names and that nobody can be about to open."""
    folder = Path(lake.runs_uri(model_id))
    if lake.is_remote or not folder.exists():
        return 0
    with database.read() as session:
        used = {run.path for run in event_batches.runs(session, model_id)}
    unused = [
        file for file in folder.iterdir() if str(file) not in used and now_s - file.stat().st_mtime > older_than_s
    ]
    for file in unused:
        file.unlink(missing_ok=True)
    return len(unused)
