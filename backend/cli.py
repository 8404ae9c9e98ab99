"""The `soi` command: every verb lives in backend.commands; here they are only listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.commands import (
    data,
    database,
    demo,
    doctor,
    drift,
    people,
    pipelines,
    query,
    registry,
    report,
    serve,
    settings,
)
from backend.commands.context import OneLineErrors

app = typer.Typer(
    name="soi",
    cls=OneLineErrors,
    help="Soi: monitoring and human review for AI models that work beside people.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _root(
    ctx: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of database and files (SOI_DATA_DIR).")] = None,
) -> None:
    """Options of every command."""
    ctx.obj = {"data_dir": data_dir} if data_dir is not None else {}


app.command("demo")(demo.demo)
app.command("up")(serve.up)
app.command("api")(serve.api)
app.command("app")(serve.app)
app.command("worker")(serve.worker)
app.add_typer(database.app, name="db")
app.add_typer(people.user_app, name="user")
app.add_typer(people.key_app, name="key")
app.add_typer(registry.app, name="model")
app.add_typer(pipelines.app, name="pipeline")
app.add_typer(drift.app, name="drift")
app.command("import")(data.import_history)
app.command("export")(data.export)
app.command("report")(report.write_report)
app.command("sql")(query.sql)
app.command("settings")(settings.show)
app.command("doctor")(doctor.run)


def main() -> None:
    """The entry of the console script."""
    app()


if __name__ == "__main__":
    main()
