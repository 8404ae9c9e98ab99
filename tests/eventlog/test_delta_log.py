"""The files of a lake version as read from its log are those that delta-rs names, whatever happened to the table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from db.eventlog.delta_log import LakeFile, UnknownLog, read_files
from db.eventlog.lake import Lake


def append(folder: Path, number: int, day: str = "2026-01-02") -> None:
    """One more version with one row; every tenth gets a checkpoint."""
    table = pa.table({"event_id": [f"e{number}"], "note": ['a "b" \n %20'], "event_date": [day]})
    write_deltalake(
        str(folder),
        table,
        mode="append",
        partition_by=["event_date"],
        configuration=None if number else {"delta.checkpointInterval": "10"},
    )


def compact(folder: Path) -> None:
    DeltaTable(str(folder)).optimize.compact()


def told(folder: Path, version: int) -> set[tuple[str, str, int, int]]:
    """What delta-rs says of a version: path, day, rows and bytes of every file."""
    adds = pa.table(DeltaTable(str(folder), version=version).get_add_actions(flatten=True)).to_pylist()
    return {
        (f"{folder}/{add['path']}", str(add["partition.event_date"]), add["num_records"], add["size_bytes"])
        for add in adds
    }


def shape(files: tuple[LakeFile, ...]) -> set[tuple[str, str, int, int]]:
    return {(file.path, file.day.isoformat(), file.n_rows, file.n_bytes) for file in files}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, two compactions, three days."""
    folder = tmp_path_factory.mktemp("lake") / "table"
    for number in range(23):
        append(folder, number, f"2026-01-{number % 3 + 1:02d}")
        if number in (6, 15):
            compact(folder)
    return folder


@pytest.mark.parametrize("version", [0, 5, 6, 7, 8, 10, 11, 16, 17, 20, 21, 24])
def test_any_version_has_the_files_that_delta_rs_names(busy: Path, version: int) -> None:
    assert len(list((busy / "_delta_log").glob("*.checkpoint.parquet"))) == 2
    assert shape(read_files(busy, version)) == told(busy, version)


@pytest.mark.parametrize(("earlier", "version"), [(0, 24), (6, 7), (15, 18), (9, 19)])
def test_an_earlier_version_saves_commits_and_changes_nothing(busy: Path, earlier: int, version: int) -> None:
    known = (earlier, read_files(busy, earlier))
    assert shape(read_files(busy, version, known)) == told(busy, version)


def test_a_log_whose_beginning_was_cleaned_away_is_read_from_its_checkpoint(busy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    (folder / "_delta_log").mkdir(parents=True)
    for path in (busy / "_delta_log").iterdir():
        if path.name[:20] > f"{15:020}":
            (folder / "_delta_log" / path.name).write_bytes(path.read_bytes())
    wanted = {(path.replace(str(busy), str(folder)), *rest) for path, *rest in told(busy, 24)}
    assert shape(read_files(folder, 24)) == wanted
    assert shape(read_files(folder, 24, (3, ()))) == wanted
    with pytest.raises(UnknownLog, match="missing"):
        read_files(folder, 17)


@pytest.mark.parametrize(
    "action",
    [
        {"protocol": {"minReaderVersion": 3, "readerFeatures": ["deletionVectors"]}},
        {"protocol": {"minReaderVersion": 2}},
        {"add": {"path": "s3://elsewhere/a.parquet", "partitionValues": {"event_date": "2026-01-01"}, "size": 1}},
        {
            "add": {
                "path": "a.parquet",
                "partitionValues": {"event_date": "2026-01-01"},
                "size": 1,
                "deletionVector": {"storageType": "u"},
            }
        },
    ],
    ids=["features", "column mapping", "elsewhere", "deletion vector"],
)
def test_a_log_that_asks_more_of_its_readers_is_refused(tmp_path: Path, action: dict[str, object]) -> None:
    append(tmp_path, 1)
    (tmp_path / "_delta_log" / f"{1:020}.json").write_text(json.dumps(action) + "\n")
    with pytest.raises(UnknownLog):
        read_files(tmp_path, 1)


def test_the_lake_opens_with_delta_rs_what_it_cannot_read_itself(tmp_path: Path) -> None:
    folder = tmp_path / "events" / "m"
    folder.mkdir(parents=True)
    for number in range(3):
        append(folder, number)
    (folder / "_delta_log" / "_last_checkpoint").write_text(json.dumps({"version": 1, "size": 1, "parts": 2}))
    with pytest.raises(UnknownLog):
        read_files(folder, 2)
    (folder / "_delta_log" / "_last_checkpoint").unlink()
    lake = Lake(str(tmp_path))
    assert shape(lake.version("m", 1).files) == told(folder, 1)
    protocol = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}}
    features = {"readerFeatures": ["vacuumProtocolCheck"], "writerFeatures": ["vacuumProtocolCheck"]}
    protocol["protocol"] |= features  # type: ignore[arg-type]
    (folder / "_delta_log" / f"{3:020}.json").write_text(json.dumps(protocol) + "\n")
    assert shape(lake.version("m", 3).files) == told(folder, 3)
