"""Processes that write beside the logging door: a seal, an inspector, dataset jobs. Started by benchmarks.beside.

Each works without a pause until its standard input is closed, then prints how much it did.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from backend.settings import Settings
from backend.worker.jobs import JobRunner
from benchmarks.queue import inspect
from db.artifact_store import ArtifactStore
from db.base import new_id, utc_now
from db.engine import Database
from db.eventlog.seal import seal
from db.models.learn import Job
from db.models.review import GroundTruth, Subject

Going = Callable[[], bool]


def label(database: Database, model_id: str, n: int) -> None:
    """Labelled subjects, so that a dataset has something to hold."""
    for first in range(0, n, 5_000):
        names = [f"labelled-{number:06d}" for number in range(first, min(n, first + 5_000))]
        facts = {"model_id": model_id, "segments": {"line": "L1"}, "details": {"inputs": {"x0": 1.5}}}
        truth = {"model_id": model_id, "label": "ok", "method": "consensus", "resolved_by": "rule"}
        with database.write() as session:
            session.execute(insert(Subject), [{**facts, "subject_id": name} for name in names])
            session.execute(insert(GroundTruth), [{**truth, "subject_id": name} for name in names])


def seal_on(database: Database, lake_uri: str, model_id: str, going: Going) -> str:
    """Seal whatever is hot, at once."""
    n_events = 0
    while going():
        n_events += seal(database, lake_uri, model_id, owner="benchmark")
    return f"{n_events:,} events sealed"


def decide_on(url: str, token: str, going: Going) -> str:
    """Claim one item, decide it, and again, over HTTP."""
    import httpx

    times: dict[str, list[float]] = {"claim": [], "decide": []}

    async def work() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
            while going():
                await inspect(client, time.perf_counter() + 0.2, times, [], 0.0)

    asyncio.run(work())
    return f"{len(times['decide']):,} items decided"


def snapshot_on(database: Database, data_dir: Path, database_url: str, model_id: str, going: Going) -> str:
    """Build one dataset after the other, as the worker does."""
    settings = Settings(data_dir=data_dir, database_url=database_url)
    runner = JobRunner(settings, database, ArtifactStore(settings.artifacts_uri))
    n_jobs = 0
    while going():
        request = {"filters": {}, "held_out_share": 0.2, "parent": None, "name": None}
        parameters = {"request": request, "dataset_id": new_id(), "name": f"bench-{n_jobs}", "n_expected": 1}
        job = Job(kind="dataset", model_id=model_id, parameters=parameters, created_by="bench", created_at=utc_now())
        with database.write() as session:
            session.add(job)
            session.flush()
            job_id = job.id
        runner.perform(job_id)
        n_jobs += 1
    return f"{n_jobs:,} datasets built"


def _watch(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ended.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("seal", "inspector", "job"))
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model-id", required=True)
    parser.add_argument("--api", default="")
    chosen = parser.parse_args()
    ended = threading.Event()
    threading.Thread(target=_watch, args=(ended,), daemon=True).start()
    if chosen.kind != "inspector":
        os.nice(Settings().worker_niceness)  # as `soi worker` does
    database = Database(chosen.database_url)

    def going() -> bool:
        return not ended.is_set()

    if chosen.kind == "inspector":
        said = decide_on(chosen.api, os.environ["SOI_BENCH_TOKEN"], going)
    elif chosen.kind == "seal":
        said = seal_on(database, str(chosen.data_dir / "lake"), chosen.model_id, going)
    else:
        said = snapshot_on(database, chosen.data_dir, chosen.database_url, chosen.model_id, going)
    print(said, flush=True)
    database.dispose()


if __name__ == "__main__":
    main()
