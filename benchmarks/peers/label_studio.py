"""The next task and the export of Label Studio beside ours: same machine, same run, one person, both on SQLite.

Run: python -m benchmarks.peers.label_studio --python /path/to/venv/bin/python [--sizes 2000,50000] [--results 50000]
That Python has Label Studio (`pip install label-studio` into a venv apart from this one). Both servers listen on the
loopback address alone, keep their data in a folder of their own, and end with the run.
"""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert

from benchmarks.peers.drift import version_of
from benchmarks.queue import CHUNK, LABELS, add_tasks, sign_up, wait_ready
from db.base import new_id, utc_now
from db.engine import Database
from db.migrations.runner import upgrade
from db.models.model import Model
from db.models.review import GroundTruth, Subject
from tests.bench.line import free_port

#: How many times slower than ours it has to be.
TARGETS = {"next": 10.0, "export": 25.0}
CONFIG = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
<Choice value="ok"/><Choice value="defect"/></Choices></View>"""
IMPORT_CHUNK = 5_000
Step = Callable[[], None]


def quantiles(values: list[float]) -> str:
    """Median and p95 in milliseconds."""
    p95 = statistics.quantiles(values, n=20)[-1]
    return f"median {statistics.median(values):.1f} ms, p95 {p95:.1f} ms (n={len(values)})"


def timed(step: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and what came out."""
    started = time.perf_counter()
    found = step()
    return (time.perf_counter() - started) * 1000, found


def measure_next(claim: Callable[[], Any], submit: Callable[[Any], None], n: int) -> list[float]:
    """The time of `claim` in a loop of claiming and answering, after three for warming up."""
    times = []
    for _ in range(n + 3):
        took, task = timed(claim)
        submit(task)
        times.append(took)
    return times[3:]


def measure_download(client: httpx.Client, path: str) -> tuple[float, int]:
    """Seconds until the last byte, and bytes."""
    started, n_bytes = time.perf_counter(), 0
    with client.stream("GET", path) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            n_bytes += len(piece)
    return time.perf_counter() - started, n_bytes


@contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path, ready: Step) -> Iterator[None]:
    """A server in a process of its own, until the block ends."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            ready()
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# --- Label Studio ---------------------------------------------------------------------------------------------------


class LabelStudio:
    """A fresh installation, called with its owner's token."""

    def __init__(self, python: str, folder: Path) -> None:
        self.port, self.token = free_port(), secrets.token_hex(20)
        self.base = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(
            base_url=self.base, headers={"Authorization": f"Token {self.token}"}, timeout=1_800, trust_env=False
        )
        start = (
            "import sys; from label_studio.server import main; sys.argv = ['label-studio', 'start', '--no-browser',"
            f" '--port', '{self.port}', '--internal-host', '127.0.0.1', '--data-dir', r'{folder}', '--username',"
            f" 'bench@example.com', '--password', '{secrets.token_hex(8)}', '--user-token', '{self.token}',"
            " '--enable-legacy-api-token', '--log-level', 'ERROR']; main()"
        )
        self.command = [python, "-c", start]
        self.environment = {
            "COLLECT_ANALYTICS": "False",
            "LATEST_VERSION_CHECK": "False",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "HOME": str(folder),
        }

    def ready(self) -> None:
        """Until it answers; the first start makes its tables."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                if self.client.get("/api/version", timeout=5).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        raise RuntimeError("Label Studio did not start")

    def project(self, n: int, *, with_results: bool = False) -> int:
        """A project with `n` tasks, answered or not; its id."""
        answer = self.client.post("/api/projects", json={"title": f"p{n}", "label_config": CONFIG})
        project_id: int = answer.raise_for_status().json()["id"]
        result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["ok"]}}]
        for first in range(0, n, IMPORT_CHUNK):
            tasks: list[dict[str, Any]] = [
                {"data": {"text": f"board-{number:07d}"}} for number in range(first, min(first + IMPORT_CHUNK, n))
            ]
            if with_results:
                tasks = [{**task, "annotations": [{"result": result}]} for task in tasks]
            self.client.post(f"/api/projects/{project_id}/import", json=tasks).raise_for_status()
        return project_id

    def next_times(self, n: int, repeats: int) -> list[float]:
        project_id = self.project(n)
        result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["ok"]}}]

        def claim() -> Any:
            return self.client.get(f"/api/projects/{project_id}/next").raise_for_status().json()

        def submit(task: Any) -> None:
            self.client.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result}).raise_for_status()

        return measure_next(claim, submit, repeats)

    def export_time(self, n: int) -> tuple[float, int]:
        project_id = self.project(n, with_results=True)
        return measure_download(
            self.client, f"/api/projects/{project_id}/export?exportType=JSON&download_all_tasks=false"
        )


# --- ours -----------------------------------------------------------------------------------------------------------


class Ours:
    """A fresh installation of ours; the tables are filled directly, the calls go over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.url, self.port = f"sqlite:///{folder / 'soi.db'}", free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.database = Database(self.url)
        upgrade(self.database)
        with self.database.write() as session:
            inspector, scientist = sign_up(session, "inspector"), sign_up(session, "data_scientist")
        self.inspector, self.scientist = (
            httpx.Client(base_url=self.base, headers={"Authorization": f"Bearer {token}"}, timeout=600, trust_env=False)
            for token in (inspector, scientist)
        )
        self.command = [
            sys.executable, "-m", "uvicorn", "backend.main:create_app", "--factory", "--port", str(self.port),
            "--log-level", "warning", "--no-access-log", "--app-dir", str(Path(__file__).resolve().parents[2]),
        ]  # fmt: skip
        self.environment = {"SOI_DATABASE_URL": self.url, "SOI_DATA_DIR": str(folder), "SOI_UI": "0"}

    def ready(self) -> None:
        wait_ready(self.base)

    def model(self, name: str) -> str:
        model = Model(name=name, item_kind="text", labels=LABELS)
        with self.database.write() as session:
            session.add(model)
            session.flush()
            return model.id

    def next_times(self, n: int, repeats: int) -> list[float]:
        name = f"boards-{n}"
        add_tasks(self.database, self.model(name), n)

        def claim() -> Any:
            return self.inspector.post("/v1/review-tasks/claim", json={"model": name, "n": 1}).raise_for_status().json()

        def submit(tasks: Any) -> None:
            [task] = tasks
            body = {"lease_token": task["lease_token"], "label": "ok", "idempotency_key": task["id"]}
            self.inspector.post(f"/v1/review-tasks/{task['id']}/decide", json=body).raise_for_status()

        return measure_next(claim, submit, repeats)

    def export_time(self, n: int) -> tuple[float, int]:
        model_id, now = self.model("results"), utc_now()
        for first in range(0, n, CHUNK):
            names = [f"board-{number:07d}" for number in range(first, min(first + CHUNK, n))]
            champion = {"champion": {"version": "v1", "prediction": "ok", "score": 0.97}, "inputs": {"text": "board"}}
            known = [{"model_id": model_id, "subject_id": name, "details": champion} for name in names]
            settled = [
                {
                    "id": new_id(),
                    "model_id": model_id,
                    "subject_id": name,
                    "label": "ok",
                    "method": "consensus",
                    "resolved_by": "consensus",
                    "resolved_at": now + timedelta(milliseconds=first + place),
                }
                for place, name in enumerate(names)
            ]
            with self.database.write() as session:
                session.execute(insert(Subject), known)
                session.execute(insert(GroundTruth), settled)
        return measure_download(self.scientist, "/v1/labelled-data/export?model=results&format=jsonl")


