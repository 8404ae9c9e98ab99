"""`soi sql`: DuckDB with read-only views over everything that was logged and decided."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from backend.commands.context import Failed, opened, settings_of, stderr, stdout

if TYPE_CHECKING:
    import duckdb

_MAX_SHOWN = 200


def sql(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="The query; without one a prompt opens.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Answer as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON lines.")] = False,
    days: Annotated[int, typer.Option(min=1, help="Predictions of the last so many days.")] = 3650,
) -> None:
    """Ask DuckDB about predictions, decisions, ground_truth, review_tasks and rollups (read-only)."""
    from backend.commands.views import open_views

    settings = settings_of(ctx)
    with opened(settings) as database, open_views(database, settings, days=days) as connection:
        if query:
            _answer(connection, query, as_csv, as_json)
            return
        _prompt(connection, as_csv, as_json)


def _prompt(connection: duckdb.DuckDBPyConnection, as_csv: bool, as_json: bool) -> None:
    console = stdout()
    if sys.stdin.isatty():
        console.print("Views: " + ", ".join(_views(connection)) + ". End with Ctrl-D.")
    while True:
        try:
            line = input("soi> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if line.strip().rstrip(";").lower() in ("exit", "quit", "\\q"):
            return
        if line.strip():
            try:
                _answer(connection, line, as_csv, as_json)
            except Failed as error:
                stderr().print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)


def _views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()]


def _answer(connection: duckdb.DuckDBPyConnection, query: str, as_csv: bool, as_json: bool) -> None:
    import duckdb

    try:
        _refuse_changes(connection, query)
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or []]
        if as_csv:
            _write_csv(cursor, names)
        elif as_json:
            _write_json(cursor, names)
        else:
            _write_table(cursor, names)
    except duckdb.Error as error:
        raise Failed(str(error).strip().split("\n")[0]) from error


def _refuse_changes(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Only questions are answered: nothing may write, not even into the lake's own folder."""
    import duckdb

    allowed = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.RELATION)
    for statement in connection.extract_statements(query):
        if statement.type not in allowed:
            raise Failed(f"only queries are answered here, and this is {statement.type.name}")


def _write_table(cursor: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    rows = cursor.fetchmany(_MAX_SHOWN + 1)
    table = Table(*names, header_style="bold")
    for row in rows[:_MAX_SHOWN]:
        table.add_row(*(escape(_shown(value)) for value in row))
    stdout().print(table)
    if len(rows) > _MAX_SHOWN:
        stderr().print(f"the first {_MAX_SHOWN} rows; --csv and --json give all")


def _write_csv(cursor: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    while rows := cursor.fetchmany(10_000):
        writer.writerows([[_cell(value) for value in row] for row in rows])


def _write_json(cursor: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    while rows := cursor.fetchmany(10_000):
        for row in rows:
            sys.stdout.write(orjson.dumps(dict(zip(names, row, strict=True)), default=str).decode() + "\n")


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, datetime):
        return value.isoformat()
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
