"""Builds the demonstration: networks, pictures, a month of predictions, the people's answers, and the lake."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from backend.alerts.rules import floor_to
from backend.auth.rules import Principal
from backend.commands.context import Failed, progress
from backend.demo import factory
from backend.demo.accounts import Account, make_accounts, write_logins
from backend.demo.crew import Crew
from backend.demo.explain import explain
from backend.demo.factory import Item, Lesson
from backend.demo.feedback import tell_overrides
from backend.demo.learning import learn_from_people
from backend.demo.plant import add_rollouts, add_versions, make_model, make_pipeline
from backend.demo.rules import ask_for_reports, declare_gates, plant_known_items, watch_drift
from backend.demo.story import BOARDS, LABELS, MODEL, Story
from backend.demo.traffic import (
    Answers,
    Traffic,
    borrow_answers,
    event_columns,
    locator_columns,
    make_traffic,
    subject_id,
)
from backend.drift.judge import drift_judge
from backend.drift.references import create_from_log
from backend.drift.schemas import ReferenceCreate
from backend.errors import Invalid
from backend.imports.pictures import note_picture, write_picture
from backend.services import door_limits
from backend.settings import Settings
from backend.worker.alerts import AlertEvaluator
from backend.worker.media import measure_waiting
from backend.worker.triage import triage
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.eventlog.feature_history import count_history
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.migrations import runner
from db.models.event_log import EventBatch
from db.models.model import Model
from db.models.review import TriageCursor
from db.repositories import alert_rules

MARKER = "demo.json"
#: In the folder from the first step to the last: what is there may be thrown away.
UNFINISHED = "demo-unfinished"
_PORTION = 20_000
#: Events younger than this stay hot, as they would on a running line.
_HOT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class DemoSize:
    """How much is built. The tests use a small one."""

    days: int = 30
    boards_per_day: int = 1_800
    n_pictures: int = 900
    seed: int = 7
    retraining_epochs: int = 3
    lessons: tuple[Lesson, Lesson] = (
        Lesson("training 1.0", 420, 7, (0.96, 1.04), 11),
        Lesson("training 2.0", 900, 9, (0.70, 1.05), 12),
    )


def is_built(settings: Settings) -> bool:
    """Whether this data folder holds a finished demonstration."""
    return (settings.data_dir / MARKER).exists()


def is_unfinished(settings: Settings) -> bool:
    """Whether building a demonstration in this data folder was broken off."""
    return (settings.data_dir / UNFINISHED).exists()


def throw_away(settings: Settings) -> None:
    """Remove a demonstration's data folder; a folder that holds anything else is left alone."""
    folder = settings.data_dir
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not is_built(settings) and not is_unfinished(settings):
        raise Failed(f"{folder} holds no finished demonstration: remove it yourself, or set SOI_DATA_DIR")
    shutil.rmtree(folder)


def build_demo(settings: Settings, size: DemoSize, console: Console) -> dict[str, Any]:
    """Build everything; returns and keeps the facts. Raises Failed when the database holds other data."""
    begun = time.monotonic()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not any(settings.data_dir.iterdir()):
        (settings.data_dir / UNFINISHED).touch()
    database = Database(settings.database_url)
    eventlog = EventLog(database, settings.lake_uri, limits=door_limits(settings))
    try:
        runner.upgrade(database)
        eventlog.start()
        with progress(console) as bar:
            builder = _Builder(settings, size, database, eventlog, bar)
            accounts, facts = builder.build()
    finally:
        eventlog.close()
        database.dispose()
    facts["seconds"] = round(time.monotonic() - begun, 1)
    path = write_logins(settings.data_dir, accounts)
    (settings.data_dir / MARKER).write_text(json.dumps(facts, indent=2, default=str) + "\n")
    (settings.data_dir / UNFINISHED).unlink(missing_ok=True)
    _tell(console, builder.story, accounts, facts, str(path))
    return facts


