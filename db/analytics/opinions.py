"""What people and the truth say about a model's subjects, read again only after somebody decided or resolved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from cachetools import LRUCache
from sqlalchemy.orm import Session

from db.analytics.consensus import NoiseFloor, consensus, noise_floor, person_pairs
from db.engine import Database
from db.repositories import comparisons as repository
from db.repositories.comparisons import Seen

#: Tables kept over all models: two kinds of `seen`, single judges and truths of the models that people look at.
_KEPT = 64


class Opinions:
    """Decisions and truths as tables; asking costs one small query while nothing changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: LRUCache[Any, tuple[Any, Any]] = LRUCache(maxsize=_KEPT)
        self._lock = threading.Lock()

    def people(self, model_id: str, seen: Seen = "blind") -> pa.Table:
        """People's consensus: subject_id, label, at."""
        found: pa.Table = self._keep(
            model_id,
            ("people", seen),
            lambda session: consensus(repository.load_decisions(session, model_id, seen=seen)),
        )
        return found

    def judge(self, model_id: str, judge: str, seen: Seen = "blind") -> pa.Table:
        """One judge's newest answers: subject_id, judge, label, at."""
        found: pa.Table = self._keep(
            model_id,
            ("judge", judge, seen),
            lambda session: repository.load_decisions(session, model_id, judge=judge, seen=seen),
        )
        return found

    def truths(self, model_id: str) -> pa.Table:
        """Resolved labels in force: subject_id, label, at."""
        found: pa.Table = self._keep(model_id, ("truths",), lambda session: repository.load_truths(session, model_id))
        return found

    def chances(self, model_id: str) -> dict[str, float]:
        """Subject -> the probability with which it was chosen to be looked at."""
        found: dict[str, float] = self._keep(
            model_id, ("chances",), lambda session: repository.load_chances(session, model_id)
        )
        return found

    def pairs(self, model_id: str) -> pa.Table:
        """What each two people said about a subject without seeing the model's answer: subject_id, label, other."""
        found: pa.Table = self._keep(
            model_id,
            ("pairs",),
            lambda session: person_pairs(repository.load_decisions(session, model_id, seen="blind")),
        )
        return found

    def floor(self, model_id: str, seen: Seen = "blind") -> NoiseFloor:
        """How often two people agree about the same subject."""
        found: NoiseFloor = self._keep(
            model_id,
            ("floor", seen),
            lambda session: noise_floor(repository.load_decisions(session, model_id, seen=seen)),
        )
        return found

    def _keep(self, model_id: str, what: tuple[str, ...], load: Callable[[Session], Any]) -> Any:
        """The stored value while decisions and truths are the same; both are read in one snapshot."""
        with self._database.read() as session:
            state = repository.last_change(session, model_id)
            with self._lock:
                kept = self._kept.get((model_id, what))
            if kept is not None and kept[0] == state:
                return kept[1]
            made = load(session)
        with self._lock:
            self._kept[model_id, what] = (state, made)
        return made
