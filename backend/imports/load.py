"""Imports history: a first pass learns the columns' types, a second one stores the rows and the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import Invalid, NotFound
from backend.ground_truth.schemas import TruthIn
from backend.imports.cells import as_time
from backend.imports.events import EventMaker
from backend.imports.infer import input_types, propose_model, read_truth, survey
from backend.imports.mapping import Mapping
from backend.imports.readers import HistoryFile
from backend.imports.sinks import Sink, Stored

#: Rows stored in one commit: small enough to be on disk well before the log's own time-out.
PORTION = 2_000
_SHOWN = 20
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Problem:
    """A row that was not stored."""

    file: str
    row: int
    code: str
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did. `problems` are the first ones; `n_problems` counts all by code."""

    model: str
    n_rows: int = 0
    n_new: int = 0
    n_duplicates: int = 0
    n_truths: int = 0
    n_truths_unchanged: int = 0
    is_model_new: bool = False
    n_problems: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, problem: Problem) -> None:
        self.n_problems[problem.code] += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(problem)


def import_files(
    paths: Sequence[Path],
    mapping: Mapping,
    sink: Sink,
    *,
    create: bool = False,
    on_progress: Progress = lambda step, done, total: None,
) -> ImportReport:
    """Store the rows of all files, and the truth beside them. Running it again stores nothing twice."""
    files = [HistoryFile(path, mapping.null_texts()) for path in paths]
    for file in files:
        mapping.check_columns(file.columns, file.path.name)
    columns = list(dict.fromkeys(name for file in files for name in file.columns))
    mapping.check_inputs(columns)
    inputs = mapping.input_columns(columns)
    total = sum(file.count() for file in files)
    done = 0

    def looked_at(n: int) -> None:
        nonlocal done
        done += n
        on_progress("looking at the columns", done, max(total, done))

    surveyed = {*inputs.values(), *([mapping.prediction] if mapping.prediction else [])}
    surveys = survey(files, surveyed, looked_at)
    truth = read_truth(mapping)
    report = ImportReport(mapping.model)
    model = sink.find_model(mapping.model)
    if model is None:
        if not create:
            raise NotFound(f"there is no model {mapping.model!r}: add --create to make one that fits the file")
        sink.create(propose_model(mapping, surveys, inputs, {label for _, label, _ in truth}))
        report.is_model_new = True
        model = sink.find_model(mapping.model)
        assert model is not None
    types = input_types(inputs, surveys, model.inputs)
    done = 0
    for file in files:
        maker = EventMaker(mapping, inputs, types, model.output_kind, file.digest(), n_before=done)
        for n_rows in _store_file(file, maker, sink, report):
            done += n_rows
            on_progress("storing rows", done, max(total, done))
    store_truth(truth, mapping, sink, report, on_progress)
    return report


def _store_file(file: HistoryFile, maker: EventMaker, sink: Sink, report: ImportReport) -> Iterator[int]:
    model, versions = report.model, set[str]()
    for rows in file.read():
        for broken in rows.broken:
            report.add_problem(Problem(file.path.name, broken.number, "broken_row", broken.reason))
        sink.set_aside(model, [(broken.text, broken.reason) for broken in rows.broken])
        events = maker.make(rows)
        new_versions = {str(event["version"]) for event in events} - versions
        if new_versions:
            sink.add_versions(model, new_versions)
            versions |= new_versions
        for first in range(0, len(events), PORTION):
            portion = events[first : first + PORTION]
            numbers = range(rows.first + first, rows.first + first + len(portion))
            note_stored(sink.store(model, portion), file.path.name, numbers, report)
            yield len(portion)


def note_stored(stored: Stored, name: str, numbers: Sequence[int], report: ImportReport) -> None:
    """Add what became of a portion; `numbers` are its rows in the file, counted from 0."""
    report.n_rows += len(numbers)
    report.n_new += stored.n_new
    report.n_duplicates += stored.n_duplicates
    for place, code, message in stored.refused:
        report.add_problem(Problem(name, numbers[place] + 1, code, message))


def store_truth(
    truth: list[tuple[str, str, str | None]], mapping: Mapping, sink: Sink, report: ImportReport, on_progress: Progress
) -> None:
    """Late outcomes, joined by the id of the thing judged. They may come before or after the rows."""
    wanted = []
    for subject_id, label, time in truth:
        fields = {"subject_id": subject_id, "label": label, "method": "imported"}
        if time is not None:
            fields["resolved_at"] = as_time(time, mapping.zone, mapping.time_format)
        try:
            wanted.append(TruthIn.model_validate(fields))
        except ValueError as error:
            reason = str(error).splitlines()[-2].strip()
            report.add_problem(Problem(str(mapping.truth and mapping.truth.path.name), 0, "bad_truth", reason))
    for first in range(0, len(wanted), 1_000):
        portion = wanted[first : first + 1_000]
        result = sink.store_truths(report.model, portion)
        report.n_truths += result.n_stored
        report.n_truths_unchanged += result.n_unchanged
        for one in result.results:
            if one.status == "refused":
                name = mapping.truth.path.name if mapping.truth else ""
                report.add_problem(Problem(name, first + one.index + 1, one.code or "refused", one.message or ""))
        on_progress("storing outcomes", first + len(portion), len(wanted))


def check_not_empty(paths: Sequence[Path]) -> None:
    """Raise Invalid when nothing was given."""
    if not paths:
        raise Invalid("give at least one file, or --images DIR")
