"""`soi pipeline add`: register a pipeline from flags or a YAML file; `soi pipeline list` shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.commands.context import Failed, opened, settings_of, stdout
from backend.commands.registry import OPERATOR, fields_of_file
from backend.pipelines.schemas import PipelineCreate
from backend.pipelines.service import create_pipeline, list_chains

app = typer.Typer(help="Pipelines.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Pipelines."""


@app.command("add")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The pipeline's name in addresses, like speech.")] = "",
    step: Annotated[list[str] | None, typer.Option(help="STEP=MODEL, in order; repeat for each step.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="A service.name that sends its spans; repeat.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A YAML file with the same fields as the API.")] = None,
) -> None:
    """Register a pipeline."""
    fields = fields_of_file(file, "pipeline") if file else {}
    if name:
        fields["name"] = name
    if step:
        fields["steps"] = [_step(text) for text in step]
    if service:
        fields["services"] = service
    wish = PipelineCreate.model_validate(fields)
    with opened(settings_of(ctx)) as database, database.write() as session:
        create_pipeline(session, OPERATOR, wish)
    stdout().print(f"registered the pipeline {wish.name}: {' -> '.join(one.name for one in wish.steps)}", markup=False)


@app.command("list")
def show(ctx: typer.Context) -> None:
    """List pipelines with their steps and models."""
    with opened(settings_of(ctx)) as database, database.read() as session:
        for chain in list_chains(session, OPERATOR):
            steps = " -> ".join(f"{one.name} ({one.model})" for one in chain.steps)
            stdout().print(f"{chain.pipeline.name}: {steps}", markup=False)


def _step(text: str) -> dict[str, str]:
    name, equals, model = text.rpartition("=")
    if not equals:
        raise Failed(f"{text!r} is no step: write STEP=MODEL")
    return {"name": name, "model": model}
