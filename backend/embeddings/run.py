"""An embedding run inside the worker: chooses items without a vector, encodes them in a process of its own, stores
what comes. Run again it goes on where it ended."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from backend.embeddings.child import Task, main
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.eventlog.filters import quote
from db.eventlog.log import EventLog
from db.models.learn import Job
from db.models.model import Model
from db.repositories import embeddings, models
from review.rules.encoders import ENCODERS


class EncodingFailed(RuntimeError):
    """The process said what went wrong, or died."""


class Watch(Protocol):
    """How a job tells of itself; `backend.worker.jobs.RunningJob` is one."""

    def tell(self, fraction: float, step: str = "") -> None: ...
    def message(self, text: str) -> None: ...
    def check(self) -> None: ...


class Candidate(NamedTuple):
    """A prediction whose item may be encoded: its file, or its text."""

    event_id: str
    happened_at: datetime
    version: str
    sha256: str | None
    text: str | None


def encode_items(database: Database, settings: Settings, job: Job, watch: Watch) -> dict[str, Any]:
    """Give vectors to items of a model that have none; how many, and what was left out. Raises EncodingFailed."""
    with database.read() as session:
        model = models.get_model(session, job.model_id or "")
    if model is None:
        raise FileNotFoundError("the model is gone")
    end = utc_now()
    start = end - timedelta(days=int(job.parameters["days"]))
    encoder = ENCODERS[model.item_kind]
    found = choose_items(database, settings.lake_uri, model, start, end, int(job.parameters["per_day"]))
    with database.read() as session:
        known = embeddings.known_keys(session, model.id, encoder, start, end)
        missing = [one for one in found if one.event_id not in known]
        files = {one.sha256 for one in missing if one.sha256 is not None}
        encoded = embeddings.vectors_of_artifacts(session, model.id, encoder, files)
    by_key: dict[str, list[Candidate]] = {}
    for one in missing:
        by_key.setdefault(one.sha256 or one.event_id, []).append(one)
    for sha256, vector in encoded.items():
        _keep(database, model, encoder, by_key.pop(sha256, []), vector)
    items = tuple((key, group[0].sha256, group[0].text) for key, group in by_key.items())
    watch.message(f"{len(missing)} of {len(found)} items have no vector; {len(items)} files or texts to encode")
    task = Task(settings.artifacts_uri, model.item_kind, items, settings.retraining_threads, settings.max_image_pixels)
    n_done, left_out = 0, {}
    for kind, said in _supervise(task, watch) if items else ():
        if kind == "done":
            left_out = said
            continue
        for key, vector, _ in said:
            _keep(database, model, encoder, by_key[key], vector)
        n_done += len(said)
        watch.tell(n_done / len(items), "encoding")
    return {"n_items": len(missing), "n_encoded": n_done, "left_out": left_out, "encoder": encoder}


def choose_items(
    database: Database, lake_uri: str, model: Model, start: datetime, end: datetime, per_day: int
) -> list[Candidate]:
    """At most `per_day` predictions of each day, always the same ones."""
    eventlog = EventLog(database, lake_uri)
    column = text_column(model)
    text = quote(column) if column else "NULL"
    item = f"{text} IS NOT NULL OR len(artifacts) > 0" if model.item_kind == "text" else "len(artifacts) > 0"
    with eventlog.connect(model.id, start, end) as connection:
        # Through Arrow: DuckDB itself makes zoned times only where pytz is installed.
        found = connection.sql(
            f"SELECT event_id, happened_at, version, artifacts[1] AS sha256, {text}::VARCHAR AS said FROM events "
            f"WHERE status = 'ok' AND role <> 'shadow' AND ({item}) "
            "QUALIFY row_number() OVER (PARTITION BY date_trunc('day', happened_at) ORDER BY md5(event_id)) <= ? "
            "ORDER BY happened_at, event_id",
            params=[per_day],
        ).to_arrow_table()
    return [
        Candidate(
            row["event_id"],
            row["happened_at"].astimezone(UTC),
            row["version"],
            None if row["said"] is not None else row["sha256"],
            row["said"],
        )
        for row in found.to_pylist()
    ]


def text_column(model: Model) -> str | None:
    """Where a text model's texts are: the input "text", or else its first text input."""
    if model.item_kind != "text":
        return None
    names = [field["name"] for field in model.inputs or () if field.get("type") == "string"]
    return "in_" + ("text" if "text" in names else names[0]) if names else None


def _keep(database: Database, model: Model, encoder: str, group: list[Candidate], vector: bytes) -> None:
    rows = [
        {
            "model_id": model.id,
            "encoder": encoder,
            "item_key": one.event_id,
            "event_id": one.event_id,
            "artifact_sha256": one.sha256,
            "version": one.version,
            "happened_at": one.happened_at,
            "n_dims": len(vector) // 4,
            "vector": vector,
        }
        for one in group
    ]
    with database.write() as session:
        embeddings.put_embeddings(session, rows)


def _supervise(task: Task, watch: Watch) -> Iterator[tuple[str, Any]]:
    """Start the process and hand on what it says; it is ended when the job must end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=main, args=(task, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        while True:
            watch.check()
            if not ours.poll(0.5):
                continue
            try:
                kind, said = ours.recv()
            except EOFError:
                raise EncodingFailed("the encoding process died") from None
            if kind == "failed":
                raise EncodingFailed(str(said))
            yield kind, said
            if kind == "done":
                return
    finally:
        if process.is_alive():
            process.terminate()
        process.join(10)
        ours.close()
