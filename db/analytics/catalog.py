"""The catalogue of measures. A new measure is one entry in a file of `measures/` and its texts in both languages."""

from __future__ import annotations

from db.analytics.measure import AnyMeasure
from db.analytics.measures import (
    cache,
    failures,
    inputs,
    latency,
    media,
    metrics,
    old_new,
    outputs,
    people,
    scores,
    traffic,
    violations,
)

MEASURES: tuple[AnyMeasure, ...] = (
    *traffic.MEASURES,
    *latency.MEASURES,
    *failures.MEASURES,
    *cache.MEASURES,
    *inputs.MEASURES,
    *violations.MEASURES,
    *media.MEASURES,
    *metrics.MEASURES,
    *outputs.MEASURES,
    *scores.MEASURES,
    *old_new.MEASURES,
    *people.MEASURES,
)

BY_NAME: dict[str, AnyMeasure] = {measure.name: measure for measure in MEASURES}


def title_key(measure: AnyMeasure) -> str:
    """Catalogue key of the measure's name, in both languages."""
    return f"measures.{measure.name}.title"


def description_key(measure: AnyMeasure) -> str:
    """Catalogue key of the measure's one-sentence definition."""
    return f"measures.{measure.name}.description"
