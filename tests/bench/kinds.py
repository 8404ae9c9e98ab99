"""Rows, texts and sounds for the bench: a model of each kind with what waits for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.models.model import Artifact, Model
from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from tests.bench.line import Line

SECRET = "the-machine-said-this"
LOANS = [
    {"name": "grant", "title": {"en": "Grant", "vi": "Cho vay"}, "is_defect": False, "key": "1"},
    {"name": "refuse", "title": {"en": "Refuse", "vi": "Từ chối"}, "is_defect": True, "key": "2"},
    {"name": "ask", "title": {"en": "Ask for papers", "vi": "Yêu cầu giấy tờ"}, "is_defect": True, "key": "3"},
]
TOPICS = [
    {"name": "delivery", "title": {"en": "Delivery", "vi": "Giao hàng"}, "key": "1"},
    {"name": "payment", "title": {"en": "Payment", "vi": "Thanh toán"}, "key": "2"},
    {"name": "quality", "title": {"en": "Quality", "vi": "Chất lượng"}, "key": "3"},
]
DIGITS = [{"name": str(digit), "key": str(digit)} for digit in range(10)]


@dataclass
class Work:
    """One model's queue in a line's database."""

    line: Line
    name: str
    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    model_id: str = ""

    def open(self) -> Work:
        """Register the model, once."""
        with self.line.database.write() as session:
            model = session.query(Model).filter_by(name=self.name).one_or_none()
            if model is None:
                model = Model(name=self.name, item_kind=self.kind, **self.fields)
                session.add(model)
                session.flush()
            self.model_id = model.id
        return self

    def add(self, names: list[str], items: list[dict[str, Any]], *, mode: str = "blind", **task: Any) -> list[str]:
        """Queue items in this order. `answers` is what the machine said."""
        task.setdefault("answers", [{"version": "v1", "prediction": SECRET, "score": 0.918273}])
        with self.line.database.write() as session:
            for place, (name, item) in enumerate(zip(names, items, strict=True)):
                details = {"inputs": item.get("inputs", {})}
                session.add(Subject(model_id=self.model_id, subject_id=name, details=details))
                full = {"artifact": None, "golden": None, "inputs": {}, "text": None, **item}
                session.add(
                    ReviewTask(
                        model_id=self.model_id,
                        subject_id=name,
                        reason="random_audit",
                        mode=mode,
                        priority=place,
                        pi=0.2,
                        item=full,
                        **task,
                    )
                )
        return names

    def label(self, name: str, label: str, inputs: dict[str, Any]) -> None:
        """A row whose label is settled."""
        with self.line.database.write() as session:
            session.add(Subject(model_id=self.model_id, subject_id=name, details={"inputs": inputs}))
            session.add(
                GroundTruth(model_id=self.model_id, subject_id=name, label=label, method="measured", resolved_by="test")
            )

    def add_sound(self, path: Path) -> str:
        """Store a WAV; its SHA-256."""
        data = path.read_bytes()
        sha256 = self.line.artifacts.put(data)
        with self.line.database.write() as session:
            if session.get(Artifact, sha256) is None:
                session.add(Artifact(sha256=sha256, kind="audio", media_type="audio/wav", n_bytes=len(data)))
        return sha256

    def decisions(self) -> list[Decision]:
        """All decisions about this model, in order."""
        return [row for row in self.line.decisions() if row.model_id == self.model_id]


def loans(line: Line) -> Work:
    """Rows with numbers and categories."""
    inputs = [
        {"name": "income", "type": "number"},
        {"name": "debt", "type": "number", "minimum": 0},
        {"name": "age", "type": "integer", "minimum": 18, "maximum": 120},
        {"name": "housing", "type": "string", "categories": ["rent", "own"]},
        {"name": "has_guarantor", "type": "boolean"},
    ]
    return Work(line, "loans", "tabular", {"labels": LOANS, "inputs": inputs}).open()


def letters(line: Line) -> Work:
    """Texts with three topics, none of them a defect."""
    return Work(line, "letters", "text", {"labels": TOPICS, "inputs": [{"name": "text", "type": "string"}]}).open()


def defects(line: Line) -> Work:
    """Fourteen classes: four more than there are digits."""
    names = [("ok", "Đạt"), *((f"fault-{n}", f"Lỗi số {n}") for n in range(1, 10))]
    names += [("open", "Hở mạch"), ("short", "Chập mạch"), ("hole", "Lỗ kim"), ("bite", "Khuyết mép")]
    labels = [{"name": name, "title": {"en": name, "vi": title}, "is_defect": name != "ok"} for name, title in names]
    return Work(line, "defects", "text", {"labels": labels, "inputs": [{"name": "text", "type": "string"}]}).open()


def speech(line: Line) -> Work:
    """Sounds that are written down."""
    return Work(line, "speech", "audio", {"output_kind": "text"}).open()


def digits(line: Line) -> Work:
    """Spoken digits with ten classes."""
    return Work(line, "digits", "audio", {"labels": DIGITS}).open()
