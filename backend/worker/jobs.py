"""Runs queued jobs: a sweep puts rows of `jobs` into the durable queue, and workflows run them, one at a time.

The row is the outbox: it is committed with the request, so nothing asked for is forgotten. Each attempt is a workflow
of its own; an attempt whose worker fell silent is followed by the next one, and what an attempt made is registered in
one transaction with the job's end, so nothing is made twice.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from backend.datasets.service import filter_of
from backend.datasets.snapshot import NothingToSnapshot, Snapshot, build, dataset_folder
from backend.embeddings import run as embedding
from backend.reports import run as reporting
from backend.retraining import run as retraining
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.models.learn import Dataset, Job
from db.repositories import audit, datasets, jobs, models

log = structlog.get_logger("soi.jobs")

QUEUE = "soi-jobs"
KINDS = ("dataset", "retraining", "report", "embedding")
BEAT_S = 2.0
MAX_ATTEMPTS = 5
#: A worker that ends waits so long for its running attempts to give their jobs back.
_STOP_S = 10.0
#: A queued job whose workflow was picked up by a worker that died before it said so gets another attempt.
_LOST_AFTER_S = 30.0


class Cancelled(RuntimeError):
    """The job was cancelled, or another worker took it over."""


class Interrupted(RuntimeError):
    """This worker is ending; the job goes back to the queue."""


class RunningJob:
    """One attempt: its heartbeat, its progress, and whether it may go on."""

    def __init__(self, database: Database, job_id: str, token: str, stopping: threading.Event) -> None:
        self.database, self.job_id, self.token = database, job_id, token
        self._stopping, self._lost, self._ended = stopping, threading.Event(), threading.Event()
        self._values: dict[str, Any] = {}
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)

    def __enter__(self) -> RunningJob:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5)

    def tell(self, fraction: float, step: str = "") -> None:
        """Progress 0..1 and what is being done; written with the next heartbeat."""
        with self._guard:
            self._values = {"progress": round(fraction, 4), "step": step[:200]}

    def message(self, text: str) -> None:
        """A line for people to read."""
        with self.database.write() as session:
            jobs.add_message(session, self.job_id, text)

    def check(self) -> None:
        """Raise Cancelled or Interrupted when this attempt must end."""
        if self._lost.is_set():
            raise Cancelled(self.job_id)
        if self._stopping.is_set():
            raise Interrupted(self.job_id)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S / 2):
            with self._guard:
                values, self._values = self._values, {}
            try:
                with self.database.write() as session:
                    if not jobs.beat(session, self.job_id, self.token, utc_now(), **values):
                        self._lost.set()
                        return
            except SQLAlchemyError as error:  # the database is away: say it when it is back
                log.warning("heartbeat failed", job=self.job_id, error=str(error)[:200])


class JobRunner:
    """The durable jobs of one worker process. There is at most one per process."""

    def __init__(self, settings: Settings, database: Database, artifacts: ArtifactStore) -> None:
        self.settings, self.database, self.artifacts = settings, database, artifacts
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.stopping = threading.Event()
        self._running, self._n_running = threading.Condition(), 0

    def start(self) -> None:
        """Open the jobs' database and begin to take work. Raises when it cannot be reached."""
        url = make_url(self.settings.jobs_database_url)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        config: DBOSConfig = {
            "name": "soi",
            "system_database_url": self.settings.jobs_database_url,
            "executor_id": self.name,
            "application_version": "1",
            "use_listen_notify": False,
            "enable_otlp": False,
            "log_level": "ERROR",
        }
        _current[:] = [self]
        try:
            DBOS(config=config)
            DBOS.launch()
            DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.5)
        except BaseException:
            DBOS.destroy()
            raise

    def stop(self) -> None:
        """Give running jobs back to the queue and close."""
        self.stopping.set()
        with self._running:
            self._running.wait_for(lambda: self._n_running == 0, timeout=_STOP_S)
        DBOS.destroy(workflow_completion_timeout_sec=0)  # its own wait lasts a second where nothing runs
        _current.clear()

    def sweep(self) -> int:
        """Queue what waits and what was left behind; how many workflows were queued."""
        now, n_queued = utc_now(), 0
        self._release_dead()
        with self.database.read() as session:
            waiting = jobs.runnable_jobs(session, KINDS, now)
        for job in waiting:
            n_queued += self._enqueue(job)
        return n_queued

    def _enqueue(self, job: Job) -> bool:
        if job.n_attempts >= MAX_ATTEMPTS:
            self._close(job.id, "failed", f"gave up after {job.n_attempts} attempts: the worker died each time")
            return False
        workflow_id = f"{job.id}.{job.n_attempts}"
        status = DBOS.get_workflow_status(workflow_id)
        if status is None:
            with SetWorkflowID(workflow_id):
                DBOS.enqueue_workflow(QUEUE, run_job, job.id)
            return True
        changed_at = (status.updated_at or 0) / 1000
        if status.status != "ENQUEUED" and utc_now().timestamp() - changed_at > _LOST_AFTER_S:
            with self.database.write() as session:
                found = jobs.get_job(session, job.id)
                if found is not None and found.state == "queued" and found.n_attempts == job.n_attempts:
                    found.n_attempts += 1
        return False

    def _release_dead(self) -> None:
        """Jobs of a worker of this machine whose process is gone need not wait until they count as stalled."""
        host = socket.gethostname()
        with self.database.read() as session:
            running = [job for job in jobs.list_jobs(session, state="running") if job.worker]
        for job in running:
            owner = (job.worker or "").split(":")
            if len(owner) >= 2 and owner[0] == host and owner[1].isdigit() and not _is_alive(int(owner[1])):
                self._requeue(job.id, job.worker or "")

    def _requeue(self, job_id: str, token: str) -> None:
        with self.database.write() as session:
            jobs.release_job(session, job_id, token)

    def perform(self, job_id: str) -> None:
        """One attempt at a job, with its end written down."""
        with self._running:
            self._n_running += 1
        try:
            self._attempt(job_id)
        finally:
            with self._running:
                self._n_running -= 1
                self._running.notify_all()

    def _attempt(self, job_id: str) -> None:
        token = f"{self.name}:{uuid.uuid4().hex[:8]}"
        with self.database.write() as session:
            if not jobs.claim_job(session, job_id, token, utc_now()):
                return
            job = jobs.get_job(session, job_id)
            assert job is not None
            session.refresh(job)
        log.info("job started", job=job_id, kind=job.kind, attempt=job.n_attempts)
        with RunningJob(self.database, job_id, token, self.stopping) as watch:
            try:
                _WORK[job.kind](self, job, watch)
            except (Cancelled, retraining.Withdrawn, reporting.Withdrawn):
                log.info("job ended early", job=job_id)
            except Interrupted:
                self._requeue(job_id, token)
            except (
                NothingToSnapshot,
                retraining.TrainingFailed,
                reporting.ReportFailed,
                embedding.EncodingFailed,
                FileNotFoundError,
            ) as error:
                self._close(job_id, "failed", str(error))

    def _close(self, job_id: str, state: str, error: str) -> None:
        log.warning("job failed", job=job_id, error=error)
        with self.database.write() as session:
            if jobs.finish_job(session, job_id, state, utc_now(), result=None, error=error[:2000]):
                jobs.add_message(session, job_id, error)

    def build_dataset(self, job: Job, watch: RunningJob) -> None:
        """Write a snapshot's files, then its row and the end of the job in one transaction."""
        parameters = job.parameters
        request, dataset_id = parameters["request"], parameters["dataset_id"]
        with self.database.read() as session:
            model = models.get_model(session, job.model_id or "")
            parent = datasets.get_dataset(session, request["parent"]) if request["parent"] else None
        if model is None:
            raise FileNotFoundError("the model is gone")
        facts = {
            "name": parameters["name"],
            "created_at": job.created_at.isoformat(),
            "created_by": job.created_by,
            "lineage": {"parent": parent.id, "content_sha256": parent.content_sha256} if parent else None,
        }

        def tell(fraction: float) -> None:
            watch.check()
            watch.tell(fraction, "reading_labels")

        manifest = build(
            self.database,
            self.artifacts,
            self.settings.datasets_uri,
            dataset_id,
            Snapshot(model, filter_of(request["filters"]), float(request["held_out_share"])),
            facts,
            n_expected=int(parameters["n_expected"]),
            on_progress=tell,
        )
        watch.check()
        row = Dataset(
            id=dataset_id,
            model_id=model.id,
            name=parameters["name"],
            content_sha256=manifest["content_sha256"],
            path=dataset_folder(self.settings.datasets_uri, dataset_id),
            n_items=manifest["n_items"],
            manifest=manifest,
            parent_id=parent.id if parent else None,
            created_by=job.created_by,
        )
        with self.database.write() as writing:
            result = {"dataset_id": dataset_id, "n_items": row.n_items, "content_sha256": row.content_sha256}
            if not jobs.finish_job(writing, job.id, "done", utc_now(), result=result):
                raise Cancelled(job.id)
            datasets.add_dataset(writing, row)
            jobs.add_message(writing, job.id, f"{row.name}: {row.n_items} items")
            details = {"dataset": dataset_id, "content_sha256": row.content_sha256}
            audit.record(writing, job.created_by, "dataset.created", f"model:{model.name}", details)

    def retrain(self, job: Job, watch: RunningJob) -> None:
        """Train unless an earlier attempt did, then register."""
        trained = job.result.get("trained")
        if trained is None:
            trained = retraining.train(self.database, self.settings, job.id, watch)
            with self.database.write() as session:
                if not jobs.beat(session, job.id, watch.token, utc_now(), result={"trained": trained}):
                    raise Cancelled(job.id)
        retraining.register(self.database, job.id, trained)

    def write_report(self, job: Job, watch: RunningJob) -> None:
        """Write a report in a process of its own and keep it."""
        reporting.make(self.database, self.settings, job.id, watch)

    def embed(self, job: Job, watch: RunningJob) -> None:
        """Give vectors to items that have none; a later attempt goes on where this one ended."""
        result = embedding.encode_items(self.database, self.settings, job, watch)
        watch.check()
        with self.database.write() as session:
            if not jobs.finish_job(session, job.id, "done", utc_now(), result=result):
                raise Cancelled(job.id)
            for reason, n in sorted(result["left_out"].items()):
                jobs.add_message(session, job.id, f"{n} items left out: {reason}")


_WORK: dict[str, Callable[[JobRunner, Job, RunningJob], None]] = {
    "dataset": JobRunner.build_dataset,
    "retraining": JobRunner.retrain,
    "report": JobRunner.write_report,
    "embedding": JobRunner.embed,
}
_current: list[JobRunner] = []


@DBOS.workflow(name="soi_job", max_recovery_attempts=None)  # type: ignore[untyped-decorator]
def run_job(job_id: str) -> None:
    """The durable workflow of one attempt."""
    perform(job_id)


@DBOS.step(name="soi_job_perform")  # type: ignore[untyped-decorator]
def perform(job_id: str) -> None:
    """Its only step: idempotent, because its effects are written in one transaction with the job's end."""
    if _current:
        _current[0].perform(job_id)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
