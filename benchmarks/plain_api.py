"""A FastAPI route that reads a JSON body and answers, and does nothing else: the floor for requests of one event.

Run by the benchmarks as `python -m benchmarks.plain_api PORT`; loopback only.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from benchmarks.server import ROOT, free_port, wait_ready

app = FastAPI(openapi_url=None)


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/v1/predictions", status_code=201)
async def take(event: dict[str, Any]) -> dict[str, Any]:
    return {"id": event["id"]}


@contextmanager
def plain_api() -> Iterator[int]:
    """Its port, while it runs in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.plain_api", str(port)], cwd=ROOT)
    try:
        wait_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
