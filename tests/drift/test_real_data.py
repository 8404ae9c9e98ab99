"""Real data: US census employment raises no alarm on itself, California housing names Latitude, Titanic's gaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from backend.drift.evidence import alpha_of_budget
from backend.drift.verdicts import Rules, rank
from db.eventlog.feature_bins import make_bins
from tests.drift.profiles import judge

pytestmark = pytest.mark.data
Folder = Callable[[str], Path]


def test_census_employment_keeps_its_budget_in_chunks_of_itself(data_folder: Folder) -> None:
    """Each chunk against all other rows: one alarm at most in as many windows as the file gives a month."""
    table = pq.read_table(data_folder("nannyml_drift") / "employment_MA_reference.pq")
    names = [name for name in table.schema.names if name not in ("id", "employed", "year")]
    columns = [
        table[name].cast(pa.string()) if pa.types.is_dictionary(table[name].type) else table[name] for name in names
    ]
    table = pa.table(columns, names=names)
    size = 5_000
    n_windows = table.num_rows // size
    rules = Rules(alpha_of_budget(1, n_windows))
    alarms = []
    for place in range(n_windows):
        others = pa.array(np.r_[0 : place * size, (place + 1) * size : table.num_rows])
        found = judge(table.take(others), table.slice(place * size, size), rules)
        assert len(found) == 18
        alarms += [(place, one.feature) for one in found.values() if one.verdict == "drifted"]
    assert len({place for place, _ in alarms}) <= 1, alarms


def test_california_housing_alarms_and_names_latitude(data_folder: Folder) -> None:
    folder = data_folder("nannyml_drift")
    reference, analysis = (
        pacsv.read_csv(folder / f"california_housing_{part}.csv").drop_columns(["id", "timestamp"])
        for part in ("reference", "analysis")
    )
    reference = reference.drop_columns(["clf_target"])
    rules = Rules(alpha_of_budget(1, 1))
    found = judge(reference, analysis, rules)
    assert found["Latitude"].verdict == "drifted"
    assert "Latitude" in [one.feature for one in rank(list(found.values()))[:2]]
    half = reference.num_rows // 2
    assert judge(reference.slice(0, half), reference.slice(half), rules)["Population"].psi < 0.1  # type: ignore[operator]


def test_titanic_missing_rates(data_folder: Folder) -> None:
    path = data_folder("nannyml_drift") / "titanic_reference.csv"
    table = pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(strings_can_be_null=True))
    for name, rate in (("Age", 0.1987), ("Cabin", 0.7710)):
        bins = make_bins(name, table[name])
        assert bins.counts[-1] / bins.counts.sum() == pytest.approx(rate, abs=5e-5)
        assert bins.counts[-1] == pc.sum(pc.is_null(table[name])).as_py()
