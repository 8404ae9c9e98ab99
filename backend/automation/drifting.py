"""The drift slice's findings in the shape that gates read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.automation.collect import DriftLook
from db.analytics.answers import JudgedAnswers
from db.base import utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.repositories import drift_references


def drift_look(database: Database, eventlog: EventLog, answers: JudgedAnswers) -> DriftLook:
    """Features of a window that drifted from the current reference: `harmful` where people found more errors in what
    moved, `unclear` where that could not be told. Those that surely did no harm are left out."""

    def look(
        model: Any, version: str, segment: tuple[str, str] | None, start: datetime, end: datetime
    ) -> dict[str, Any] | None:
        from backend.drift.service import ask, report  # SciPy comes along: only where a gate asks for it

        with database.read() as session:
            reference = drift_references.current_reference(session, model.id)
        if reference is None:
            return None
        segments = dict([segment]) if segment else None
        question = ask(model, reference, start, min(end, utc_now()), version=version, segments=segments)
        features = report(database, eventlog, answers, question).features
        drifted = [one for one in features if one.verdict == "drifted"]
        harm = {one.feature: one.consequence.verdict if one.consequence else "unknown" for one in drifted}
        return {
            "harmful": sorted(name for name, verdict in harm.items() if verdict == "harmful"),
            "unclear": sorted(name for name, verdict in harm.items() if verdict == "unknown"),
            "n_features": len(features),
        }

    return look
