"""`soi settings`: every setting with its value, default and meaning."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import SecretStr
from rich.table import Table

from backend.commands.context import settings_of, stdout
from backend.settings import Settings


def show(
    ctx: typer.Context,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for documents.")] = False,
) -> None:
    """List every setting with its value now, its default and what it means."""
    if markdown:
        typer.echo(as_markdown())
        return
    settings = settings_of(ctx)
    table = Table("variable", "value", "default", "meaning", header_style="bold")
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = ("set" if value else "") if isinstance(value, SecretStr) else str(value if value is not None else "")
        table.add_row(f"SOI_{name.upper()}", shown, _default(name), field.description or "")
    stdout().print(table)


def as_markdown() -> str:
    """The table of all settings for documents: no value of this machine is in it."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `SOI_{name.upper()}` | `{_default(name)}` | {field.description or ''} |")
    return "\n".join(lines)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    return '""' if default in ("", None) else str(default)
