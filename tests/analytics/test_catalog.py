"""Every entry of the catalogue: texts in both languages, and no surprise on nothing, one row, or all nulls."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from db.analytics.catalog import BY_NAME, MEASURES, description_key, title_key
from db.analytics.measure import AnyMeasure
from db.analytics.series import Charts, Selection, UnusableSelection, check_selection, series
from db.analytics.windows import make_window
from tests.analytics.conftest import START, add_model, make_rows, wire

TEXTS = Path(__file__).parents[2] / "dashboard" / "kit" / "catalogue"
WINDOW = make_window(START, START + timedelta(hours=6), 3_600)
LATER = START + timedelta(days=30)
COUNTS = {"requests", "throughput"}
#: Processes have measures of their own, which belong to no model.
OF_MODELS = [measure for measure in MEASURES if measure.source != "processes"]


def frame(charts: Charts, model: object, name: str, selection: Selection | None = None) -> pd.DataFrame:
    return series(charts, model, name, WINDOW, selection or Selection(), LATER).to_pandas()


def test_names_are_unique_and_found_by_name() -> None:
    assert len(BY_NAME) == len(MEASURES)


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_measure_has_a_title_and_a_description(language: str) -> None:
    texts = yaml.safe_load((TEXTS / language / "measures.yaml").read_text(encoding="utf-8"))
    assert set(texts) == set(BY_NAME)
    for measure in MEASURES:
        for key in (title_key(measure), description_key(measure)):
            area, name, field = key.split(".")
            assert area == "measures"
            assert texts[name][field].strip()


def test_nothing_logged_gives_no_numbers_and_no_exception(charts: Charts) -> None:
    model = add_model(charts.database)
    for measure in OF_MODELS:
        found = frame(charts, model, measure.name)
        assert set(found.value.dropna()) <= ({0.0} if measure.name in COUNTS else set()), measure.name


def test_one_row_gives_its_own_numbers(charts: Charts) -> None:
    model = add_model(charts.database)
    charts.eventlog.log_rows(model, wire(make_rows(60, days=0.1).head(1)))
    for measure in OF_MODELS:
        found = frame(charts, model, measure.name)
        values = found.value.dropna()
        assert np.isfinite(values).all(), measure.name
        rates = found[found.lower.notna()]
        assert ((rates.lower <= rates.value) & (rates.value <= rates.upper)).all(), measure.name


def test_rows_of_nulls_are_undefined_where_nothing_can_be_said(charts: Charts) -> None:
    model = add_model(charts.database)
    rows = [{"version": "v1", "happened_at": (START + timedelta(minutes=i)).isoformat()} for i in range(5)]
    assert charts.eventlog.log_rows(model, rows).n_new == 5
    expected = {"null_output_rate": 1.0, "missing_rate": 1.0, "error_rate": 0.0, "requests": 5.0}
    for measure in OF_MODELS:
        found = frame(charts, model, measure.name)
        if measure.name in expected:
            assert found.value.tolist()[0] == expected[measure.name]
        if (
            measure.name.startswith("latency")
            or measure.group == "agreement"
            or measure.name
            in (
                "mean_score",
                "label_shares",
            )
        ):
            assert found.value.isna().all(), measure.name


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_splits_that_make_no_sense_are_refused(measure: AnyMeasure) -> None:
    class Model:
        segment_keys = ("line",)

    bad = [Selection(split="colour"), Selection(split="segment:colour"), Selection(segments={"colour": "red"})]
    if measure.dimension is not None:
        bad.append(Selection(split="version"))
    for selection in bad:
        with pytest.raises(UnusableSelection):
            check_selection(Model(), measure, selection)


@pytest.mark.parametrize("name", ["metric_mean:", "nothing:a", "requests:a", "latency_heatmap:10", "cpu_share:api"])
def test_only_lines_of_a_measure_with_lines_can_be_picked(name: str) -> None:
    assert BY_NAME.get(name) is None
    assert name not in BY_NAME


def test_a_picked_line_keeps_the_entry_of_its_measure() -> None:
    picked = BY_NAME["missing_rate_by_field:a:b"]
    assert (picked.name, picked.unit, picked.dimension) == ("missing_rate_by_field:a:b", "share", None)
    assert title_key(picked) == "measures.missing_rate_by_field.title"
    assert len(BY_NAME) == len(MEASURES)
