"""`soi demo --images`: the whole loop on real board pairs, through the API of a server that runs for it.

Train on some groups, serve another group's boards with a shadow beside, let simulated inspectors (3 % error) decide
through the bench's routes, adjudicate, export, snapshot, retrain, and measure everything on boards nobody has seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from backend.client import Client
from backend.commands.context import Failed, progress
from backend.commands.serve import hand_on
from backend.demo.accounts import Account, make_accounts, write_logins
from backend.demo.pairs import CROP_PX, Crop, as_png, cut, read_boards
from backend.demo.plant import label_fields
from backend.demo.story import LABELS
from backend.inference.schemas import PredictBody
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.migrations import runner
from review.training import Example, evaluate, train

MODEL = "real-boards"
RESULT = "real-boards.json"
#: Share of wrong answers of every simulated inspector.
ERROR_RATE = 0.03
MAX_TRAINING, MAX_TRAFFIC = 700, 360
_EPOCHS = 6


def run_real(settings: Settings, folder: Path, train_groups: Sequence[str], traffic: str, console: Console) -> Path:
    """Run the loop; prints a table of figures and writes it as JSON beside the data."""
    boards = read_boards(folder)
    absent = [group for group in (*train_groups, traffic) if group not in boards]
    if absent:
        raise Failed(f"there is no group {absent[0]!r}; the folder has {', '.join(sorted(boards))}")
    rng = np.random.default_rng(1)
    learn = _some(list(cut([board for group in train_groups for board in boards[group]], rng)), MAX_TRAINING, rng)
    order = rng.permutation(len(boards[traffic]))
    border = round(0.65 * len(order))
    seen = _some(list(cut([boards[traffic][i] for i in order[:border]], rng)), MAX_TRAFFIC, rng)
    held_out = list(cut([boards[traffic][i] for i in order[border:]], rng))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    runner.upgrade(database)
    accounts = make_accounts(database)
    database.dispose()
    write_logins(settings.data_dir, accounts)
    with progress(console) as bar, _server(settings) as url, _worker(settings):
        loop = RealLoop(url, accounts, bar, rng, settings.data_dir)
        figures = loop.run(learn, seen, held_out)
    figures |= {"train_groups": list(train_groups), "traffic_group": traffic}
    path = settings.data_dir / RESULT
    path.write_text(json.dumps(figures, indent=2) + "\n")
    _tell(console, figures, path)
    return path


def _some(crops: list[Crop], n: int, rng: np.random.Generator) -> list[Crop]:
    return [crops[i] for i in rng.permutation(len(crops))[:n]]


class RealLoop:
    """The steps, each through the API with the rights of the person who would do it."""

    def __init__(
        self, url: str, accounts: dict[str, Account], bar: Bar, rng: np.random.Generator, folder: Path
    ) -> None:
        self.bar, self.rng, self.folder = bar, rng, folder
        self.begun = utc_now() - timedelta(minutes=1)
        self.people = {key: _sign_in(url, account) for key, account in accounts.items() if key != "viewer"}
        self.scientist = self.people["scientist"]
        self.seconds: dict[str, float] = {}
        self.n_wrong = self.n_decisions = self.n_adjudicated = 0

    def run(self, learn: list[Crop], seen: list[Crop], held_out: list[Crop]) -> dict[str, Any]:
        truths = {crop.subject_id: crop.label for crop in seen}
        with self._step("train"):
            first = self._teach(learn, "training 1.0", 1, _EPOCHS)
            rival = self._teach(learn, "training 1.1", 2, max(2, _EPOCHS // 2))
        with self._step("register"):
            self._register(first, rival)
        with self._step("serve"):
            answers = self._serve(seen)
        with self._step("inspect"):
            self._wait_for_tasks(len(seen))
            self._decide(truths)
        with self._step("adjudicate"):
            self._adjudicate(truths)
        with self._step("export"):
            manifest = self._export()
        with self._step("dataset"):
            dataset_id = self._snapshot()
        with self._step("retrain"):
            run = self._retrain(dataset_id)
        with self._step("measure"):
            version = self.scientist.model_versions.get(MODEL, run.new_version or "")
            retrained = self.scientist.artifacts.download(version.artifact_sha256 or "")
            examples = [Example(crop.pixels(), crop.label, "held_out") for crop in held_out]
            measured = {
                "1.0": evaluate(first.torchscript, examples, LABELS, threads=2),
                "1.1": evaluate(rival.torchscript, examples, LABELS, threads=2),
                "retrained": evaluate(retrained, examples, LABELS, threads=2),
            }
            people = np.mean([self._see(crop.label) == crop.label for crop in held_out])
        right = sum(answers[subject_id] == label for subject_id, label in truths.items())
        return {
            "n_training_items": len(learn),
            "n_traffic_items": len(seen),
            "n_held_out_items": len(held_out),
            "accuracy_1.0_on_traffic": round(right / len(seen), 4),
            "accuracy_people_on_traffic": round(1 - self.n_wrong / max(1, self.n_decisions), 4),
            "held_out": {
                **{name: _short(metrics) for name, metrics in measured.items()},
                "people": {"accuracy": round(float(people), 4)},
            },
            "n_shadow_disagreements": self._count_disagreements(),
            "n_decisions": self.n_decisions,
            "n_adjudicated": self.n_adjudicated,
            "n_labels": manifest.n_items,
            "labels": manifest.labels,
            "new_version": run.new_version,
            "run_metrics": run.metrics,
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
        }

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun

    def _teach(self, crops: list[Crop], title: str, seed: int, epochs: int) -> Any:
        shown = self.bar.add_task(title, total=100)
        examples = [
            Example(crop.pixels(), crop.label, "held_out" if place % 8 == 0 else "train")
            for place, crop in enumerate(crops)
        ]
        return train(
            examples,
            LABELS,
            epochs=epochs,
            rng_seed=seed,
            threads=2,
            on_progress=lambda told: self.bar.update(shown, completed=round(100 * told.fraction)),
        )

    def _register(self, first: Any, rival: Any) -> None:
        self.scientist.models.create(
            name=MODEL,
            title={"en": "Real boards", "vi": "Bo mạch thật"},
            item_kind="image",
            labels=label_fields(),
            segment_keys=["board"],
            settings={"review_policy": {"epsilon": 0.9, "n_wanted": 2}},
        )
        for name, result in (("1.0", first), ("1.1", rival)):
            stored = self.scientist.artifacts.upload(result.torchscript)
            self.scientist.model_versions.create(
                MODEL,
                name=name,
                kind="torchscript",
                artifact_sha256=stored.sha256,
                signature=result.signature,
                metrics=result.metrics,
            )
        self.scientist.rollouts.create(
            MODEL,
            champion="1.0",
            challengers=[{"version": "1.1", "mode": "shadow"}],
            automation_level="full",
            reason="first version, 1.1 beside",
        )

    def _serve(self, crops: list[Crop]) -> dict[str, str | None]:
        shown = self.bar.add_task("serving traffic", total=len(crops))
        answers: dict[str, str | None] = {}
        for crop in crops:
            pictures = [self.scientist.artifacts.upload(as_png(pixels)).sha256 for pixels in (crop.item, crop.golden)]
            body = PredictBody(
                subject_id=crop.subject_id,
                inputs={"brightness": round(float(crop.item.mean()), 2), "contrast": round(float(crop.item.std()), 2)},
                artifacts=pictures,
                segments={"board": crop.group},
            )
            answer = self.scientist.inference.predict(MODEL, body)
            answers[crop.subject_id] = str(answer.prediction) if answer.prediction is not None else None
            self.bar.advance(shown)
        return answers

    def _wait_for_tasks(self, n_items: int) -> None:
        """The worker looks through new events every second; the queue is whole when it stops growing."""
        before, still = -1, 0
        for _ in range(120):
            found = len(self.scientist.review_tasks.list(MODEL, state="open", limit=1000))
            still = still + 1 if found == before and found > 0 else 0
            if still >= 4:
                return
            before = found
            time.sleep(1)
        raise Failed(f"no review tasks were opened for {n_items} items: is the worker running?")

    def _decide(self, truths: dict[str, str]) -> None:
        shown = self.bar.add_task("inspectors at work", total=None)
        inspectors = [self.people[key] for key in ("an", "binh", "chi")]
        idle = 0
        while idle < len(inspectors):
            person = inspectors[0]
            inspectors = [*inspectors[1:], person]
            claimed = person.review_tasks.claim(MODEL, 10)
            idle = idle + 1 if not claimed else 0
            for task in claimed:
                label = self._see(truths[task.subject_id])
                self.n_decisions += 1
                self.n_wrong += label != truths[task.subject_id]
                person.review_tasks.decide(task, label, duration_ms=int(self.rng.normal(3_000, 600)))
                self.bar.advance(shown)
        self.bar.update(shown, total=self.n_decisions)

    def _adjudicate(self, truths: dict[str, str]) -> None:
        shown = self.bar.add_task("adjudicating", total=None)
        for person in (self.scientist, self.people["admin"]):
            while claimed := person.review_tasks.claim(MODEL, 10, ["adjudicate"]):
                for task in claimed:
                    label = truths[task.subject_id] if self.rng.random() > 0.005 else self._see(truths[task.subject_id])
                    person.review_tasks.decide(task, label, duration_ms=6_000)
                    self.n_adjudicated += 1
                    self.bar.advance(shown)
        self.bar.update(shown, total=self.n_adjudicated)

    def _see(self, truth: str) -> str:
        if self.rng.random() >= ERROR_RATE:
            return truth
        return str(self.rng.choice([name for name in LABELS if name != truth]))

    def _export(self) -> Any:
        self.scientist.labelled_data.export(MODEL, self.folder / "real-boards-labels.jsonl")
        return self.scientist.labelled_data.manifest(MODEL)

    def _snapshot(self) -> str:
        job = self.scientist.datasets.create(model=MODEL, name="real-boards-1")
        return str(self._finished(job.id, "building the dataset").result["dataset_id"])

    def _retrain(self, dataset_id: str) -> Any:
        run = self.scientist.retraining.create(dataset_id=dataset_id, parent_version="1.0", epochs=_EPOCHS)
        self._finished(run.job.id, "retraining")
        return self.scientist.retraining.get(run.id)

    def _finished(self, job_id: str, title: str) -> Any:
        shown = self.bar.add_task(title, total=100)
        job = self.scientist.jobs.wait(
            job_id, tell=lambda job: self.bar.update(shown, completed=round(100 * job.progress))
        )
        if job.state != "done":
            raise Failed(f"{title} {job.state}: {job.error}")
        return job

    def _count_disagreements(self) -> int:
        """Shadow answers that differ from the champion's beside them."""
        events: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.scientist.predictions.list(
                MODEL, self.begun, utc_now(), role="shadow", version="1.1", limit=1000, cursor=cursor
            )
            events += page.events
            cursor = page.next_cursor
            if cursor is None:
                break
        return sum(event["prediction"] != event["champion_prediction"] for event in events)


