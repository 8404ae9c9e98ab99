"""The review queue under load: claim and decide over HTTP with a million open items, and a race for twenty.

    python -m benchmarks.queue [--items 1000000] [--clients 8] [--seconds 10] [--postgres URL]

Prints p50, p95 and p99 per call, duplicates, the server's processor time per item (which a busy machine does not
change) with the load, and the time of the same claim statement without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import create_engine, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.engine import Database
from db.migrations.runner import upgrade
from db.models.model import Model
from db.models.person import User, UserSession
from db.models.review import ReviewTask
from db.repositories.review_tasks import claim_tasks
from review.rules.queue import priority_of

LABELS = [{"name": "ok"}, {"name": "defect"}]
CHUNK = 20_000


def fill(database: Database, n_items: int, n_people: int) -> list[str]:
    """A model with open items and signed-in inspectors; returns their session tokens."""
    with database.write() as session:
        session.add(Model(id="m", name="boards", item_kind="image", labels=LABELS))
        tokens = [sign_up(session, "inspector") for _ in range(n_people)]
    add_tasks(database, "m", n_items)
    return tokens


def sign_up(session: Session, role: str) -> str:
    """A person with this role; their session token."""
    token = secrets.token_urlsafe(32)
    user = User(email=f"{token[:12].lower()}@example.com", name=role, role=role)
    session.add(user)
    session.flush()
    digest = hashlib.sha256(token.encode()).hexdigest()
    session.add(UserSession(token_hash=digest, user_id=user.id, expires_at=utc_now() + timedelta(hours=2)))
    return token


def add_tasks(database: Database, model_id: str, n_items: int) -> None:
    """Open items of a model, and statistics for the planner."""
    for first in range(0, n_items, CHUNK):
        rows = [{**_task(number), "model_id": model_id} for number in range(first, min(first + CHUNK, n_items))]
        with database.write() as session:
            session.execute(insert(ReviewTask), rows)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _task(number: int) -> dict[str, Any]:
    subject = f"board-{number:07d}"
    return {
        "id": new_id(),
        "model_id": "m",
        "subject_id": subject,
        "reason": "random_audit",
        "stratum": "rest",
        "priority": priority_of("random_audit", subject, 1),
        "pi": 0.02,
        "policy_id": "bench",
        "item": {"artifact": "a" * 64, "golden": "b" * 64, "width": 640, "height": 640, "inputs": {}, "text": None},
        "answers": [{"version": "v1", "prediction": "ok", "score": 0.97, "role": "champion"}],
    }


async def inspect(
    client: httpx.AsyncClient, until: float, times: dict[str, list[float]], got: list[str], pause_s: float
) -> None:
    """One person: claim one, decide it, look at the next one for `pause_s`, and again."""
    while time.perf_counter() < until:
        started = time.perf_counter()
        answer = await client.post("/v1/review-tasks/claim", json={"model": "boards", "n": 1})
        times["claim"].append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
        for task in answer.json():
            got.append(task["id"])
            body = {"lease_token": task["lease_token"], "label": "ok", "idempotency_key": task["id"]}
            started = time.perf_counter()
            done = await client.post(f"/v1/review-tasks/{task['id']}/decide", json=body)
            times["decide"].append((time.perf_counter() - started) * 1000)
            done.raise_for_status()
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))


async def race(base: str, tokens: list[str]) -> int:
    """Everybody asks for everything at once until nothing is left of twenty items; how many were given out twice."""
    got: list[str] = []

    async def grab(token: str) -> None:
        async with _client(base, token) as client:
            while tasks := (await client.post("/v1/review-tasks/claim", json={"model": "small", "n": 2})).json():
                got.extend(task["id"] for task in tasks)

    await asyncio.gather(*(grab(token) for token in tokens[:6]))
    assert len(set(got)) == 20, got
    return max(Counter(got).values()) - 1


def _client(base: str, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=base, headers=headers, timeout=30, trust_env=False)


async def measure(
    base: str, tokens: list[str], seconds: float, pause_s: float, server: psutil.Process
) -> dict[str, Any]:
    """Claim and decide with all clients for some seconds."""
    times: dict[str, list[float]] = {"claim": [], "decide": []}
    got: list[str] = []
    clients = [_client(base, token) for token in tokens]
    warm_up = time.perf_counter() + 1
    nothing: dict[str, list[float]] = {"claim": [], "decide": []}
    await asyncio.gather(*(inspect(client, warm_up, nothing, got, 0.0) for client in clients))
    until, spent = time.perf_counter() + seconds, processor_s(server)
    await asyncio.gather(*(inspect(client, until, times, got, pause_s) for client in clients))
    spent = processor_s(server) - spent
    for client in clients:
        await client.aclose()
    result: dict[str, Any] = {name: quantiles(values) for name, values in times.items()}
    result["items_per_s"] = round(len(times["decide"]) / seconds)
    result["processor_ms_per_item"] = round(1000 * spent / max(1, len(times["decide"])), 2)
    result["load"] = round(os.getloadavg()[0], 1)
    result["duplicates"] = len(got) - len(set(got))
    return result


def processor_s(process: psutil.Process) -> float:
    """Seconds of processor that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


def quantiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 in milliseconds."""
    cuts = statistics.quantiles(values, n=100)
    return {"n": len(values), "p50_ms": round(cuts[49], 2), "p95_ms": round(cuts[94], 2), "p99_ms": round(cuts[98], 2)}


def bare_claims(database: Database, n: int = 300) -> dict[str, float]:
    """The claim statement alone, one caller, committed each time."""
    times = []
    for _ in range(n):
        now = utc_now()
        started = time.perf_counter()
        with database.write() as session:
            claim_tasks(
                session,
                "m",
                person="bare",
                judge="user:bare",
                modes=["blind"],
                n=1,
                token="bare",  # noqa: S106 - a lease, not a secret
                now=now,
                until=now + timedelta(minutes=10),
            )
        times.append((time.perf_counter() - started) * 1000)
    return quantiles(times)


def add_small(database: Database) -> None:
    """A second model with twenty items, for the race."""
    with database.write() as session:
        session.add(Model(id="s", name="small", item_kind="image", labels=LABELS))
        session.flush()
        session.execute(insert(ReviewTask), [{**_task(number), "model_id": "s"} for number in range(20)])


def run(url: str, n_items: int, n_clients: int, seconds: float) -> dict[str, Any]:
    """Fill a fresh database, start the API on it as a process of its own, and measure."""
    database = Database(url)
    upgrade(database)
    started = time.perf_counter()
    tokens = fill(database, n_items, max(n_clients, 6))
    add_small(database)
    print(f"  filled {n_items:,} items in {time.perf_counter() - started:.0f} s", flush=True)
    result: dict[str, Any] = {"bare_claim": bare_claims(database)}
    port = 18_000 + os.getpid() % 2_000
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SOI_DATABASE_URL": url, "SOI_DATA_DIR": folder, "SOI_UI": "0"}
        command = [
            sys.executable, "-m", "uvicorn", "backend.main:create_app", "--factory", "--port", str(port),
            "--log-level", "warning", "--no-access-log",
        ]  # fmt: skip
        server = subprocess.Popen(command, env=environment)
        try:
            base = f"http://127.0.0.1:{port}"
            wait_ready(base)
            for name, pause_s in (("four items a second each", 0.25), ("without a pause", 0.0)):
                result[name] = asyncio.run(
                    measure(base, tokens[:n_clients], seconds, pause_s, psutil.Process(server.pid))
                )
            result["race_duplicates"] = asyncio.run(race(base, tokens))
        finally:
            server.terminate()
            server.wait(timeout=20)
    database.dispose()
    return result


def wait_ready(base: str) -> None:
    """Until the server answers, at most half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{base}/healthz", trust_env=False, timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def show(result: dict[str, Any]) -> None:
    """One line per figure."""
    for name, value in result.items():
        print(f"  {name}: {json.dumps(value)}", flush=True)


def main() -> None:
    """Both databases, or the one given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    if given.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            print("sqlite", flush=True)
            show(run(f"sqlite:///{Path(folder) / 'soi.db'}", given.items, given.clients, given.seconds))
    if given.only != "sqlite":
        name = f"soi_bench_{os.getpid()}"
        admin = create_engine(given.postgres, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            print("postgresql", flush=True)
            url = make_url(given.postgres).set(database=name).render_as_string(hide_password=False)
            show(run(url, given.items, given.clients, given.seconds))
        finally:
            with admin.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


if __name__ == "__main__":
    main()
