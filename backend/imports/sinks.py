"""Where imported history goes: straight into the database's event log, or over HTTP. Both hold it to the same rules."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import orjson

from backend.auth.rules import Principal
from backend.client import ApiError, Client
from backend.errors import Unavailable
from backend.ground_truth.schemas import TruthIn, TruthsStored
from backend.ground_truth.service import store
from backend.imports.events import Event
from backend.imports.pictures import note_picture, write_picture
from backend.models.schemas import ModelCreate
from backend.models.service import create_model
from backend.predictions.schemas import BulkResult
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.problems import LogUnavailable
from db.models.model import ModelVersion
from db.repositories import model_versions, models, quarantine

Outcome = TypeVar("Outcome")
_TRIES = 6


@dataclass(slots=True)
class Stored:
    """What became of one portion of rows. `refused` is (place in the portion, code, reason)."""

    n_new: int
    n_duplicates: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What an import needs to know of a model."""

    output_kind: str
    inputs: list[dict[str, Any]]


class Sink(Protocol):
    """A place that takes history."""

    def find_model(self, name: str) -> ModelFacts | None: ...
    def create(self, wish: ModelCreate) -> None: ...
    def add_versions(self, model: str, names: Iterable[str]) -> None: ...
    def store(self, model: str, events: Sequence[Event]) -> Stored: ...
    def store_truths(self, model: str, truths: Sequence[TruthIn]) -> TruthsStored: ...
    def set_aside(self, model: str, rows: Sequence[tuple[str, str]]) -> None: ...
    def put_image(self, data: bytes) -> str: ...


class DatabaseSink:
    """Writes through the event log of this process."""

    def __init__(
        self, database: Database, eventlog: EventLog, me: Principal, artifacts: ArtifactStore, settings: Settings
    ) -> None:
        self.database, self.eventlog, self.me = database, eventlog, me
        self.artifacts, self.settings = artifacts, settings

    def find_model(self, name: str) -> ModelFacts | None:
        with self.database.read() as session:
            model = models.find_model(session, name)
            return ModelFacts(model.output_kind, list(model.inputs)) if model is not None else None

    def create(self, wish: ModelCreate) -> None:
        with self.database.write() as session:
            create_model(session, self.me, wish)

    def add_versions(self, model: str, names: Iterable[str]) -> None:
        """Register versions that are new, as answered elsewhere."""
        with self.database.write() as session:
            found = models.find_model(session, model)
            assert found is not None
            for name in sorted(set(names)):
                if model_versions.find_version(session, found.id, name) is None:
                    row = ModelVersion(model_id=found.id, name=name, kind="external", created_by=self.me.actor)
                    model_versions.add_version(session, row)

    def store(self, model: str, events: Sequence[Event]) -> Stored:
        with self.database.read() as session:
            found = models.find_model(session, model)
        assert found is not None
        result = _patiently(lambda: self.eventlog.log_rows(found, list(events)), LogUnavailable)
        refused = [(one.index, one.code, f"{one.pointer}: {one.message}".lstrip(": ")) for one in result.refusals]
        refused += [(place, "conflict", "another event has this id already") for place in result.conflicts]
        return Stored(result.n_new, len(result.duplicates), sorted(refused))

    def store_truths(self, model: str, truths: Sequence[TruthIn]) -> TruthsStored:
        with self.database.write() as session:
            found = models.find_model(session, model)
            assert found is not None
            return store(session, self.me, found, truths, now=utc_now())

    def put_image(self, data: bytes) -> str:
        sha256, checked = write_picture(self.artifacts, data, self.settings.max_image_pixels)
        with self.database.write() as session:
            note_picture(session, sha256, checked, self.me.actor)
        return sha256

    def set_aside(self, model: str, rows: Sequence[tuple[str, str]]) -> None:
        if not rows:
            return
        now = utc_now()
        with self.database.write() as session:
            quarantine.add_rows(
                session,
                [
                    {
                        "model_name": model,
                        "received_at": now,
                        "code": "broken_row",
                        "pointer": "",
                        "message": reason,
                        "raw": text,
                        "actor": "import",
                    }
                    for text, reason in rows
                ],
            )


class ApiSink:
    """Sends to a running Soi. Lines that are no rows at all cannot be sent, so they are only reported."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def find_model(self, name: str) -> ModelFacts | None:
        try:
            model = self.client.models.get(name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return ModelFacts(model.output_kind, [field.model_dump() for field in model.inputs])

    def create(self, wish: ModelCreate) -> None:
        self.client.models.create(wish)

    def add_versions(self, model: str, names: Iterable[str]) -> None:
        known = {version.name for version in self.client.model_versions.list(model, limit=1000)}
        for name in sorted(set(names) - known):
            self.client.transport.request(
                "POST", f"/v1/models/{model}/versions", json={"name": name, "kind": "external"}
            )

    def store(self, model: str, events: Sequence[Event]) -> Stored:
        lines = b"\n".join(orjson.dumps(event) for event in events)
        answer = _patiently(
            lambda: self.client.transport.request(
                "POST",
                "/v1/predictions",
                params={"model": model},
                content=lines,
                headers={"Content-Type": "application/x-ndjson"},
            ),
            ApiError,
        )
        result = BulkResult.model_validate_json(answer.content)
        refused = [
            (one.index, one.code, f"{one.pointer}: {one.message}".lstrip(": "))
            for one in result.results
            if one.status >= 400
        ]
        return Stored(result.n_new, result.n_duplicate, refused)

    def store_truths(self, model: str, truths: Sequence[TruthIn]) -> TruthsStored:
        return self.client.ground_truth.send(model, truths)

    def set_aside(self, model: str, rows: Sequence[tuple[str, str]]) -> None:
        return None

    def put_image(self, data: bytes) -> str:
        answer = self.client.transport.request("POST", "/v1/artifacts", content=data)
        return str(answer.json()["sha256"])


def _patiently(step: Callable[[], Outcome], lost: type[Exception]) -> Outcome:
    """Try again while the other side is only unavailable; a repeat counts once because the ids are the same."""
    for attempt in range(_TRIES):
        try:
            return step()
        except lost as error:
            if isinstance(error, ApiError) and error.status not in (0, 429, 503, 507):
                raise
            if attempt == _TRIES - 1:
                raise Unavailable(f"gave up after {_TRIES} tries: {error}") from error
            time.sleep(0.5 * 2**attempt)
    raise AssertionError
