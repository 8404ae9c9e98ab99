"""Loads what a rollout names before it gets traffic, so that no switch to it waits for a file. Serving calls it."""

from __future__ import annotations

import threading

import structlog
from cachetools import TTLCache

from backend.inference.loaded import LoadedVersions
from backend.inference.plan import Plan, VersionRef
from backend.inference.workers import Workers

log = structlog.get_logger("soi.warming")

#: A rollout's versions are looked after again after this: one may have made room for others meanwhile.
AGAIN_S = 60.0


class Warming:
    """One thread that loads versions, one after another. Nobody waits for it."""

    def __init__(self, versions: LoadedVersions) -> None:
        self._versions = versions
        self._seen: TTLCache[tuple[str, int], bool] = TTLCache(maxsize=10_000, ttl=AGAIN_S)
        self._under_way: set[str] = set()
        self._lock = threading.Lock()
        self._workers: Workers | None = None

    def see(self, plan: Plan) -> None:
        """Load the challengers of a plan that was read; its champion's first request does that itself."""
        for version in plan.challengers:
            if (version.id, plan.rollout_id) not in self._seen:
                self._seen[(version.id, plan.rollout_id)] = True
                self.load_soon(version)

    def load_soon(self, version: VersionRef) -> None:
        """Load a version unless it is, it cannot be, or that is under way."""
        if version in self._versions or self._versions.why_not(version) is not None:
            return
        with self._lock:
            if version.id in self._under_way:
                return
            self._under_way.add(version.id)
            workers = self._workers = self._workers or Workers(1, "warm")
        workers.submit(lambda: self._load(version))

    def close(self) -> None:
        """Let the thread end after what it is doing."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()

    def _load(self, version: VersionRef) -> None:
        try:
            self._versions.load(version)
        except Exception as error:  # noqa: BLE001 - the first request that is given to it is told, too
            log.warning("a version of a rollout did not load", version=version.name, error=str(error)[:300])
        finally:
            with self._lock:
                self._under_way.discard(version.id)
