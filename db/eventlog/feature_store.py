"""Feature counts at seal: each seal adds its events to the cells of every reference of the model, in the transaction
that adds the roll-ups, so an event counts once whatever crashes. Called by db.eventlog.seal."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa
from cachetools import LRUCache
from sqlalchemy.orm import Session

from db.engine import Database
from db.eventlog.feature_counts import FeatureCell, count_cells, decode_counts, encode_counts
from db.eventlog.feature_profile import Profile, decode_profile
from db.eventlog.schema import ModelSpec
from db.repositories import drift_references, feature_counts

#: Decoded profiles kept in a process; they never change.
_KEPT = 64
_profiles: LRUCache[str, Profile] = LRUCache(maxsize=_KEPT)
_lock = threading.Lock()

Counted = dict[str, list[FeatureCell]]


def profiles(session: Session, ids: Sequence[str]) -> dict[str, Profile]:
    """Profiles by reference id, decoded once per process. Ids that are gone are left out."""
    with _lock:
        found = {one: _profiles[one] for one in ids if one in _profiles}
    missing = [one for one in ids if one not in found]
    if missing:
        made = {one: decode_profile(blob) for one, blob in drift_references.profiles_of(session, missing).items()}
        with _lock:
            _profiles.update(made)
        found.update(made)
    return found


def count_sealed(database: Database, spec: ModelSpec, table: pa.Table) -> Counted:
    """What a seal's events add to each reference that the model has now; before the transaction that writes it."""
    with database.read() as session:
        ids = drift_references.ids_of(session, spec.id)
        known = profiles(session, ids) if ids else {}
    return {one: count_cells(profile, table, spec.segment_keys) for one, profile in known.items()}


def add_sealed(session: Session, spec: ModelSpec, table: pa.Table, counted: Counted) -> None:
    """Add a seal's cells. The caller holds the model's lock; a reference made since `count_sealed` is counted here."""
    ids = drift_references.ids_of(session, spec.id)
    for one, profile in profiles(session, [one for one in ids if one not in counted]).items():
        counted[one] = count_cells(profile, table, spec.segment_keys)
    for one in ids:
        add_cells(session, one, counted.get(one, []))


def add_cells(session: Session, reference_id: str, cells: Sequence[FeatureCell]) -> None:
    """Add cells to the stored ones."""
    by_grain: dict[int, dict[tuple[object, ...], FeatureCell]] = {}
    for cell in cells:
        by_grain.setdefault(cell.key[0], {})[cell.key] = cell
    for grain_s, fresh in by_grain.items():
        buckets = sorted({cell.key[1] for cell in fresh.values()})
        changed = []
        for cell_id, key, n_events, blob in feature_counts.stored_cells(session, reference_id, grain_s, buckets):
            found = fresh.pop(key, None)
            if found is not None:
                total = decode_counts(blob) + found.counts
                changed.append((cell_id, n_events + found.n_events, encode_counts(total)))
        feature_counts.update_cells(session, changed)
        added = [(cell.key, cell.n_events, encode_counts(cell.counts)) for cell in fresh.values()]
        feature_counts.insert_cells(session, reference_id, added)