def _sign_in(url: str, account: Account) -> Client:
    with Client(url) as visitor:
        answer = visitor.transport.request(
            "POST", "/v1/auth/login", json={"email": account.email, "password": account.password}
        )
    return Client(url, str(answer.json()["token"]), timeout_s=60)


@contextmanager
def _server(settings: Settings) -> Iterator[str]:
    """The API on a free port of this machine, for as long as the block runs."""
    from backend.main import create_app

    app = create_app(settings, ui=False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    if not server.started:
        raise Failed("the API did not start")
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    httpx.get(f"{url}/healthz", timeout=10, trust_env=False).raise_for_status()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    hand_on(settings)
    child = subprocess.Popen([sys.executable, "-m", "backend.cli", "worker", "--with-parent"], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _short(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: round(float(metrics[name]), 4) for name in ("accuracy", "escape_rate", "overkill_rate")}


def _tell(console: Console, figures: dict[str, Any], path: Path) -> None:
    table = Table("on held-out boards", "accuracy", "escape rate", "overkill rate", header_style="bold")
    for name, row in figures["held_out"].items():
        cells = [f"{row[key]:.1%}" if key in row else "" for key in ("accuracy", "escape_rate", "overkill_rate")]
        table.add_row(name, *cells)
    console.print(table)
    console.print(
        f"{figures['n_traffic_items']} items of {CROP_PX} px served, {figures['n_shadow_disagreements']} shadow "
        f"disagreements, {figures['n_decisions']} decisions, {figures['n_adjudicated']} adjudicated, "
        f"{figures['n_labels']} labels; seconds: "
        + ", ".join(f"{name} {seconds}" for name, seconds in figures["seconds"].items())
    )
    console.print(f"all figures: {path}", soft_wrap=True)
