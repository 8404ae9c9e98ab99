"""Prometheus itself against a running Soi: it scrapes, its rules load, a query answers; the dashboard asks only for
figures that exist; nobody reads them without the right."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from starlette.testclient import TestClient

from backend.auth.tokens import hash_token, new_key
from backend.client import Client
from backend.main import create_app
from backend.settings import Settings
from backend.worker.metrics_server import may_read, serve_metrics
from db.base import utc_now
from db.engine import Database
from db.models.person import ApiKey
from tests.conftest import absent, on_sqlite
from tests.docs.test_reference import REFERENCE

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: Figures that every Python process tells beside ours.
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}


def known_metrics() -> set[str]:
    """Every documented name, and the parts that a histogram has."""
    found = set(PROCESS)
    for name, kind, *_ in REFERENCE.metrics():
        found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return found


def asked_for(text: str) -> set[str]:
    return set(re.findall(r"\b(?:soi|process)_\w+", text)) - {"soi_metrics"}


def expressions() -> list[str]:
    """Every query of the dashboard and of the rules."""
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "soi.json").read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return found + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_dashboard_and_rules_ask_for_documented_figures_only() -> None:
    assert asked_for(" ".join(expressions())) <= known_metrics()


def test_dashboard_is_whole_and_its_datasource_is_provisioned() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "soi.json").read_text())
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "soi.yaml").read_text())
    uids = {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]}
    assert uids == {source["datasources"][0]["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 15
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)


@on_sqlite
def test_what_the_api_tells_is_documented_and_the_other_way_round(
    app: TestClient, sign_in: Callable[..., Client]
) -> None:
    text = sign_in("data_scientist").transport.request("GET", "/metrics").text
    told = {line.split(" ")[2] for line in text.split("\n") if line.startswith("# TYPE soi_")}
    documented = {name for name, _, _, _, _ in REFERENCE.metrics()}
    told = {name if name in documented else f"{name}_total" for name in told if not name.endswith("_created")}
    assert told <= documented
    from_api = {name for name, _, _, where, _ in REFERENCE.metrics() if where == "API"}
    assert from_api <= told
    assert app.get("/metrics").status_code == 401


@on_sqlite
def test_many_models_share_one_label(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.status import metrics
    from db.models.alert import AlertIncident
    from db.models.model import Model

    monkeypatch.setattr(metrics, "MAX_MODELS", 2)
    with database.write() as session:
        for number in range(4):
            model = Model(name=f"m{number}", item_kind="text")
            session.add(model)
            session.flush()
            now = utc_now()
            for place in range(number + 1):
                session.add(
                    AlertIncident(
                        rule_id="r", model_id=model.id, series="", number=place, state="alert", opened_at=now,
                        window_start=now, window_end=now,
                    )
                )  # fmt: skip
    families = {family.name: family for family in metrics.Installation(database).collect()}
    samples = {sample.labels["model"]: sample.value for sample in families["soi_alerts_firing"].samples}
    assert samples == {"m3": 4, "m2": 3, "*": 3}


@on_sqlite
def test_a_database_that_is_away_is_a_figure_and_no_error(settings: Settings) -> None:
    from backend.status.metrics import Installation

    away = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    (family,) = Installation(away).collect()
    assert (family.name, family.samples[0].value) == ("soi_database_up", 0.0)
    away.dispose()


@on_sqlite
def test_the_workers_metrics_are_for_this_machine_or_a_key(settings: Settings, database: Database) -> None:
    with database.write() as session:
        for name, scopes in (("good", ["metrics:read"]), ("other", ["events:write"])):
            session.add(ApiKey(name=name, key_hash=hash_token(f"soi_{name}"), prefix=name, scopes=scopes))
        gone = ApiKey(name="gone", key_hash=hash_token("soi_gone"), prefix="g", scopes=["metrics:read"])
        gone.revoked_at = utc_now()
        session.add(gone)
    assert may_read(database, "127.0.0.1", None)
    assert may_read(database, "10.0.0.7", "Bearer soi_good")
    for header in (None, "Bearer soi_other", "Bearer soi_gone", "Bearer nonsense", "Basic soi_good", "Bearer "):
        assert not may_read(database, "10.0.0.7", header), header
    port = free_port()
    close = serve_metrics(settings.model_copy(update={"worker_metrics_port": port}), database)
    try:
        assert "soi_alert_evaluation_seconds" in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    finally:
        close()


# --- a real Prometheus ---


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        absent(name)
    return str(found)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_promtool_finds_no_fault_in_the_files(tmp_path: Path) -> None:
    promtool = tool("promtool")
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (tmp_path / "prometheus" / "soi-metrics.key").write_text("key")
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus" / "prometheus.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def served(settings: Settings, database: Database) -> Iterator[tuple[int, str]]:
    """A running API on a port, and a key for its metrics."""
    key, port = new_key(), free_port()
    with database.write() as session:
        session.add(ApiKey(name="prometheus", key_hash=hash_token(key), prefix=key[:8], scopes=["metrics:read"]))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield port, key
    server.should_exit = True
    thread.join()


@on_sqlite
def test_prometheus_scrapes_soi_loads_the_rules_and_answers_every_query(
    served: tuple[int, str], tmp_path: Path
) -> None:
    port, key = served
    folder = tmp_path / "prometheus"
    shutil.copytree(DEPLOY / "prometheus", folder)
    (folder / "soi-metrics.key").write_text(key)
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    own = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{own}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{own}", trust_env=False, timeout=5) as http:
            up = until(lambda: query(http, 'up{job="soi-api"} == 1'))
            assert up[0]["value"][1] == "1"
            assert until(lambda: query(http, "soi_database_up"))[0]["value"][1] == "1"
            groups = http.get("/api/v1/rules").json()["data"]["groups"]
            assert {group["name"] for group in groups} == {"soi-figures", "soi-alarms"}
            for expression in expressions():
                query(http, expression)
    finally:
        process.terminate()
        process.wait(20)


def query(http: httpx.Client, expression: str) -> list[Any]:
    answer = http.get("/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    found: list[Any] = answer["data"]["result"]
    return found


def until(ask: Callable[[], list[Any]], timeout_s: float = 60) -> list[Any]:
    """The first answer with something in it; Prometheus needs a moment to start and to scrape."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = ask()
        except httpx.TransportError:
            found = []
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
