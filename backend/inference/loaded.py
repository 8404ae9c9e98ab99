"""The versions in the memory of one process: loaded once, when first used or on request, the oldest given up first."""

from __future__ import annotations

import threading

from cachetools import TTLCache

from backend.inference.loading import LoadedVersion, LoadFailed
from backend.inference.plan import VersionRef
from backend.settings import Settings
from db.artifact_store import ArtifactStore

#: Versions held in memory; the one that was loaded first goes when there are more.
MAX_LOADED = 16
#: A version that could not be loaded is not tried again before this.
RETRY_LOAD_S = 30.0


class LoadedVersions:
    """Loads versions; callers of the same version wait for the first. Safe to use from several threads."""

    def __init__(self, artifacts: ArtifactStore, settings: Settings) -> None:
        self._artifacts = artifacts
        self._settings = settings
        self._loaded: dict[str, LoadedVersion] = {}
        self._failed: TTLCache[str, str] = TTLCache(maxsize=1_000, ttl=RETRY_LOAD_S)
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __contains__(self, version: VersionRef) -> bool:
        return version.id in self._loaded

    def load(self, version: VersionRef) -> LoadedVersion:
        """The version in memory. Raises LoadFailed, for a while without trying again."""
        found = self._loaded.get(version.id)
        if found is not None:
            return found
        with self._guard:
            lock = self._locks.setdefault(version.id, threading.Lock())
        with lock:
            reason = self.why_not(version)
            if reason is not None:
                raise LoadFailed(reason)
            loaded = self._loaded.get(version.id)
            if loaded is None:
                try:
                    loaded = self._loaded[version.id] = self._read(version)
                except LoadFailed as error:
                    with self._guard:
                        self._failed[version.id] = str(error)
                    raise
        while len(self._loaded) > MAX_LOADED:
            self._loaded.pop(next(iter(self._loaded)), None)
        return loaded

    def why_not(self, version: VersionRef) -> str | None:
        """Why a version cannot answer, as far as is known without trying; None when nothing speaks against it."""
        if version.signature is None or version.artifact_sha256 is None:
            return version.problem or f"a version of kind {version.kind!r} does not answer here"
        with self._guard:
            reason: str | None = self._failed.get(version.id)
        return reason

    def retry(self, version: VersionRef) -> None:
        """Forget that a version could not be loaded, because somebody asks to try again."""
        with self._guard:
            self._failed.pop(version.id, None)

    def drop(self, version: VersionRef) -> None:
        """Free the memory of a version; the next request for it loads it again."""
        self._loaded.pop(version.id, None)

    def _read(self, version: VersionRef) -> LoadedVersion:
        assert version.signature is not None
        try:
            path = self._artifacts.path(str(version.artifact_sha256))
        except OSError as error:
            raise LoadFailed("its model file cannot be read") from error
        return LoadedVersion(path, version.kind, version.signature, threads=self._settings.torch_threads)
