"""History files through the strict door: what is stored, what is refused, and that a second import counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from backend.commands.registry import OPERATOR
from backend.errors import Invalid, NotFound
from backend.imports.load import ImportReport, import_files
from backend.imports.mapping import TruthFile, make_mapping, read_mapping
from backend.imports.sinks import DatabaseSink
from backend.services import door_limits
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.event_log import QuarantinedEvent
from db.models.model import Model
from db.models.review import GroundTruth

CSV = """when,item,answer,prob,age,site
2026-05-01T08:00:00Z,a1,yes,0.9,31,north
2026-05-01T08:01:00Z,a2,no,0.4,,south
2026-05-01T08:02:00Z,a3,yes,0.7,55,north
"""


@pytest.fixture
def sink(database: Database, tmp_path: Path) -> Iterator[DatabaseSink]:
    settings = Settings(data_dir=tmp_path / "data", database_url=str(database.url))
    eventlog = EventLog(database, settings.lake_uri, limits=door_limits(settings))
    eventlog.start()
    yield DatabaseSink(database, eventlog, OPERATOR, ArtifactStore(settings.artifacts_uri), settings)
    eventlog.close()


def write(folder: Path, text: str, name: str = "history.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(sink: DatabaseSink, path: Path, **changes: object) -> ImportReport:
    fields = {
        "model": "loans",
        "time": "when",
        "id": "item",
        "prediction": "answer",
        "score": "prob",
        "segments": ["site"],
        **changes,
    }
    return import_files([path], make_mapping(**fields), sink, create=True)


def stored(sink: DatabaseSink, name: str = "loans") -> list[dict[str, object]]:
    with sink.database.read() as session:
        model = session.scalars(select(Model).where(Model.name == name)).one()
    rows: list[dict[str, object]] = sink.eventlog.read(model.id, None, None, limit=1000).to_pylist()
    return rows


def test_rows_become_events_with_typed_inputs_segments_and_missing_values(sink: DatabaseSink, tmp_path: Path) -> None:
    report = load(sink, write(tmp_path, CSV))
    assert (report.n_rows, report.n_new, dict(report.n_problems)) == (3, 3, {})
    rows = stored(sink)
    assert [row["event_id"] for row in rows] == ["a1", "a2", "a3"]
    assert [row["in_age"] for row in rows] == [31, None, 55]
    assert [row["n_missing"] for row in rows] == [0, 1, 0]
    assert [row["seg_site"] for row in rows] == ["north", "south", "north"]
    assert [row["score"] for row in rows] == [0.9, 0.4, 0.7]


def test_importing_twice_counts_once_with_and_without_ids(sink: DatabaseSink, tmp_path: Path) -> None:
    path = write(tmp_path, CSV)
    load(sink, path)
    again = load(sink, path)
    assert (again.n_new, again.n_duplicates) == (0, 3)
    no_ids = load(sink, path, id=None, ignore=["item"])
    no_ids_again = load(sink, path, id=None, ignore=["item"])
    assert (no_ids.n_new, no_ids_again.n_new, no_ids_again.n_duplicates) == (3, 0, 3)
    assert len(stored(sink)) == 6


def test_bad_rows_are_named_and_quarantined_and_good_ones_stored(sink: DatabaseSink, tmp_path: Path) -> None:
    good = "".join(f"2026-05-01T09:00:00Z,g{n},yes,0.5,{n},north\n" for n in range(60))
    bad = (
        "2026-05-01T09:00:00Z,b1,yes,0.5,old,north\nnot a time,b2,yes,0.5,3,north\n"
        "2026-05-01T09:00:00Z,b3,yes,high,3,north\n,b4,yes,0.5,3,north\n2026-05-01T09:00:00Z,b5,yes\n"
    )
    report = load(sink, write(tmp_path, CSV.splitlines()[0] + "\n" + good + bad))
    assert report.n_new == 60
    assert dict(report.n_problems) == {"type_changed": 1, "bad_time": 2, "wrong_type": 1, "broken_row": 1}
    with sink.database.read() as session:
        kept = session.scalars(select(QuarantinedEvent.message)).all()
    assert len(kept) == 5


def test_same_id_with_another_answer_is_a_conflict_and_the_first_stays(sink: DatabaseSink, tmp_path: Path) -> None:
    load(sink, write(tmp_path, CSV))
    report = load(sink, write(tmp_path, CSV.replace("a1,yes", "a1,no")))
    assert dict(report.n_problems) == {"conflict": 1}
    assert stored(sink)[0]["prediction"] == "yes"


def test_unknown_column_is_refused_before_anything_is_stored(sink: DatabaseSink, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no column 'when2'"):
        load(sink, write(tmp_path, CSV), time="when2")
    with pytest.raises(Invalid, match="no file has a column 'ag'"):
        load(sink, write(tmp_path, CSV), inputs=["ag"])
    assert sink.find_model("loans") is None


def test_empty_file_is_refused_and_a_header_alone_stores_nothing(sink: DatabaseSink, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is empty"):
        load(sink, write(tmp_path, ""))
    assert load(sink, write(tmp_path, CSV.splitlines()[0] + "\n")).n_rows == 0


def test_file_without_times_needs_a_start(sink: DatabaseSink, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="--start"):
        load(sink, write(tmp_path, CSV), time=None, ignore=["when"])
    report = load(sink, write(tmp_path, CSV), time=None, ignore=["when"], start="2026-01-01T00:00:00Z", step_s=3600)
    assert report.n_new == 3
    assert [str(row["happened_at"])[:13] for row in stored(sink)] == ["2026-01-01 00", "2026-01-01 01", "2026-01-01 02"]


def test_missing_model_is_only_made_when_asked_for(sink: DatabaseSink, tmp_path: Path) -> None:
    mapping = make_mapping(model="absent", time="when", id="item")
    with pytest.raises(NotFound, match="--create"):
        import_files([write(tmp_path, CSV)], mapping, sink)


def test_truth_is_joined_by_id_and_counts_once(sink: DatabaseSink, tmp_path: Path) -> None:
    truth = write(tmp_path, "nr,outcome\na1,no\na3,yes\na9,yes\na2,\n", "truth.csv")
    given = TruthFile(path=truth, id="nr", label="outcome")
    report = load(sink, write(tmp_path, CSV), truth=given)
    again = load(sink, write(tmp_path, CSV), truth=given)
    assert (report.n_truths, again.n_truths, again.n_truths_unchanged) == (3, 0, 3)
    with sink.database.read() as session:
        rows = session.execute(select(GroundTruth.subject_id, GroundTruth.label).where(GroundTruth.is_current)).all()
    assert {tuple(row) for row in rows} == {("a1", "no"), ("a3", "yes"), ("a9", "yes")}


def test_parquet_keeps_its_types_and_nan_is_missing(sink: DatabaseSink, tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    table = pa.table(
        {
            "when": pa.array([1_777_622_400_000_000, 1_777_622_460_000_000], pa.timestamp("us", tz="UTC")),
            "item": [1, 2],
            "answer": ["yes", None],
            "prob": [0.25, float("nan")],
            "age": pa.array([20, None], pa.int32()),
            "site": ["north", "north"],
        }
    )
    pq.write_table(table, path)
    assert load(sink, path).n_new == 2
    rows = stored(sink)
    assert [row["event_id"] for row in rows] == ["1", "2"]
    assert [row["score"] for row in rows] == [0.25, None]
    assert [row["is_null_output"] for row in rows] == [False, True]


def test_mapping_from_yaml_with_renamed_inputs_and_labels(sink: DatabaseSink, tmp_path: Path) -> None:
    text = """
