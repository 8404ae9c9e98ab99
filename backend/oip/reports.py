"""Statistics of versions in the shape of the protocol's statistics extension; times in nanoseconds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.inference.statistics import Duration, VersionStatistics


def statistics_report(found: Sequence[VersionStatistics]) -> dict[str, Any]:
    """{"model_stats": [...]}, one entry for each version. Nothing is answered from a cache, and items run one by one,
    so there are as many executions as items."""
    return {"model_stats": [_version(one) for one in found]}


def _version(one: VersionStatistics) -> dict[str, Any]:
    never = Duration()
    steps = {"queue": one.queue, **one.steps}
    return {
        "name": one.model,
        "version": one.version,
        "last_inference": int(one.last_at.timestamp() * 1000),
        "inference_count": one.n_items,
        "execution_count": one.n_items,
        "inference_stats": {
            name: {"count": spent.count, "ns": spent.ns}
            for name, spent in {
                "success": one.success,
                "fail": one.fail,
                **steps,
                "cache_hit": never,
                "cache_miss": never,
            }.items()
        },
        "batch_stats": [],
    }
