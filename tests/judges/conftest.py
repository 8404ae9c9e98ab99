"""Three inspectors with accounts and one outside, over a small line whose every answer the test knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.client import Client
from backend.services import Services
from db.models.model import Model
from db.models.person import User
from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from db.repositories.review_tasks import add_tasks

START = datetime(2026, 5, 4, tzinfo=UTC)
END = START + timedelta(days=10)
LABELS = ["ok", "open", "short"]


@dataclass
class Bench:
    """The running product with its model; `judges` maps a name to how decisions call that person."""

    services: Services
    model: Model
    sign_in: Callable[..., Client]
    judges: dict[str, str] = field(default_factory=dict)
    n: int = 0

    def answer(self, who: str, subject: str, label: str | None, **more: Any) -> None:
        """An answer in force, one minute after the one before."""
        self.n += 1
        details = {"task_reason": more.pop("reason", "random_audit"), "outcome": more.pop("outcome", "counted")}
        values: dict[str, Any] = {"is_evidence": details["task_reason"] not in ("gold", "repeat"), "pi": 0.5}
        values |= {"decided_at": START + timedelta(minutes=self.n), "details": details, "label": label, **more}
        with self.services.database.write() as session:
            judge = self.judges.get(who, who)
            session.add(Decision(model_id=self.model.id, subject_id=subject, judge=judge, **values))

    def truth(self, subject: str, label: str, method: str = "measured", by: str = "lab") -> None:
        with self.services.database.write() as session:
            session.add(
                GroundTruth(model_id=self.model.id, subject_id=subject, label=label, method=method, resolved_by=by)
            )

    def picture(self, subject: str, sha256: str) -> None:
        with self.services.database.write() as session:
            session.add(Subject(model_id=self.model.id, subject_id=subject, artifact_sha256=sha256))

    def shown(self, subject: str, prediction: str) -> str:
        """A task in reveal mode on which the machine said this; its id."""
        with self.services.database.write() as session:
            values = {"subject_id": subject, "reason": "random_audit", "mode": "reveal", "policy_id": "p"}
            answers = [{"version": "v1", "prediction": prediction}]
            [task_id] = add_tasks(session, [{"model_id": self.model.id, **values, "answers": answers}])
            assert session.get(ReviewTask, task_id) is not None
            return task_id


@pytest.fixture
def bench(app: TestClient, sign_in: Callable[..., Client]) -> Bench:
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    with services.database.write() as session:
        labels = [{"name": name, "is_defect": name != "ok"} for name in LABELS]
        model = Model(name="boards", item_kind="image", labels=labels)
        session.add(model)
    made = Bench(services, model, sign_in, {"outside": "person:outside"})
    for name in ("an", "binh", "chi"):
        sign_in("inspector", name)
        with services.database.read() as session:
            made.judges[name] = "user:" + session.query(User).filter_by(name=name).one().id
    return made
