"""`soi drift reference`: freeze training data or a window of logged events from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from backend.client import Client
from backend.commands.context import Failed, opened, settings_of, stdout
from backend.commands.registry import OPERATOR
from backend.drift.schemas import ReferenceCreate, ReferenceOut
from backend.settings import Settings

app = typer.Typer(help="Drift.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Drift."""


@app.command("reference")
def reference(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Training data, CSV or Parquet; none: logged events.")] = None,
    model: Annotated[str, typer.Option(help="The model's name.")] = "",
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    start: Annotated[datetime | None, typer.Option(help="Events from then on (UTC).")] = None,
    end: Annotated[datetime | None, typer.Option(help="Events before then (UTC).")] = None,
    weeks: Annotated[int | None, typer.Option(min=1, max=12, help="Follow the same hours of past weeks.")] = None,
    keep_current: Annotated[bool, typer.Option("--keep-current", help="Do not compare with it yet.")] = False,
    url: Annotated[str, typer.Option(help="Send to this running Soi, not to the database.")] = "",
    key: Annotated[str, typer.Option(help="API key for --url.", envvar="SOI_KEY")] = "",
) -> None:
    """Freeze a reference: a file of training data, a window of logged events, or the same hours of past weeks."""
    if not model:
        raise Failed("say which model it is for: --model NAME")
    if file is not None and not file.is_file():
        raise Failed(f"there is no file {file}")
    wish = None if file is not None else _wish(model, name, start, end, weeks, make_current=not keep_current)
    if url:
        made = _send(url, key, model, file, name, wish, make_current=not keep_current)
    else:
        made = _write(settings_of(ctx), model, file, name, wish, make_current=not keep_current)
    state = "ready" if made.state == "ready" else "the worker counts the history on it now"
    stdout().print(
        f"reference {made.number} ({made.name}): {made.n_rows:,} rows, {len(made.features)} features; {state}"
    )


def _wish(
    model: str, name: str | None, start: datetime | None, end: datetime | None, weeks: int | None, *, make_current: bool
) -> ReferenceCreate:
    if weeks is not None:
        return ReferenceCreate(model=model, name=name, kind="weeks", weeks=weeks, make_current=make_current)
    if start is None or end is None:
        raise Failed("give a file, or --start and --end, or --weeks")
    begun, ended = (at.replace(tzinfo=UTC) if at.tzinfo is None else at for at in (start, end))
    return ReferenceCreate(model=model, name=name, start=begun, end=ended, make_current=make_current)


def _send(
    url: str,
    key: str,
    model: str,
    file: Path | None,
    name: str | None,
    wish: ReferenceCreate | None,
    *,
    make_current: bool,
) -> ReferenceOut:
    with Client(url, key or None, timeout_s=300) as client:
        if wish is not None:
            return client.drift.create_reference(wish)
        assert file is not None
        return client.drift.upload_reference(model, file, name=name, make_current=make_current)


def _write(
    settings: Settings,
    model: str,
    file: Path | None,
    name: str | None,
    wish: ReferenceCreate | None,
    *,
    make_current: bool,
) -> ReferenceOut:
    from backend.drift.references import create_from_file, create_from_log, read_reference
    from backend.models.service import require_model
    from db.base import utc_now
    from db.eventlog.log import EventLog

    with opened(settings) as database:
        eventlog = EventLog(database, settings.lake_uri)
        with database.read() as session:
            found = require_model(session, OPERATOR, model)
        if wish is not None:
            made = create_from_log(database, eventlog, OPERATOR.actor, found, wish, utc_now())
        else:
            assert file is not None
            made = create_from_file(
                database,
                eventlog,
                OPERATOR.actor,
                found,
                file,
                name=name,
                file_name=file.name,
                make_current=make_current,
            )
        eventlog.close()
        return read_reference(made, found)
