"""`soi db`: the migration chain."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.commands.context import opened, settings_of, stdout
from db.migrations import runner

app = typer.Typer(help="The database and its migrations.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The database and its migrations."""


@app.command()
def upgrade(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="The revision to go to.")] = "head",
) -> None:
    """Make the database, or bring it up to date. Safe to run from several places at once."""
    settings = settings_of(ctx)
    with opened(settings, upgrade=revision == "head") as database:
        if revision != "head":
            runner.upgrade(database, revision)
        database.check_durability()
        stdout().print(f"database at revision {runner.current(database)}")
