"""A small inspection line for tests and benchmarks of the bench: drawn boards, their tasks, the people, a server."""

from __future__ import annotations

import hashlib
import io
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw

from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.migrations.runner import upgrade
from db.models.model import Artifact, Model
from db.models.person import User, UserSession
from db.models.review import Decision, GroundTruth, ReviewTask, Subject

MODEL = "pcb-inspection"
SECRET = "the-machine-said-short"
LABELS: list[dict[str, Any]] = [
    {"name": "ok", "title": {"en": "OK", "vi": "Đạt"}, "is_defect": False, "key": "1"},
    {"name": "open", "title": {"en": "Open circuit", "vi": "Hở mạch"}, "is_defect": True, "key": "2"},
    {"name": "short", "title": {"en": "Short", "vi": "Chập mạch"}, "is_defect": True, "key": "3"},
    {"name": "pin_hole", "title": {"en": "Pin-hole", "vi": "Lỗ kim"}, "is_defect": True, "key": "4"},
]


def draw_board(seed: int, *, has_defect: bool, size: int = 640) -> bytes:
    """A board as PNG: traces and pads, one trace cut when it has a defect."""
    rng = np.random.default_rng(seed % 4)
    image = Image.new("RGB", (size, size), (18, 74, 46))
    pen = ImageDraw.Draw(image)
    for line in range(14):
        y = 30 + line * size // 15
        bend = int(rng.integers(size // 5, size * 4 // 5))
        pen.line([(20, y), (bend, y), (bend + 20, y + 18), (size - 20, y + 18)], fill=(196, 148, 66), width=7)
        for x in (20, size - 20):
            pen.ellipse([x - 9, y - 9, x + 9, y + 9], fill=(222, 190, 120))
    place = np.random.default_rng(seed)
    if has_defect:
        x, y = int(place.integers(100, size - 100)), 30 + int(place.integers(0, 14)) * size // 15
        pen.rectangle([x, y - 6, x + 9, y + 26], fill=(18, 74, 46))
    noisy = np.asarray(image, dtype=np.int16) + place.integers(-6, 6, (size, size, 1), dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "PNG", compress_level=1)
    return out.getvalue()


@dataclass
class Line:
    """A database and an artifact store with a model, people and tasks."""

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    model_id: str = ""

    @classmethod
    def build(cls, folder: Path, port: int = 8300, *, ui: bool = True) -> Line:
        """An embedded installation in a folder, with the model and nothing else."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = Settings(data_dir=folder, port=port, ui=ui)
        database = Database(settings.database_url)
        upgrade(database)
        line = cls(settings, database, ArtifactStore(settings.artifacts_uri))
        with database.write() as session:
            title = {"en": "Circuit boards", "vi": "Bảng mạch"}
            model = Model(name=MODEL, title=title, item_kind="image", labels=LABELS, segment_keys=["line"])
            session.add(model)
            session.flush()
            line.model_id = model.id
        return line

    def add_person(self, name: str, role: str, language: str = "en") -> str:
        """A person (once) and a session token for them."""
        token = secrets.token_urlsafe(32)
        with self.database.write() as session:
            email = f"{name}@example.com"
            person = session.query(User).filter_by(email=email).one_or_none()
            if person is None:
                person = User(email=email, name=name, role=role, language=language)
                session.add(person)
                session.flush()
            digest = hashlib.sha256(token.encode()).hexdigest()
            until = utc_now() + timedelta(hours=2)
            session.add(UserSession(token_hash=digest, user_id=person.id, expires_at=until))
        return token

    def person_id(self, name: str) -> str:
        """The id of a person who was added."""
        with self.database.read() as session:
            return session.query(User).filter_by(name=name).one().id

    def add_picture(self, data: bytes) -> str:
        """Store a picture; its SHA-256."""
        sha256 = self.artifacts.put(data)
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        with self.database.write() as session:
            if session.get(Artifact, sha256) is None:
                session.add(
                    Artifact(
                        sha256=sha256,
                        kind="image",
                        media_type="image/png",
                        n_bytes=len(data),
                        width=width,
                        height=height,
                    )
                )
        return sha256

    def add_tasks(self, n: int, *, mode: str = "blind", start: int = 0, size: int = 640, **over: Any) -> list[str]:
        """Queue `n` boards; every fourth has a defect. Returns the subjects' names."""
        goldens = [self.add_picture(draw_board(kind, has_defect=False, size=size)) for kind in range(4)]
        names = []
        for number in range(start, start + n):
            sha256 = self.add_picture(draw_board(number, has_defect=number % 4 == 1, size=size))
            names.append(f"board-{number:05d}")
            self._add_task(names[-1], {"artifact": sha256, "golden": goldens[number % 4], **over}, mode, number)
        return names

    def add_bare_tasks(self, n: int) -> None:
        """Queue `n` items without pictures, at once."""
        with self.database.write() as session:
            for number in range(n):
                name = f"bare-{number:05d}"
                session.add(Subject(model_id=self.model_id, subject_id=name))
                session.add(
                    ReviewTask(
                        model_id=self.model_id, subject_id=name, reason="random_audit", priority=number, pi=0.2, item={}
                    )
                )

    def _add_task(self, name: str, item: dict[str, Any], mode: str, priority: int) -> None:
        answers = [{"version": "v1", "prediction": SECRET, "score": 0.918273}]
        if mode == "adjudicate":
            answers = [
                {"name": "A", "judge": "user:x", "label": "ok", "verb": "label", "comment": None},
                {"name": "B", "judge": "user:y", "label": "open", "verb": "label", "comment": "line 7 is cut"},
            ]
        full = {"width": 640, "height": 640, "inputs": {"line": "A", "camera": 2}, "text": None, **item}
        with self.database.write() as session:
            if session.get(Subject, (self.model_id, name)) is None:
                artifact, golden = full["artifact"], full["golden"]
                segments = {"line": "A"}
                session.add(
                    Subject(
                        model_id=self.model_id,
                        subject_id=name,
                        artifact_sha256=artifact,
                        golden_sha256=golden,
                        segments=segments,
                    )
                )
            session.add(
                ReviewTask(
                    model_id=self.model_id,
                    subject_id=name,
                    reason="disagreement" if mode == "adjudicate" else "random_audit",
                    mode=mode,
                    priority=priority,
                    pi=0.2,
                    item=full,
                    answers=answers,
                    segments={"line": "A"},
                )
            )

    def clear_tasks(self) -> None:
        """Nothing waits and nothing was said."""
        with self.database.write() as session:
            for table in (Decision, GroundTruth, ReviewTask, Subject):
                session.query(table).delete()

    def answers(self) -> dict[str, list[tuple[str, str | None]]]:
        """What was said about each subject and still holds: (verb, label)."""
        with self.database.read() as session:
            rows = session.query(Decision).filter(Decision.superseded_by.is_(None)).order_by(Decision.id).all()
            found: dict[str, list[tuple[str, str | None]]] = {}
            for row in rows:
                found.setdefault(row.subject_id, []).append((row.verb, row.label))
            return found

    def decisions(self) -> list[Decision]:
        """All decisions, in order, taken back or not."""
        with self.database.read() as session:
            rows = session.query(Decision).order_by(Decision.decided_at, Decision.id).all()
            session.expunge_all()
            return rows

    def task_id(self, name: str) -> str:
        """The task of a subject."""
        with self.database.read() as session:
            return session.query(ReviewTask).filter_by(subject_id=name).one().id

    def give_to_another(self, name: str) -> None:
        """The lease of a subject's task ran out, and somebody else claimed it."""
        with self.database.write() as session:
            task = session.query(ReviewTask).filter_by(subject_id=name).one()
            task.leased_to, task.lease_token, task.lease_until = "another", "another", utc_now() + timedelta(minutes=9)

    def n_leased(self) -> int:
        """How many open tasks somebody holds."""
        with self.database.read() as session:
            return session.query(ReviewTask).filter_by(state="open").filter(ReviewTask.leased_to.is_not(None)).count()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """The application with its screens, in a process of its own."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.port = line.settings.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder = self.line.settings.data_dir
        with (folder / "server.log").open("ab") as log:
            screens = "screens" if self.line.settings.ui else "api"
            command = [sys.executable, "-m", "tests.bench.line", str(folder), str(self.port), screens]
            root = Path(__file__).resolve().parents[2]
            self.process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
        for _ in range(300):
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
            if self.process.poll() is not None:
                break
        raise RuntimeError((folder / "server.log").read_text()[-3000:])

    def kill(self) -> None:
        """As when the power goes."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def serve(folder: Path, port: int, *, ui: bool) -> None:
    """What the process runs."""
    import uvicorn

    from backend.main import create_app

    app = create_app(Settings(data_dir=folder, port=port, ui=ui))

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), ui=sys.argv[3] == "screens")
