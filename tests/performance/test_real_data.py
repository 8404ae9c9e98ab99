"""Real predictions with real late labels: California housing loses ranking power and the estimate without labels
follows; US census employment of one year stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from db.models.model import Model
from tests.conftest import on_sqlite
from tests.performance.conftest import Line

pytestmark = pytest.mark.data


def log(line: Line, frame: pd.DataFrame, inputs: list[str]) -> None:
    """The rows as events; `score` is the probability of "1"."""
    rows = frame.to_dict("records")
    line.log(
        [
            {
                "id": f"p{row['id']}",
                "subject_id": f"h{row['id']}",
                "version": "v1",
                "happened_at": row["at"].isoformat(),
                "prediction": str(int(row["y_pred"])),
                "score": float(row["p"]),
                "inputs": {name: float(row[name]) for name in inputs if not pd.isna(row[name])},
            }
            for row in rows
        ]
    )


@pytest.fixture
def binary(line: Line) -> Callable[..., Line]:
    def make(inputs: list[str]) -> Line:
        with line.services.database.write() as session:
            model = Model(
                name="real",
                item_kind="tabular",
                labels=[{"name": "0"}, {"name": "1"}],
                inputs=[{"name": name, "type": "number"} for name in inputs],
                settings={"performance": {"score": "positive"}},
            )
            session.add(model)
        line.model = model
        return line

    return make


@on_sqlite
def test_california_housing_auc_falls_and_late_labels_show_it(
    binary: Callable[..., Line], data_folder: Callable[[str], Path]
) -> None:
    folder = data_folder("nannyml_drift")
    inputs = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
    line = binary(inputs)
    reference = pd.read_csv(folder / "california_housing_reference.csv")
    analysis = pd.read_csv(folder / "california_housing_analysis.csv")
    analysis = analysis.merge(pd.read_csv(folder / "california_housing_analysis_gt.csv"), on="id")
    for frame in (reference, analysis):
        frame["at"] = pd.to_datetime(frame["timestamp"], utc=True)
        frame["p"] = frame["y_pred_proba"]
        log(line, frame, inputs)
    change = analysis["at"].min().to_pydatetime()
    end = analysis["at"].max().to_pydatetime() + timedelta(hours=1)
    line.label_many({f"h{r.id}": str(int(r.clf_target)) for r in reference.itertuples()}, change)
    late = {f"h{r.id}": r.at.to_pydatetime() + timedelta(days=40) for r in analysis.itertuples()}
    line.label_many({f"h{r.id}": str(int(r.clf_target)) for r in analysis.itertuples()}, late)
    daily: dict[str, Any] = {"metric": "auc", "grain_s": 86_400}
    start = reference["at"].min().to_pydatetime()
    before = line.client.performance.over_time("real", start, change, **daily)
    after = line.client.performance.over_time("real", change, end, reference=(start, change), **daily)
    assert before.realised.value == pytest.approx(0.908, abs=0.005)
    assert after.realised.value == pytest.approx(0.840, abs=0.005)
    assert after.lag_p50_s == pytest.approx(40 * 86_400, rel=0.01)
    then = change + timedelta(days=60)
    known = line.client.performance.over_time("real", change, end, as_of=then, clock="resolved", **daily)
    assert known.n_labels == sum(at <= then for at in late.values())
    assert 0 < known.n_labels < after.n_labels
    accuracy = line.client.performance.over_time("real", change, end, reference=(start, change), grain_s=86_400)
    free, real = accuracy.label_free.figure, accuracy.realised
    assert free.value is not None
    assert real.value is not None
    slices = line.client.performance.slices("real", change, end)
    assert slices.slices


@on_sqlite
def test_employment_2015_without_labels_is_close_to_realised(
    binary: Callable[..., Line], data_folder: Callable[[str], Path]
) -> None:
    frame = pd.read_parquet(data_folder("nannyml_drift") / "employment_MA_reference.pq")
    line = binary([])
    frame = frame.rename(columns={"prediction": "y_pred", "predicted_probability": "p", "employed": "target"})
    frame = frame.reset_index(drop=True).iloc[:12_000]
    frame["id"] = frame.index
    begin = datetime(2025, 1, 6, tzinfo=UTC)
    frame["at"] = [begin + timedelta(minutes=30 * i) for i in range(len(frame))]
    log(line, frame, [])
    cut = begin + timedelta(minutes=30 * (len(frame) // 2))
    end = begin + timedelta(minutes=30 * len(frame))
    line.label_many({f"h{r.id}": str(int(r.target)) for r in frame.itertuples()}, end)
    for metric, tolerance in (("accuracy", 0.01), ("auc", 0.01)):
        found = line.client.performance.over_time(
            "real", cut, end, metric=metric, reference=(begin, cut), grain_s=86_400
        )
        assert found.realised.value is not None
        assert found.label_free.n_calibration == len(frame) // 2
        print(f"employment: {metric} {found.realised.value:.4f}, without labels {found.label_free.figure.value:.4f}")
        assert found.label_free.figure.value == pytest.approx(found.realised.value, abs=tolerance)
