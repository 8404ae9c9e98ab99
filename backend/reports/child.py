"""The process that writes a report: started by the worker for one report, because writing belongs to the floor of the
screens (dashboard.reports) and needs their charts and texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from backend.client import Client
from backend.reports.reading import reading_client
from backend.settings import Settings
from backend.worker.children import run

Tell = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a report needs to know."""

    settings: Settings
    report_id: str
    model: str
    start: datetime
    end: datetime
    timezone: str
    languages: tuple[str, ...]


def main(task: Task, pipe: Connection) -> None:
    """Write the report and say how it went. Entry of the process."""

    def tell(fraction: float, step: str) -> None:
        pipe.send(("progress", fraction, step))

    def work() -> dict[str, Any]:
        with reading_client(task.settings, task.model, f"report-{task.report_id}") as client:
            return write(client, task, tell)

    run(work, pipe)


def write(client: Client, task: Task, tell: Tell) -> dict[str, Any]:
    """{"verdict": ..., "files": {language: html}}. The floors let no module below the screens import them by name."""
    build = import_module("dashboard.reports.build")
    facts = build.collect(client, task.model, task.start, task.end, timezone=task.timezone, tell=tell)
    files = {}
    for number, language in enumerate(task.languages):
        tell(0.8 + 0.2 * number / len(task.languages), "writing_report")
        files[language] = build.render(facts, language, task.timezone, address=task.settings.public_url)
    return {"verdict": facts.state, "files": files}
