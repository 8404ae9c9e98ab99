"""Prometheus counters of the event log, kept by the committing thread."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("soi_events", "Events at the logging door by what became of them", ["model", "outcome"])
COMMIT_SECONDS = Histogram(
    "soi_commit_seconds",
    "Time of one group commit, fsync included",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
COMMIT_REQUESTS = Counter("soi_commit_requests", "Requests that group commits answered")
COMMIT_FAILURES = Counter("soi_commit_failures", "Group commits that stored nothing")
QUEUE_BYTES = Gauge("soi_commit_queue_bytes", "Bytes of requests that wait for the committing thread")


#: Models that get a label of their own in this process; events of further ones are counted under "*".
MAX_MODELS = 200
_known: set[str] = set()


def count_events(counts: Mapping[tuple[str, str], int]) -> None:
    """Add the counts of one commit; keys are (model name, outcome)."""
    for (model, outcome), n in counts.items():
        if model not in _known and len(_known) < MAX_MODELS:
            _known.add(model)
        EVENTS.labels(model if model in _known else "*", outcome).inc(n)
