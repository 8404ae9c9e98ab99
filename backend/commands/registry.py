"""`soi model add`: register a model from flags or a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from backend.auth.rules import Principal
from backend.commands.context import Failed, opened, settings_of, stdout
from backend.models.schemas import ModelCreate
from backend.models.service import create_model

app = typer.Typer(help="Models.", no_args_is_help=True)
#: Who acts when a command works on the database itself.
OPERATOR = Principal(kind="user", id="command-line", name="command line", role="admin")


@app.callback()
def _group() -> None:
    """Models."""


@app.command("add")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The model's name in addresses, like pcb-inspection.")] = "",
    item_kind: Annotated[str | None, typer.Option("--kind", help="image, text, audio or tabular.")] = None,
    output_kind: Annotated[str | None, typer.Option("--output", help="label, number, text or json.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="A label; repeat. A trailing ! marks a defect.")] = None,
    input_field: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME:TYPE; types: number, integer, boolean, string, time."),
    ] = None,
    segment: Annotated[list[str] | None, typer.Option(help="A segment key; repeat for more.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A YAML file with the same fields as the API.")] = None,
) -> None:
    """Register a model."""
    fields = fields_of_file(file, "model") if file else {}
    if name:
        fields["name"] = name
    if item_kind or "item_kind" not in fields:
        fields["item_kind"] = item_kind or "tabular"
    if output_kind:
        fields["output_kind"] = output_kind
    if label:
        fields["labels"] = [{"name": text.rstrip("!"), "is_defect": text.endswith("!")} for text in label]
    if input_field:
        fields["inputs"] = [_input(text) for text in input_field]
    if segment:
        fields["segment_keys"] = segment
    wish = ModelCreate.model_validate(fields)
    with opened(settings_of(ctx)) as database, database.write() as session:
        create_model(session, OPERATOR, wish)
    stdout().print(f"registered the model {wish.name}")


def fields_of_file(path: Path, what: str) -> dict[str, Any]:
    """The fields that a YAML file holds."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Failed(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict):
        raise Failed(f"{path} must hold the fields of one {what}")
    return loaded


def _input(text: str) -> dict[str, str]:
    name, _, kind = text.partition(":")
    return {"name": name, "type": kind or "number"}