class _Builder:
    """The steps, in order, over one database."""

    def __init__(self, settings: Settings, size: DemoSize, database: Database, eventlog: EventLog, bar: Bar) -> None:
        self.settings, self.size, self.database, self.eventlog, self.bar = settings, size, database, eventlog, bar
        self.store = ArtifactStore(settings.artifacts_uri)
        self.story = Story(utc_now(), size.days)
        self.rng = np.random.default_rng(size.seed)

    def build(self) -> tuple[dict[str, Account], dict[str, Any]]:
        traffic = make_traffic(self.story, self.size.boards_per_day, self.size.n_pictures, self.rng)
        rows = np.flatnonzero(traffic.has_picture)
        first, second, files, views = self._make(traffic, rows)
        step = self.bar.add_task("history", total=9)
        accounts = make_accounts(self.database)
        me = accounts["scientist"].principal
        with self.database.write() as session:
            model = make_model(session, me, self.story)
            add_versions(session, self.store, model, me, self.story, first, second)
            add_rollouts(session, model, me, self.story)
            locator = make_pipeline(session, me, self.story)
        artifacts = self._keep_pictures(traffic, rows, files)
        self.bar.advance(step)
        old, new = (Answers(*factory.answer(one.torchscript, views)) for one in (first, second))
        champion = borrow_answers(traffic, old, self.rng)
        challenger = borrow_answers(traffic, new, self.rng)
        self._log_pictured(model, traffic, champion, challenger, rows, artifacts)
        self.bar.advance(step)
        triage(self.database, self.eventlog, model, self.story.end)
        self.bar.advance(step)
        open_work = self._review(model, traffic, rows, accounts)
        self.bar.advance(step)
        self._log_rest(model, traffic, champion)
        self._log_locator(locator, traffic)
        self.bar.advance(step)
        n_refused = self._refused(model)
        self.bar.advance(step)
        while measure_waiting(self.database, self.store, self.settings):
            continue
        self._seal_old(model)
        self._seal_old(locator)
        tell_overrides(self.database, self.eventlog, model, self.story, self.rng)
        self._freeze_reference(model, me)
        self.bar.advance(step)
        self._watch(me)
        declare_gates(self.database, self.eventlog, model, me, self.story)
        self.bar.advance(step)
        learned = learn_from_people(self.settings, self.database, self.store, model, me, self.size.retraining_epochs)
        with self.database.write() as session:
            ask_for_reports(session, me, model, self.story)
        self.bar.advance(step)
        truth = traffic.truth[rows]
        facts = {
            "model": MODEL,
            "days": self.size.days,
            "end": self.story.end.isoformat(),
            "n_predictions": len(traffic),
            "n_pictures": len(rows),
            "accuracy_1.0": round(float((old.label == truth).mean()), 4),
            "accuracy_2.0": round(float((new.label == truth).mean()), 4),
            "n_refused": n_refused,
            **open_work,
            **learned,
        }
        return accounts, facts

    def _make(self, traffic: Traffic, rows: np.ndarray) -> tuple[Any, Any, list[bytes], list[np.ndarray]]:
        """Train both versions and take all pictures, on two processes."""
        items = [
            Item(
                board=int(traffic.board[row]),
                label=LABELS[int(traffic.truth[row])],
                light=float(traffic.light[row]),
                seed=self.size.seed * 10_000_019 + int(row),
                size=float(self.rng.uniform(*factory.SIZES)),
            )
            for row in rows.tolist()
        ]
        parts = np.array_split(np.arange(len(items)), max(1, len(items) // 150))
        with self._processes() as pool:
            taught = [pool.submit(factory.teach, lesson) for lesson in reversed(self.size.lessons)]
            shot: list[Future[Any]] = [
                pool.submit(factory.take_pictures, [items[i] for i in part.tolist()], f"pictures {number}")
                for number, part in enumerate(parts)
            ]
            pictures = [made for future in shot for made in future.result()]
            second, first = (future.result() for future in taught)
        return first, second, [data for data, _ in pictures], [view for _, view in pictures]

    @contextmanager
    def _processes(self) -> Iterator[ProcessPoolExecutor]:
        context = multiprocessing.get_context("spawn")
        queue = context.SimpleQueue()
        bars = {lesson.name: self.bar.add_task(lesson.name, total=100) for lesson in self.size.lessons}
        pictures = self.bar.add_task("taking pictures", total=100)
        n_parts = max(1, self.size.n_pictures // 150)
        shares: dict[str, float] = {}

        def listen() -> None:
            while (told := queue.get()) is not None:
                name, share = told
                if name in bars:
                    self.bar.update(bars[name], completed=round(100 * share))
                else:
                    shares[name] = share
                    self.bar.update(pictures, completed=min(100, round(100 * sum(shares.values()) / n_parts)))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            with ProcessPoolExecutor(2, context, factory.set_progress, (queue,)) as pool:
                yield pool
        finally:
            queue.put(None)
            listener.join(5)

    def _keep_pictures(self, traffic: Traffic, rows: np.ndarray, files: list[bytes]) -> dict[int, list[str]]:
        """Row -> [picture, golden sample], all stored and known."""
        limit = self.settings.max_image_pixels
        golden = [write_picture(self.store, factory.golden_bytes(board), limit) for board in range(len(BOARDS))]
        written = [write_picture(self.store, data, limit) for data in files]
        with self.database.write() as session:
            for sha256, checked in [*golden, *written]:
                note_picture(session, sha256, checked, "demo")
        return {
            row: [sha256, golden[int(traffic.board[row])][0]]
            for row, (sha256, _) in zip(rows.tolist(), written, strict=True)
        }

    def _log_pictured(
        self,
        model: Model,
        traffic: Traffic,
        champion: Answers,
        challenger: Answers,
        rows: np.ndarray,
        artifacts: dict[int, list[str]],
    ) -> None:
        columns = event_columns(self.story, traffic, champion, rows, self.rng, artifacts=artifacts)
        self.eventlog.append(model.id, pa.table(columns))
        shadowed = rows[traffic.at_us[rows] >= int(self.story.shadow_start.timestamp() * 1e6)]
        columns = event_columns(
            self.story, traffic, challenger, shadowed, self.rng, version="2.0", champion=champion, artifacts=artifacts
        )
        self.eventlog.append(model.id, pa.table(columns))

    def _log_rest(self, model: Model, traffic: Traffic, champion: Answers) -> None:
        """Boards without a picture: nobody can judge them, so they pass the review queue by."""
        rest = np.flatnonzero(~traffic.has_picture)
        recent = traffic.at_us[rest] >= int((self.story.end - _HOT).timestamp() * 1e6)
        for part in (rest[~recent], rest[recent]):
            for first in range(0, len(part), _PORTION):
                rows = part[first : first + _PORTION]
                self.eventlog.append(model.id, pa.table(event_columns(self.story, traffic, champion, rows, self.rng)))
        with self.database.write() as session:
            last = session.query(EventBatch.id).order_by(EventBatch.id.desc()).first()
            session.merge(TriageCursor(model_id=model.id, batch_id=last[0] if last else 0, updated_at=utc_now()))

    def _log_locator(self, locator: Model, traffic: Traffic) -> None:
        """The step before the inspection, since tracing began."""
        rows = np.flatnonzero(traffic.at_us >= int(self.story.tracing_start.timestamp() * 1e6))
        recent = traffic.at_us[rows] >= int((self.story.end - _HOT).timestamp() * 1e6)
        for part in (rows[~recent], rows[recent]):
            self.eventlog.append(locator.id, pa.table(locator_columns(self.story, traffic, part, self.rng)))

    def _review(self, model: Model, traffic: Traffic, rows: np.ndarray, accounts: dict[str, Account]) -> dict[str, int]:
        truths = {subject_id(traffic, row): LABELS[int(traffic.truth[row])] for row in rows.tolist()}
        people: dict[str, Principal] = {key: one.principal for key, one in accounts.items()}
        crew = Crew(self.database, self.story, people, people["scientist"], truths, self.rng)
        step = self.bar.add_task("inspectors at work", total=100)
        n_done = 0
        for n_done, n_tasks in crew.inspect(model.id):
            self.bar.update(step, completed=n_done, total=n_tasks)
        n_disputes = crew.settle(model.id)
        at = traffic.times()
        made = {subject_id(traffic, row): at[row] for row in rows.tolist()}
        n_measured = crew.measure(model.id, made)
        known = crew.study(model.id, made, np.random.default_rng(self.size.seed + 1))
        crew.date_tasks(model.id)
        with self.database.write() as session:
            plant_known_items(session, people["scientist"], model, known)
        return {"n_inspected": n_done, "n_open_disputes": n_disputes, "n_measured": n_measured, "n_gold": len(known)}

    def _refused(self, model: Model) -> int:
        """A client of line L2 that sends words where numbers belong, and a few impossible times."""
        at = (self.story.end - timedelta(hours=2)).isoformat()
        rows: list[dict[str, Any]] = [
            {
                "id": f"bad-{n}",
                "version": "1.0",
                "happened_at": at,
                "prediction": "ok",
                "inputs": {"brightness": "high"},
            }
            for n in range(14)
        ]
        rows += [{"id": f"late-{n}", "version": "1.0", "happened_at": "1970-01-01T00:00:00Z"} for n in range(5)]
        return len(self.eventlog.log_rows(model, rows).refusals)

    def _seal_old(self, model: Model) -> None:
        """Move all but the last hours into the lake, as the worker does."""
        border = self.story.end - _HOT
        with self.database.read() as session:
            batches = session.query(EventBatch.id, EventBatch.last_happened_at).order_by(EventBatch.id).all()
        hot = [batch for batch, last in batches if last >= border]
        upto = max((batch for batch, _ in batches if not hot or batch < hot[-1]), default=None)
        if upto is not None:
            seal(self.database, self.settings.lake_uri, model.id, owner="demo", up_to_batch_id=upto)

    def _watch(self, me: Principal) -> None:
        """Fold the rules over the month: what was planted has its alerts, with their windows and marks."""
        with self.database.write() as session:
            watch_drift(session, me)
            for rule in alert_rules.list_rules(session):
                rule.evaluated_at = floor_to(self.story.start, rule.every_s)
        evaluator = AlertEvaluator(
            self.database, self.eventlog, "demo", give_up_hours=1, drift=drift_judge(self.database, self.eventlog)
        )
        evaluator.run(self.story.end, catch_up=100_000)

    def _freeze_reference(self, model: Model, me: Principal) -> None:
        """The first third of the month, before anything drifts; a history of a few boards is too short for one."""
        wish = ReferenceCreate(
            model=MODEL,
            name="before the lamp grew weaker",
            start=self.story.start,
            end=self.story.start + timedelta(days=self.size.days / 3),
        )
        with self.database.read() as session:
            model = session.get_one(Model, model.id)
        try:
            made = create_from_log(self.database, self.eventlog, me.actor, model, wish, self.story.end)
        except Invalid:
            return
        count_history(self.database, self.eventlog.lake, made.id)


def _tell(console: Console, story: Story, accounts: dict[str, Account], facts: dict[str, Any], path: str) -> None:
    console.print()
    console.print(explain(story.days, story.end))
    console.print(
        f"\n{facts['n_predictions']:,} predictions, {facts['n_pictures']:,} with pictures, ready in "
        f"{facts['seconds']:.0f} s. On these pictures 1.0 is right in {facts['accuracy_1.0']:.1%}, "
        f"2.0 in {facts['accuracy_2.0']:.1%}."
    )
    table = Table("role", "sign in as", "password", header_style="bold")
    for one in accounts.values():
        table.add_row(one.role, one.email, one.password)
    console.print(table)
    console.print(f"The passwords are shown once; they are also in {path}", soft_wrap=True)


def small(size: DemoSize, n_examples: int, epochs: int) -> DemoSize:
    """The same with shorter lessons."""
    first, second = (replace(lesson, n_examples=n_examples, epochs=epochs, n_held_out=40) for lesson in size.lessons)
    return replace(size, lessons=(first, second), retraining_epochs=1)
