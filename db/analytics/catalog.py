"""The catalogue of measures. A new measure is one entry in a file of `measures/` and its texts in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from db.analytics.measure import AnyMeasure, Measure
from db.analytics.measures import (
    cache,
    capacity,
    door,
    failures,
    feedback,
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
from db.analytics.picking import line_of

MEASURES: tuple[AnyMeasure, ...] = (
    *traffic.MEASURES,
    *latency.MEASURES,
    *failures.MEASURES,
    *cache.MEASURES,
    *inputs.MEASURES,
    *violations.MEASURES,
    *door.MEASURES,
    *media.MEASURES,
    *metrics.MEASURES,
    *outputs.MEASURES,
    *scores.MEASURES,
    *feedback.MEASURES,
    *old_new.MEASURES,
    *people.MEASURES,
    *capacity.MEASURES,
)


class Catalogue(dict[str, AnyMeasure]):
    """Measures by name. "<name>:<series>" is one line of a measure that has one per field, label, metric or signal;
    unlike the whole it can be split by version, role and segment.
    """

    def __missing__(self, name: str) -> AnyMeasure:
        base, colon, series = name.partition(":")
        measure = super().get(base)
        if not colon or not series or not isinstance(measure, Measure):
            raise KeyError(name)
        if measure.dimension is None or measure.chart == "heatmap":
            raise KeyError(name)
        compute = line_of(measure, series)
        return replace(measure, name=name, dimension=None, chart="line", compute=compute)

    def get(self, name: str, default: Any = None) -> Any:
        """The measure, or one line of it; `default` where there is none."""
        try:
            return self[name]
        except KeyError:
            return default


BY_NAME = Catalogue({measure.name: measure for measure in MEASURES})


def unit_of(measure: str) -> str:
    """The unit of what an alert rule watches: a measure's, or for drift the distance's (PSI)."""
    found = BY_NAME.get(measure)
    return found.unit if found is not None else "psi" if measure == "drift" else "count"


def title_key(measure: AnyMeasure) -> str:
    """Catalogue key of the measure's name, in both languages."""
    return f"measures.{base_name(measure.name)}.title"


def description_key(measure: AnyMeasure) -> str:
    """Catalogue key of the measure's one-sentence definition."""
    return f"measures.{base_name(measure.name)}.description"


def base_name(name: str) -> str:
    """The entry of the catalogue behind a name.

    >>> base_name("metric_mean:volume")
    'metric_mean'
    """
    return name.partition(":")[0]
