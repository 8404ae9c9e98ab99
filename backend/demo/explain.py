"""What the demonstration has planted, in words: printed when it is ready, and by `soi demo --explain`."""

from __future__ import annotations

from datetime import datetime

from backend.demo.story import INSPECTORS, MODEL, ZONE, Story
from db.base import utc_now


def explain(days: int, end: datetime | None = None) -> str:
    """The planted things with the place where each can be found; times are the factory's (UTC+7)."""
    story = Story(end or utc_now(), days)
    line, fault, fault_end = story.camera_fault
    dim, drift = story.drift_start
    slow, back = story.slow_release
    cold, gap = story.sensor_gap
    crew = ", ".join(f"{name} {rate:.0%}" for name, rate, _ in INSPECTORS.values())
    return "\n".join(
        [
            f"Planted in {MODEL}, {days} days:",
            f"- lighting drift: the lamp of line {dim} weakens from {_at(drift)}: brightness falls there,",
            "  and 1.0 errs more often there (Health, inputs by line; Compare 1.0 with 2.0 by segment)",
            f"- camera fault: line {line} gave no answers on {_at(fault)} to {_at(fault_end)} (Health, null outputs)",
            f"- slow release: 1.1 was champion from {_at(slow)} to {_at(back)}, twice as slow, then rolled back",
            "  (Health, latency by version)",
            f"- missing inputs: a third of temperature_c on line {cold} is absent from {_at(gap)}",
            "  (Health, missing inputs)",
            f"- shadow: 2.0 answers beside the champion since {_at(story.shadow_start)} (Compare, old against new)",
            f"- inspectors err in known shares: {crew} (Compare, people; Inspectors,",
            "  where boards of known truth came to all of them and came back unnoticed)",
            "- open work: a blind queue (Inspect), disputed boards (Disagreements)",
            "- the loop closed: a dataset of the people's labels, and 2.1 retrained from 2.0 on it, in shadow",
            "  (Labelled data, Datasets, Retraining, Versions)",
            f"- a pipeline: each board is found, then inspected, traced since {_at(story.tracing_start)};",
            "  the slow release makes the whole way slower (Pipelines)",
            "- declared beside it: gates of automation with their verdicts (Automation), a drift rule (Alerts),",
            "  known boards between the work (Review policy), a report every Monday and one now (Reports)",
            "- refused rows: a client sent text where brightness is a number (Ingestion)",
        ]
    )


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%d %b %H:%M}"
