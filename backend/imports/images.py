"""Imports a folder of images that a manifest.csv describes: one event per row, its picture stored as an artifact."""

from __future__ import annotations

from pathlib import Path

from backend.errors import Invalid, NotFound, SoiError
from backend.imports.events import EventMaker
from backend.imports.infer import input_types, read_truth, survey
from backend.imports.load import ImportReport, Problem, Progress, note_stored, store_truth
from backend.imports.mapping import Mapping
from backend.imports.readers import HistoryFile, Rows
from backend.imports.sinks import Sink
from db.base import utc_now

MANIFEST = "manifest.csv"
_PATH_COLUMNS = ("path", "file", "filename", "image")
_GOLDEN_COLUMNS = ("golden", "golden_path", "template")


def import_images(folder: Path, mapping: Mapping, sink: Sink, *, on_progress: Progress) -> ImportReport:
    """Store the pictures and an event for each row of the manifest; a column `golden` names the golden sample."""
    file = HistoryFile(folder / MANIFEST, mapping.null_texts())
    path_column = next((name for name in _PATH_COLUMNS if name in file.columns), None)
    if path_column is None:
        raise Invalid(f"{MANIFEST} needs a column with the image's path ({', '.join(_PATH_COLUMNS)})")
    golden_column = next((name for name in _GOLDEN_COLUMNS if name in file.columns), None)
    if mapping.time is None and mapping.start is None:
        mapping = mapping.model_copy(update={"start": utc_now(), "step_s": 0.0})
    mapping = mapping.model_copy(
        update={"id": mapping.id or path_column, "inputs": mapping.inputs if mapping.inputs is not None else {}}
    )
    mapping.check_columns(file.columns, MANIFEST)
    model = sink.find_model(mapping.model)
    if model is None:
        raise NotFound(f"there is no model {mapping.model!r}: `soi model add` makes one")
    inputs = dict(mapping.inputs or {})
    types = input_types(inputs, survey([file], set(inputs.values())), model.inputs)
    maker = EventMaker(mapping, inputs, types, model.output_kind, file.digest())
    report = ImportReport(mapping.model)
    sink.add_versions(mapping.model, [mapping.version])
    total = file.count()
    for rows in file.read():
        _store_rows(folder, rows, maker, sink, report, path_column, golden_column)
        on_progress("storing images", report.n_rows, max(total, report.n_rows))
    store_truth(read_truth(mapping), mapping, sink, report, on_progress)
    return report


def _store_rows(
    folder: Path,
    rows: Rows,
    maker: EventMaker,
    sink: Sink,
    report: ImportReport,
    path_column: str,
    golden_column: str | None,
) -> None:
    events = []
    for place, event in enumerate(maker.make(rows)):
        names = [rows.columns[path_column][place], rows.columns[golden_column][place] if golden_column else None]
        try:
            event["artifacts"] = [sink.put_image(_read_inside(folder, str(name))) for name in names if name]
        except (SoiError, OSError) as error:
            report.n_rows += 1
            message = getattr(error, "message", None) or f"cannot be read: {error}"
            report.add_problem(Problem(str(names[0]), rows.first + place + 1, "bad_image", message))
            continue
        events.append((rows.first + place, event))
    stored = sink.store(report.model, [event for _, event in events]) if events else None
    if stored is not None:
        note_stored(stored, MANIFEST, [number for number, _ in events], report)


def _read_inside(folder: Path, name: str) -> bytes:
    """A file of the folder; a name that leads out of it is refused."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Invalid(f"{name!r} lies outside the folder")
    return path.read_bytes()
