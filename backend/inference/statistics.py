"""What every version did since this process started: counts and times of requests, as serving tools ask for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backend.inference.plan import VersionRef
from backend.inference.rows import Judged

STEPS = ("compute_input", "compute_infer", "compute_output")


@dataclass(slots=True)
class Duration:
    """How often, and how long altogether."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns


@dataclass(slots=True)
class VersionStatistics:
    """`n_items` counts things judged, `success` and `fail` count requests, which may hold several."""

    model: str
    version: str
    version_id: str
    last_at: datetime
    n_items: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    steps: dict[str, Duration] = field(default_factory=lambda: {name: Duration() for name in STEPS})


class Statistics:
    """The counts of one process."""

    def __init__(self) -> None:
        self._found: dict[str, VersionStatistics] = {}
        self._lock = threading.Lock()

    def count(
        self, model: str, version: VersionRef, judged: Sequence[Judged], at: datetime, total_ns: int, queue_ns: int
    ) -> None:
        """Count one request: what became of its items, the time it took and the time it waited."""
        with self._lock:
            one = self._found.get(version.id)
            if one is None:
                one = self._found[version.id] = VersionStatistics(model, version.name, version.id, at)
            one.last_at = at
            if not judged or any(item.answer is None for item in judged):
                one.fail.add(total_ns)
                return
            one.n_items += len(judged)
            one.success.add(total_ns)
            one.queue.add(queue_ns)
            for place, name in enumerate(STEPS):
                one.steps[name].add(sum(item.steps_ns[place] for item in judged))

    def of(self, version: VersionRef) -> VersionStatistics | None:
        """The counts of a version; None when it was not asked yet."""
        return self._found.get(version.id)

    def all(self) -> list[VersionStatistics]:
        """The counts of all versions that were asked, by model and version."""
        with self._lock:
            return sorted(self._found.values(), key=lambda one: (one.model, one.version))
