"""What every command shares: the settings, the terminal, and errors as one clear line instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from backend.errors import SoiError
from backend.settings import Settings
from backend.transport import ApiError
from db.engine import Database, StorageNotDurable
from db.eventlog.problems import LogUnavailable


class Failed(Exception):
    """A command cannot go on; the message is all that the person sees."""


_TOLD = (Failed, SoiError, ApiError, SQLAlchemyError, StorageNotDurable, LogUnavailable, ValidationError, OSError)


class OneLineErrors(TyperGroup):
    """The root of the command line: what goes wrong is told in one line, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except _TOLD as error:
            stderr().print(f"[red]error:[/] {escape(describe(error))}", soft_wrap=True)
            raise typer.Exit(1) from None


def describe(error: Exception) -> str:
    """One line for a person: what went wrong, and where it is known what to do, that."""
    if isinstance(error, ValidationError):
        problems = [f"{'.'.join(str(p) for p in item['loc']) or 'settings'}: {item['msg']}" for item in error.errors()]
        return "; ".join(problems)
    if isinstance(error, SQLAlchemyError):
        text = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        if "no such table" in text or "does not exist" in text:
            return f"the database is not prepared ({text}): run `soi db upgrade`"
        return f"the database did not answer: {text}"
    text = getattr(error, "message", None) or str(error)
    if isinstance(error, (SoiError, ApiError)) and error.details.get("problems"):
        first = error.details["problems"][0]
        text += f" ({first.get('pointer', '')}: {first.get('message', '')})"
    return " ".join(text.split()) or type(error).__name__


def stdout() -> Console:
    """The terminal (made anew, so that redirected output is found)."""
    return Console(file=sys.stdout, highlight=False)


def stderr() -> Console:
    return Console(file=sys.stderr, highlight=False)


def settings_of(ctx: typer.Context, **changes: Any) -> Settings:
    """The settings from the environment, with the root options and this command's own on top."""
    given = {**(ctx.find_root().obj or {}), **{name: value for name, value in changes.items() if value is not None}}
    return Settings(**given)


@contextmanager
def opened(settings: Settings, *, upgrade: bool = False) -> Iterator[Database]:
    """The database of these settings; an embedded one that does not exist is an error unless it is prepared here."""
    from db.migrations import runner

    if not upgrade:
        refuse_missing(settings)
    database = Database(settings.database_url)
    try:
        if upgrade:
            runner.upgrade(database)
        yield database
    finally:
        database.dispose()


def refuse_missing(settings: Settings) -> None:
    """An embedded database that was never made is told plainly instead of being made empty by accident."""
    path = embedded_file(settings)
    if path is not None and not path.exists():
        raise Failed(f"there is no database at {path}: run `soi db upgrade` or `soi up` first, or set SOI_DATA_DIR")


def embedded_file(settings: Settings) -> Path | None:
    """The file of the embedded database, None with a server."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


class _Steps(Progress):
    """A progress display that names each step on a line of its own where the output is no terminal."""

    def add_task(self, description: str, *arguments: Any, **fields: Any) -> TaskID:
        if not self.console.is_terminal:
            self.console.print(f"{description} ...", soft_wrap=True)
        return super().add_task(description, *arguments, **fields)


def progress(console: Console | None = None) -> Progress:
    """A progress display for long work; where the output is no terminal, the name of each step as it begins."""
    return _Steps(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console or stderr(),
        transient=False,
    )
