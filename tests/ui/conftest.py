"""A real server with its screens, seeded once, and a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.client import Client
from tests.conftest import absent
from tests.ui.seed import seed

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-bootstrap-token-for-tests-only"
EMAIL, PASSWORD = "admin@example.org", "correct horse battery staple"
CHROMIUM = os.environ.get("SOI_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Served:
    """A running server and its first admin."""

    url: str
    email: str
    password: str
    token: str


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`soi up` on a free port with a week of one model in it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOI_")},
        "SOI_DATA_DIR": str(tmp_path_factory.mktemp("served")),
        "SOI_BOOTSTRAP_TOKEN": TOKEN,
        "SOI_SEAL_SECONDS": "2",
        "SOI_LOGIN_ATTEMPTS_PER_MINUTE": "1000",
    }
    command = [sys.executable, "-m", "backend.cli", "up", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_until_ready(url, process)
        yield Served(url, EMAIL, PASSWORD, _first_admin(url))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}")
        try:
            if httpx.get(f"{url}/healthz", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail("the server did not get ready")


def _first_admin(url: str) -> str:
    body = {"token": TOKEN, "email": EMAIL, "name": "An Nguyễn", "password": PASSWORD}
    answer = httpx.post(f"{url}/v1/auth/bootstrap", json=body, trust_env=False)
    answer.raise_for_status()
    token: str = answer.json()["token"]
    with Client(url, token) as client:
        seed(client)
    return token


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium; skips where there is none. Closed after each module, because Playwright keeps an event
    loop running in this thread, in which the asyncio of other tests cannot run."""
    if not CHROMIUM:
        absent("Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
