"""`soi import` and `soi export`: history in, labelled data out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from backend.commands.context import Failed, opened, progress, settings_of, stderr, stdout
from backend.commands.registry import OPERATOR
from backend.settings import Settings

if TYPE_CHECKING:
    from rich.progress import TaskID

    from backend.imports.load import ImportReport
    from backend.imports.mapping import Mapping
    from backend.imports.sinks import Sink

Columns = list[str] | None


def import_history(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="CSV, TSV or Parquet files.")] = None,
    model: Annotated[str, typer.Option(help="The model's name.")] = "",
    version: Annotated[str | None, typer.Option(help="The version that made the predictions.")] = None,
    version_column: Annotated[str | None, typer.Option(help="Column with the version.")] = None,
    role: Annotated[str | None, typer.Option(help="champion, shadow, canary, ab or external.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the time.")] = None,
    time_format: Annotated[str | None, typer.Option(help="strptime format of the time.")] = None,
    zone: Annotated[str | None, typer.Option(help="Zone of times without one, like Asia/Ho_Chi_Minh.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Time of the first row, where there is no time.")] = None,
    step: Annotated[float | None, typer.Option(help="Seconds between rows, with --start.")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column with the id of the thing judged.")] = None,
    prediction: Annotated[str | None, typer.Option(help="Column with the answer.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with the score.")] = None,
    latency: Annotated[str | None, typer.Option(help="Column with the latency in milliseconds.")] = None,
    segment: Annotated[Columns, typer.Option(help="A segment column; repeat for more.")] = None,
    input_column: Annotated[Columns, typer.Option("--input", help="An input; without any, all others.")] = None,
    ignore: Annotated[Columns, typer.Option(help="A column to leave out; repeat for more.")] = None,
    truth: Annotated[str | None, typer.Option(help="Outcomes as FILE:ID:LABEL.")] = None,
    mapping_file: Annotated[Path | None, typer.Option("--mapping", help="A YAML file with the same names.")] = None,
    images: Annotated[Path | None, typer.Option(help="A folder of images with a manifest.csv.")] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the model when there is none.")] = False,
    url: Annotated[str, typer.Option(help="Send to this running Soi, not to the database.")] = "",
    key: Annotated[str, typer.Option(help="API key for --url.", envvar="SOI_KEY")] = "",
) -> None:
    """Import history from CSV or Parquet files, or a folder of images; running it again counts nothing twice."""
    from backend.imports.load import check_not_empty, import_files  # every command would carry their readers
    from backend.imports.mapping import TruthFile

    given = {
        "model": model or None,
        "version": version,
        "version_column": version_column,
        "role": role,
        "time": time,
        "time_format": time_format,
        "zone": zone,
        "start": start,
        "step_s": step,
        "id": id_column,
        "prediction": prediction,
        "score": score,
        "latency": latency,
        "segments": segment or None,
        "inputs": input_column or None,
        "ignore": ignore or None,
        "truth": TruthFile.parse(truth) if truth else None,
    }
    mapping = _mapping(mapping_file, {name: value for name, value in given.items() if value is not None})
    with _sink(settings_of(ctx), url, key) as sink, progress() as bar:
        shown: dict[str, TaskID] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in shown:
                shown[label] = bar.add_task(label, total=total)
            bar.update(shown[label], completed=done, total=total)

        if images is not None:
            from backend.imports.images import import_images

            report = import_images(images, mapping, sink, on_progress=show)
        else:
            check_not_empty(files or [])
            report = import_files(files or [], mapping, sink, create=create, on_progress=show)
    _tell(report)


def _mapping(file: Path | None, given: dict[str, Any]) -> Mapping:
    from backend.imports.mapping import make_mapping, read_mapping

    mapping = read_mapping(file, **given) if file else None
    if mapping is None:
        if "model" not in given:
            raise Failed("say which model the history belongs to: --model NAME")
        mapping = make_mapping(**given)
    return mapping


@contextmanager
def _sink(settings: Settings, url: str, key: str) -> Iterator[Sink]:
    from backend.imports.sinks import ApiSink, DatabaseSink

    if url:
        from backend.client import Client

        with Client(url, key or None, timeout_s=60) as client:
            yield ApiSink(client)
        return
    from backend.services import door_limits
    from db.artifact_store import ArtifactStore
    from db.eventlog.log import EventLog

    with opened(settings) as database:
        eventlog = EventLog(database, settings.lake_uri, limits=door_limits(settings))
        eventlog.start()
        try:
            yield DatabaseSink(database, eventlog, OPERATOR, ArtifactStore(settings.artifacts_uri), settings)
        finally:
            eventlog.close()


def _tell(report: ImportReport) -> None:
    console = stdout()
    made = " (new)" if report.is_model_new else ""
    console.print(
        f"{report.model}{made}: {report.n_rows:,} rows read, {report.n_new:,} stored, "
        f"{report.n_duplicates:,} known already, {sum(report.n_problems.values()):,} not taken"
    )
    if report.n_truths or report.n_truths_unchanged:
        console.print(f"outcomes: {report.n_truths:,} stored, {report.n_truths_unchanged:,} known already")
    errors = stderr()
    for problem in report.problems:
        errors.print(
            escape(f"{problem.file} row {problem.row}: {problem.message} ({problem.code})"),
            soft_wrap=True,
            style="yellow",
        )
    hidden = sum(report.n_problems.values()) - len(report.problems)
    if hidden > 0:
        errors.print(f"and {hidden:,} more; rows refused for their content are kept in the quarantine", style="yellow")


def export(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="The model's name.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; none: standard output.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="jsonl, csv or parquet.")] = "jsonl",
    start: Annotated[datetime | None, typer.Option(help="Labels resolved from then on.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Labels resolved before then.")] = None,
    label: Annotated[Columns, typer.Option(help="Only this label; repeat for more.")] = None,
    disagreements: Annotated[bool, typer.Option(help="Only where the model had said something else.")] = False,
) -> None:
    """Export labelled data as JSONL, CSV or Parquet; with -o a manifest is written beside the file."""
    from backend.labelled_data import service
    from backend.models.service import require_model
    from db.repositories.labelled_data import LabelFilter

    if file_format not in ("jsonl", "csv", "parquet"):
        raise Failed("the format is jsonl, csv or parquet")
    wanted = LabelFilter(start=_utc(start), end=_utc(end), labels=tuple(label or ()), disagreement_only=disagreements)
    with opened(settings_of(ctx)) as database:
        with database.read() as session:
            found = require_model(session, OPERATOR, model)
        pieces = service.export(database, found.id, wanted, file_format)  # type: ignore[arg-type]
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        part = output.with_name(output.name + ".part")
        with part.open("wb") as stream:
            for piece in pieces:
                stream.write(piece)
        part.replace(output)
        manifest = service.describe_export(database, model, found.id, wanted, file_format)  # type: ignore[arg-type]
    output.with_name(output.name + ".manifest.json").write_text(json.dumps(manifest, indent=2, default=str) + "\n")
    stdout().print(f"{manifest['n_items']:,} labelled items in {escape(str(output))}", soft_wrap=True)


def _utc(value: datetime | None) -> datetime | None:
    from datetime import UTC

    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
