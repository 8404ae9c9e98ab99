"""Counting the sealed history for a new reference, file by file, so that it resumes where it was cut off.

A reference is made under the model's lock and remembers the lake's version of that moment: what that version holds is
counted here, every seal that finishes later counts itself. Files whose bytes are gone (compacted and cleaned away
since) make it begin again with the version of now. Called by the worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pyarrow as pa
import structlog
from sqlalchemy.orm import Session

from db.engine import Database
from db.eventlog.columns import align
from db.eventlog.delta_log import LakeFile
from db.eventlog.feature_counts import FeatureCell, count_cells, merge_counts
from db.eventlog.feature_profile import Profile
from db.eventlog.feature_store import add_cells, profiles
from db.eventlog.lake import Lake
from db.eventlog.read import sealed_version
from db.eventlog.schema import ModelSpec, spec_of
from db.models.drift import DriftReference
from db.models.model import Model
from db.repositories import drift_references, event_batches, feature_counts

log = structlog.get_logger("soi.drift")
_BATCH_ROWS = 65_536


def begin(session: Session, lake: Lake, reference: DriftReference) -> None:
    """Forget what was counted and count from the lake's version of now. The caller holds the model's lock."""
    feature_counts.delete_cells(session, reference.id)
    version = sealed_version(session, reference.model_id)
    reference.lake_version = version
    files = _files(lake, reference.model_id, version)
    reference.n_files, reference.n_files_done = len(files), 0
    _tell(reference, files)
    session.flush()


def _tell(reference: DriftReference, files: list[LakeFile]) -> None:
    """State and reach of what is counted: everything after the day of the next file."""
    left = files[reference.n_files_done :]
    reference.state = "counting" if left else "ready"
    reference.counted_from_at = datetime.combine(left[0].day, time(), UTC) + timedelta(days=1) if left else None


def count_next_file(database: Database, lake: Lake, reference_id: str) -> bool:
    """Count one more file of a reference's history; False when there is nothing left to do."""
    with database.read() as session:
        reference = drift_references.get_reference(session, reference_id)
        if reference is None or reference.state != "counting":
            return False
        profile = profiles(session, [reference_id])[reference_id]
        spec = spec_of(session.get_one(Model, reference.model_id))
    place = reference.n_files_done
    files = _files(lake, reference.model_id, reference.lake_version)
    try:
        cells = _count_file(profile, spec, files[place].path) if place < len(files) else []
    except FileNotFoundError:
        log.info("files of the history were compacted away: counting anew", reference=reference_id)
        with database.write() as session:
            event_batches.lock_model(session, reference.model_id)
            locked = drift_references.lock_reference(session, reference_id)
            if locked is not None and locked.lake_version == reference.lake_version:
                begin(session, lake, locked)
        return True
    with database.write() as session:
        event_batches.lock_model(session, reference.model_id)
        locked = drift_references.lock_reference(session, reference_id)
        if locked is None or (locked.n_files_done, locked.lake_version) != (place, reference.lake_version):
            return True  # somebody else counted this file
        add_cells(session, reference_id, cells)
        locked.n_files_done = place + 1
        _tell(locked, files)
    return True


def count_history(database: Database, lake: Lake, reference_id: str) -> None:
    """Count all that is left."""
    while count_next_file(database, lake, reference_id):
        pass


def _files(lake: Lake, model_id: str, version: int | None) -> list[LakeFile]:
    """The files of a version, newest day first."""
    if version is None:
        return []
    return sorted(lake.version(model_id, version).files, key=lambda file: (-file.day.toordinal(), file.path))


def _count_file(profile: Profile, spec: ModelSpec, path: str) -> list[FeatureCell]:
    found: list[FeatureCell] = []
    for batch in _batches(profile, spec, path):
        found = merge_counts([found, count_cells(profile, batch, spec.segment_keys)])
    return found


def _batches(profile: Profile, spec: ModelSpec, path: str) -> Iterator[pa.Table]:
    """The columns that counting needs, in the types that the model has now."""
    import fsspec
    import pyarrow.parquet as pq

    segments = ["seg_" + key for key in spec.segment_keys]
    wanted = ["happened_at", "version", "role", *segments, *profile.columns]
    schema = pa.schema([spec.stored.field(name) for name in dict.fromkeys(wanted) if name in spec.stored.names])
    with fsspec.open(path, "rb") as stream:
        file = pq.ParquetFile(stream)
        present = [name for name in schema.names if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=present, use_threads=False):
            yield align(batch, schema)