model: loans
version: "7"
time: when
id: item
prediction: answer
labels: {yes: accept, no: refuse}
inputs: {years: age}
segments: {place: site}
"""
    mapping = read_mapping(write(tmp_path, text.replace("yes:", "'yes':").replace("no:", "'no':"), "mapping.yaml"))
    import_files([write(tmp_path, CSV)], mapping, sink, create=True)
    rows = stored(sink)
    assert [row["prediction"] for row in rows] == ["accept", "refuse", "accept"]
    assert {row["version"] for row in rows} == {"7"}
    assert rows[0]["in_years"] == 31
    assert rows[0]["seg_place"] == "north"


def test_unknown_name_in_a_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="predicton"):
        read_mapping(write(tmp_path, "model: m\npredicton: x\n", "mapping.yaml"))


@pytest.mark.data
def test_titanic_history_with_real_missing_values(sink: DatabaseSink, data_folder: Callable[[str], Path]) -> None:
    folder = data_folder("nannyml_drift")
    mapping = make_mapping(
        model="titanic",
        id="PassengerId",
        start="2026-01-01T00:00:00Z",
        segments=["Embarked"],
        ignore=["Name"],
        truth=TruthFile(path=folder / "titanic_target.csv", id="PassengerId", label="Survived"),
    )
    report = import_files([folder / "titanic_analysis.csv"], mapping, sink, create=True)
    assert (report.n_rows, report.n_new, report.n_truths, dict(report.n_problems)) == (418, 418, 418, {})
    rows = stored(sink, "titanic")
    assert sum(row["in_Age"] is None for row in rows) == 86
    assert sum(row["in_Cabin"] is None for row in rows) == 327
    assert sum(row["in_Fare"] is None for row in rows) == 1


@pytest.mark.data
def test_california_housing_with_delayed_truth(sink: DatabaseSink, data_folder: Callable[[str], Path]) -> None:
    folder = data_folder("nannyml_drift")
    mapping = make_mapping(
        model="housing", time="timestamp", id="id", prediction="y_pred", score="y_pred_proba", version="2021"
    )
    report = import_files([folder / "california_housing_analysis.csv"], mapping, sink, create=True)
    assert report.n_new == report.n_rows == 8232
    assert not report.n_problems
