"""A line of boards whose truth is known to the test, answered by two versions and reviewed with known chances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.client import Client
from backend.services import Services
from db.base import utc_now
from db.models.model import Model, ModelVersion, Rollout
from db.models.review import Decision, ReviewTask, Subject

DAY = timedelta(days=1)
#: The chances with which doubtful and other boards are drawn for review.
LOW, REST = 1.0, 0.1

ACCURACY = {"kind": "accuracy", "target": 0.8}
POLICY: dict[str, Any] = {
    "steps": [
        {"level": "assist", "gates": [ACCURACY]},
        {"level": "partial", "promote": "automatic", "gates": [ACCURACY]},
        {"level": "full", "gates": [{"kind": "accuracy", "target": 0.995}]},
    ],
    "accept": {"limit": 0.15},
}


@dataclass
class Line:
    """The running product, its model, and the client of a data scientist."""

    services: Services
    model: Model
    client: Client
    start: datetime

    def log(self, events: list[dict[str, Any]]) -> None:
        result = self.services.eventlog.log_rows(self.model, [_wire(event) for event in events])
        assert not result.refusals, result.refusals[:2]

    def roll(self, champion: str | None, level: str, at: datetime, **more: Any) -> int:
        """A rollout of the past."""
        with self.services.database.write() as session:
            row = Rollout(
                model_id=self.model.id,
                champion=champion,
                automation_level=level,
                reason="test",
                created_by="test",
                created_at=at,
                **more,
            )
            session.add(row)
            session.flush()
            return row.id

    def review(self, events: list[dict[str, Any]], seed: int = 5, *, at: datetime | None = None) -> int:
        """Draw boards with their chance, queue them, and let a person who is never wrong judge them blind."""
        rng = np.random.default_rng(seed)
        n = 0
        with self.services.database.write() as session:
            for event in events:
                pi = LOW if event["score"] < 0.6 else REST
                if rng.random() >= pi:
                    continue
                n += 1
                seen_at = at or datetime.fromisoformat(event["happened_at"]) + timedelta(hours=1)
                task = ReviewTask(
                    model_id=self.model.id,
                    subject_id=event["subject_id"],
                    reason="random_audit",
                    pi=pi,
                    policy_id="p",
                    state="done",
                    created_at=seen_at - timedelta(minutes=30),
                )
                session.add(task)
                session.flush()
                session.add(
                    Decision(
                        model_id=self.model.id,
                        subject_id=event["subject_id"],
                        task_id=task.id,
                        judge="user:an",
                        label=event["truth"],
                        pi=pi,
                        decided_at=seen_at,
                        logged_at=seen_at,
                    )
                )
        return n

    def know(self, events: list[dict[str, Any]]) -> None:
        """What triage remembers of subjects."""
        with self.services.database.write() as session:
            session.add_all(
                Subject(
                    model_id=self.model.id,
                    subject_id=event["subject_id"],
                    details={"champion": {"version": event["version"], "prediction": event["prediction"]}},
                )
                for event in events
            )


@pytest.fixture
def line(app: TestClient, sign_in: Callable[..., Client]) -> Line:
    """A model with two labels and two versions; nothing logged yet."""
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    with services.database.write() as session:
        model = Model(
            name="boards",
            item_kind="tabular",
            labels=[{"name": "ok"}, {"name": "bad", "is_defect": True}],
            segment_keys=["line"],
        )
        session.add(model)
        session.flush()
        session.add_all(ModelVersion(model_id=model.id, name=name, kind="external") for name in ("v1", "v2"))
    start = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 20 * DAY
    return Line(services, model, sign_in("data_scientist", name="Minh"), start)


def boards(
    n: int, start: datetime, *, seed: int = 1, days: float = 10, wrong: float = 0.03, version: str = "v1"
) -> list[dict[str, Any]]:
    """Boards spread evenly over `days`; a tenth are doubtful and wrong ten times as often as the others."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        truth = "bad" if rng.random() < 0.3 else "ok"
        is_doubtful = rng.random() < 0.1
        is_wrong = rng.random() < min(0.9, wrong * (10 if is_doubtful else 1))
        said = ("ok" if truth == "bad" else "bad") if is_wrong else truth
        made.append(
            {
                "id": f"e{seed}-{i}",
                "subject_id": f"s{seed}-{i}",
                "version": version,
                "role": "champion",
                "happened_at": (start + days * DAY * i / n).isoformat(),
                "logged_at": start + days * DAY * i / n,
                "prediction": said,
                "score": round(float(rng.uniform(0.5, 0.599) if is_doubtful else rng.uniform(0.7, 1.0)), 3),
                "segments": {"line": f"L{i % 2}"},
                "truth": truth,
            }
        )
    return made


def _wire(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("truth", "logged_at")}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
