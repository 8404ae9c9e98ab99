"""A line of boards whose truth is known to the test, logged through the product's own door, with labels that come
late: a small world in which every figure can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from backend.client import Client
from backend.services import Services
from db.models.model import Model
from db.models.review import Decision, GroundTruth

START = datetime(2026, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + 10 * DAY


@dataclass
class Line:
    """The running product, its model, and the client of a data scientist."""

    services: Services
    model: Model
    client: Client

    def log(self, events: list[dict[str, Any]]) -> None:
        for first in range(0, len(events), 2000):
            result = self.services.eventlog.log_rows(self.model, events[first : first + 2000])
            assert not result.refusals, result.refusals[:2]

    def label(self, subject_id: str, label: str, known_at: datetime, method: str = "measured") -> None:
        """A label that was told to us at `known_at`; correct it by calling again."""
        from db.repositories import ground_truth

        with self.services.database.write() as session:
            now = ground_truth.current_truths(session, self.model.id, [subject_id]).get(subject_id)
            made = ground_truth.put_truth(
                session,
                model_id=self.model.id,
                subject_id=subject_id,
                label=label,
                method=method,
                resolved_by="lab",
                resolved_at=known_at,
            )
            made.logged_at = known_at
            if now is not None:
                session.execute(update(GroundTruth).where(GroundTruth.id == now.id).values(ended_at=known_at))

    def label_many(self, labels: dict[str, str], known_at: datetime | dict[str, datetime]) -> None:
        """Many first labels at once."""
        with self.services.database.write() as session:
            session.execute(
                GroundTruth.__table__.insert(),  # type: ignore[attr-defined]
                [
                    {
                        "model_id": self.model.id,
                        "subject_id": subject,
                        "label": label,
                        "method": "measured",
                        "resolved_by": "lab",
                        "details": {},
                        "resolved_at": known_at[subject] if isinstance(known_at, dict) else known_at,
                        "logged_at": known_at[subject] if isinstance(known_at, dict) else known_at,
                    }
                    for subject, label in labels.items()
                ],
            )

    def decide(self, subject_id: str, label: str, pi: float) -> None:
        with self.services.database.write() as session:
            session.add(Decision(model_id=self.model.id, subject_id=subject_id, judge="person:an", label=label, pi=pi))


@pytest.fixture
def line(app: TestClient, sign_in: Callable[..., Client]) -> Line:
    """A model with two labels, one of them a defect, and nothing logged yet."""
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    with services.database.write() as session:
        model = Model(
            name="boards",
            item_kind="tabular",
            labels=[{"name": "ok"}, {"name": "bad", "is_defect": True}],
            inputs=[{"name": "brightness", "type": "number"}, {"name": "side", "type": "string"}],
            segment_keys=["line"],
        )
        session.add(model)
    return Line(services, model, sign_in("data_scientist"))


def boards(n: int, seed: int = 1, *, days: float = 10, right: float = 0.9) -> list[dict[str, Any]]:
    """Events spread evenly over `days`; "truth" is added for the test and taken off before logging."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        truth = "bad" if rng.random() < 0.3 else "ok"
        is_right = rng.random() < right
        said = truth if is_right else ("ok" if truth == "bad" else "bad")
        made.append(
            {
                "id": f"e{seed}-{i}",
                "subject_id": f"s{seed}-{i}",
                "version": "v1",
                "role": "champion",
                "happened_at": (START + days * DAY * i / n).isoformat(),
                "prediction": said,
                "score": round(float(rng.uniform(0.7, 1.0) if is_right else rng.uniform(0.5, 0.8)), 3),
                "inputs": {"brightness": float(rng.normal()), "side": str(rng.choice(["front", "back"]))},
                "segments": {"line": f"L{i % 3}"},
                "truth": truth,
            }
        )
    return made


def wire(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in event.items() if name != "truth"} for event in events]


def at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["happened_at"])