def compare(python: str, sizes: list[int], n_results: int, repeats: int) -> bool:
    """Both servers run through; the measurements take turns. Whether every target was met."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        theirs, ours = LabelStudio(python, Path(one)), Ours(Path(other))
        with (
            running(theirs.command, theirs.environment, Path(one), theirs.ready),
            running(ours.command, ours.environment, Path(other), ours.ready),
        ):
            met = [_next(theirs, ours, n, repeats) for n in sizes]
            met.append(_export(theirs, ours, n_results))
        ours.database.dispose()
    return all(met)


def _next(theirs: LabelStudio, ours: Ours, n: int, repeats: int) -> bool:
    slow, fast = theirs.next_times(n, repeats), ours.next_times(n, repeats)
    ratio = statistics.median(slow) / statistics.median(fast)
    print(f"next of {n:,}: Label Studio {quantiles(slow)}; ours {quantiles(fast)}", flush=True)
    print(f"  {ratio:.1f} x (>= {TARGETS['next']:g}); load {os.getloadavg()[0]:.1f}", flush=True)
    return ratio >= TARGETS["next"]


def _export(theirs: LabelStudio, ours: Ours, n: int) -> bool:
    (slow, slow_bytes), (fast, fast_bytes) = theirs.export_time(n), ours.export_time(n)
    print(
        f"export of {n:,} results: Label Studio {slow:.2f} s ({slow_bytes / 1e6:.1f} MB);"
        f" ours {fast:.2f} s ({fast_bytes / 1e6:.1f} MB)"
    )
    print(f"  {slow / fast:.1f} x (>= {TARGETS['export']:g}); load {os.getloadavg()[0]:.1f}", flush=True)
    return slow / fast >= TARGETS["export"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the Python of a venv that has Label Studio")
    parser.add_argument("--sizes", default="2000,50000")
    parser.add_argument("--results", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=30)
    chosen = parser.parse_args()
    number = version_of(chosen.python, "label-studio")
    if number is None:
        print(f"Label Studio is not installed in {chosen.python}")
        return 2
    print(
        platform.platform(), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Label Studio {number}", flush=True
    )
    sizes = [int(size) for size in chosen.sizes.split(",")]
    return 0 if compare(chosen.python, sizes, chosen.results, chosen.repeats) else 1


if __name__ == "__main__":
    sys.exit(main())
