"""The versions in the memory of one process: loaded once, when first used or on request, the oldest given up first."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cachetools import TTLCache

from backend.channels.addresses import Allowed
from backend.inference.answers import Answer
from backend.inference.loading import LoadedVersion, LoadFailed
from backend.inference.plan import VersionRef
from backend.inference.remote import RemoteVersion
from backend.settings import Settings
from db.artifact_store import ArtifactStore

#: Versions held in memory; the one that was loaded first goes when there are more.
MAX_LOADED = 16
#: A version that could not be loaded is not tried again before this.
RETRY_LOAD_S = 30.0


class Answering(Protocol):
    """A version that can be asked, here or elsewhere. `run` takes what `prepare` made, `read` takes what it gave."""

    def prepare(self, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int) -> Any: ...

    def run(self, prepared: Any, /) -> Any: ...

    def read(self, raw: Any, /) -> Answer: ...

    def close(self) -> None: ...


class LoadedVersions:
    """Loads versions; callers of the same version wait for the first. Safe to use from several threads."""

    def __init__(self, artifacts: ArtifactStore, settings: Settings) -> None:
        self._artifacts = artifacts
        self._settings = settings
        self._loaded: dict[str, Answering] = {}
        self._allowed = Allowed.parse(settings.outgoing_allowed, is_all=settings.outgoing_only_allowed)
        self._failed: TTLCache[str, str] = TTLCache(maxsize=1_000, ttl=RETRY_LOAD_S)
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __contains__(self, version: VersionRef) -> bool:
        return version.id in self._loaded

    def load(self, version: VersionRef) -> Answering:
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
            self._give_up(next(iter(self._loaded)))
        return loaded

    def why_not(self, version: VersionRef) -> str | None:
        """Why a version cannot answer, as far as is known without trying; None when nothing speaks against it."""
        if version.signature is None or (version.artifact_sha256 is None and not version.is_remote):
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
        self._give_up(version.id)

    def close(self) -> None:
        """Give up all versions."""
        for version_id in list(self._loaded):
            self._give_up(version_id)

    def _give_up(self, version_id: str) -> None:
        gone = self._loaded.pop(version_id, None)
        if gone is not None:
            gone.close()

    def _read(self, version: VersionRef) -> Answering:
        assert version.signature is not None
        if version.is_remote:
            timeout_s = self._settings.predict_timeout_s
            return RemoteVersion(version.kind, version.signature, self._allowed, timeout_s)
        try:
            path = self._artifacts.path(str(version.artifact_sha256))
        except OSError as error:
            raise LoadFailed("its model file cannot be read") from error
        return LoadedVersion(path, version.kind, version.signature, threads=self._settings.torch_threads)
