"""The compose file fits its schema, holds no secret, and its commands run as plain processes with its environment."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def test_compose_file_fits_the_compose_schema() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run([tool, "--builtin-schema", "vendor.compose-spec", COMPOSE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_has_a_health_check(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "healthcheck" not in service] == []


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for secret in ("POSTGRES_PASSWORD", "SOI_BOOTSTRAP_TOKEN"):
        uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_image_runs_as_a_user_without_rights() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["soi"]
    assert sum(line.startswith("FROM ") for line in lines) == 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def services(
    compose: dict[str, Any], database_url: str, tmp_path: Path
) -> Iterator[dict[str, tuple[subprocess.Popen[bytes], int]]]:
    """api, worker and app started with the compose file's own commands and environment, ports aside."""
    if not database_url.startswith("postgresql"):
        pytest.skip("the compose file uses PostgreSQL")
    ports = {"api": free_port(), "app": free_port(), "worker": 0}
    values = {
        "SOI_DATABASE_URL": database_url,
        "SOI_DATA_DIR": str(tmp_path),
        "SOI_HOST": "127.0.0.1",
        "SOI_PUBLIC_URL": f"http://127.0.0.1:{ports['app']}",
        "SOI_API_URL": f"http://127.0.0.1:{ports['api']}",
        "SOI_BOOTSTRAP_TOKEN": "compose-test-token-0123456789",
    }
    started = {}
    for name, port in ports.items():
        service = compose["services"][name]
        environment = {
            **os.environ,
            **{key: values.get(key, str(value)) for key, value in service["environment"].items()},
        }
        environment["SOI_PORT"] = str(port or free_port())
        command = [shutil.which(service["command"][0], path=str(Path(sys.executable).parent)), *service["command"][1:]]
        log = (tmp_path / f"{name}.log").open("wb")
        started[name] = (subprocess.Popen(command, env=environment, stdout=log, stderr=log), port)
    yield started
    for process, _ in started.values():
        process.terminate()
    for process, _ in started.values():
        process.wait(15)


def test_services_of_the_compose_file_become_healthy(
    services: dict[str, tuple[subprocess.Popen[bytes], int]], tmp_path: Path
) -> None:
    for name, path in (("api", "/readyz"), ("app", "/healthz")):
        process, port = services[name]
        assert wait_for(f"http://127.0.0.1:{port}{path}", process), (tmp_path / f"{name}.log").read_text()[-2000:]
    assert services["worker"][0].poll() is None, (tmp_path / "worker.log").read_text()[-2000:]


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return True
        except httpx.HTTPError:
            time.sleep(0.2)
    return False
