"""The models as the log knows them: immutable copies, at most a second old, and the declaring of inferred inputs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from db.base import utc_now
from db.engine import Database
from db.eventlog.problems import UnknownModel
from db.eventlog.schema import ModelSpec, spec_of
from db.eventlog.validate import MAX_INPUTS
from db.models.model import Model
from db.repositories import schema_notices

FRESH_S = 1.0


class ModelCatalog:
    """Model specs by name and by id; a database that is gone fails the refresh, not the requests of that second."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._by_name: dict[str, tuple[float, ModelSpec]] = {}
        self._by_id: dict[str, tuple[float, ModelSpec]] = {}
        self._lock = threading.Lock()

    def fresh(self, name: str) -> ModelSpec | None:
        """The spec if a copy not older than a second is at hand; never touches the database."""
        found = self._by_name.get(name)
        return found[1] if found is not None and time.monotonic() - found[0] < FRESH_S else None

    def by_name(self, name: str) -> ModelSpec:
        """The spec of the model with this name; UnknownModel when there is none."""
        if not _is_storable(name):
            raise UnknownModel(ascii(name))
        return self.fresh(name) or self._load(Model.name == name, name)

    def by_id(self, model_id: str) -> ModelSpec:
        """The spec of the model with this id; UnknownModel when there is none."""
        found = self._by_id.get(model_id)
        if found is not None and time.monotonic() - found[0] < FRESH_S:
            return found[1]
        return self._load(Model.id == model_id, model_id)

    def newest(self, spec: ModelSpec) -> ModelSpec:
        """The given spec, or a known one with a later schema version."""
        found = self._by_id.get(spec.id)
        return found[1] if found is not None and found[1].schema_version > spec.schema_version else spec

    def extend(self, spec: ModelSpec, fields: Mapping[str, str], seen: Mapping[str, tuple[str, int]]) -> ModelSpec:
        """Declare inferred inputs in the database, with a notice for each, and return the spec as it now is."""
        now = utc_now()
        with self.database.write() as session:
            model = schema_notices.extend_inputs(session, spec.id, fields, MAX_INPUTS)
            if model is None:
                raise UnknownModel(spec.name)
            made = spec_of(model)
            added = [name for name in fields if name in made.input_types and name not in spec.input_types]
            notes: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {
                (name, "new_field"): (seen[name][1], {"type": made.input_types[name], "kept_in": "inputs"})
                for name in added
            }
            schema_notices.note(session, spec.id, now, notes)
        self._keep(made)
        return made

    def forget(self) -> None:
        """Read every model again at its next use."""
        with self._lock:
            self._by_name.clear()
            self._by_id.clear()

    def _load(self, condition: Any, wanted: str) -> ModelSpec:
        with self.database.read() as session:
            model = session.scalar(select(Model).where(condition))
            if model is None:
                with self._lock:
                    self._by_name.pop(wanted, None)
                    self._by_id.pop(wanted, None)
                raise UnknownModel(wanted)
            spec = spec_of(model)
        self._keep(spec)
        return spec

    def _keep(self, spec: ModelSpec) -> None:
        at = time.monotonic()
        with self._lock:
            self._by_name[spec.name] = (at, spec)
            self._by_id[spec.id] = (at, spec)


def _is_storable(name: str) -> bool:
    """Whether a database can be asked for this text: no NUL, no half of a surrogate pair."""
    return "\x00" not in name and not any("\ud800" <= char <= "\udfff" for char in name)
