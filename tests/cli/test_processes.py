"""`soi up` and its worker as real processes: first answer within 10 s, clean ends on both signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tritonclient.grpc import InferenceServerClient

START_S = 10.0
#: A machine that does other things meanwhile may take longer; the figure itself is measured on an idle one.
PATIENCE = 6.0


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "--data-dir", str(tmp_path / "data"), *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, child: subprocess.Popen[str]) -> float:
    begun = time.monotonic()
    while time.monotonic() - begun < START_S * PATIENCE:
        assert child.poll() is None, child.stdout.read() if child.stdout else ""
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return time.monotonic() - begun
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def read_until(child: subprocess.Popen[str], text: str) -> str:
    """What the process prints, up to the line that holds the text."""
    assert child.stdout is not None
    told = ""
    while text not in told:
        line = child.stdout.readline()
        assert line, f"it ended without saying {text}: {told}"
        told += line
    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_serves_with_a_worker_and_ends_cleanly(
    spawn: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    port, grpc_port = free_port(), free_port()
    child = spawn("up", "--port", str(port), "--grpc-port", str(grpc_port))
    wait_for(f"http://127.0.0.1:{port}/healthz", child)
    with InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        assert client.is_server_ready()
    deadline = time.monotonic() + 60
    while not children_of(child.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = children_of(child.pid)
    assert len(workers) == 1
    told = read_until(child, f"http://127.0.0.1:{port}")
    child.send_signal(number)
    output = told + child.communicate(timeout=60)[0]
    assert child.returncode == 0, output
    assert "one-time token" in output
    assert "Traceback" not in output
    assert "Fatal" not in output
    assert not Path(f"/proc/{workers[0]}").exists()


def test_worker_ends_when_its_parent_is_gone(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    port = free_port()
    child = spawn("up", "--port", str(port))
    wait_for(f"http://127.0.0.1:{port}/healthz", child)
    deadline = time.monotonic() + 60
    while not children_of(child.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    (worker,) = children_of(child.pid)
    child.kill()
    child.wait()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{worker}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.2)
    else:
        assert not Path(f"/proc/{worker}").exists()


def test_a_taken_grpc_port_is_told_and_nothing_is_served(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        child = spawn("api", "--port", str(free_port()), "--grpc-port", str(number))
        output, _ = child.communicate(timeout=60)
    assert child.returncode != 0
    assert f"gRPC cannot listen on 127.0.0.1:{number}" in output


def test_doctor_tells_a_taken_port(spawn: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        child = spawn("doctor", SOI_PORT=str(taken.getsockname()[1]))
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "port" in output
    assert "failed" in output
