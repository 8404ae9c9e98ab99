"""`soi demo`: a month of an inspection line to look at, or the whole loop on a folder of real board images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.commands.context import Failed, settings_of, stdout
from backend.demo.explain import explain

_DAYS = 30


def demo(
    ctx: typer.Context,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Prepare the data and end.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away the data folder and build it again.")] = False,
    only_explain: Annotated[bool, typer.Option("--explain", help="Say what is planted, and end.")] = False,
    days: Annotated[int, typer.Option(min=3, max=90, help="Days of history.")] = _DAYS,
    boards: Annotated[int, typer.Option(min=20, help="Boards inspected on a working day.")] = 1_800,
    seed: Annotated[int, typer.Option(help="Another seed gives another month.")] = 7,
    images: Annotated[Path | None, typer.Option(help="Run the loop on this folder of board pairs instead.")] = None,
    train: Annotated[str, typer.Option(help="Groups to train on, with --images.")] = "",
    traffic: Annotated[str, typer.Option(help="Group that becomes new traffic, with --images.")] = "",
) -> None:
    """Build a month of history for a demonstration line, then serve it; a second run opens what is there."""
    if only_explain:
        stdout().print(explain(days))
        return
    settings = settings_of(ctx)
    if images is not None:
        from backend.demo.real import run_real

        if not train or not traffic:
            raise Failed("--images needs --train GROUP,GROUP and --traffic GROUP")
        run_real(settings, images, [part.strip() for part in train.split(",")], traffic.strip(), stdout())
        return
    from backend.demo.build import DemoSize, build_demo, is_built, is_unfinished, throw_away

    if fresh or is_unfinished(settings):
        throw_away(settings)
    if is_built(settings):
        stdout().print(f"opening the demonstration in {settings.data_dir} (--fresh builds it anew)", soft_wrap=True)
    else:
        build_demo(settings, DemoSize(days=days, boards_per_day=boards, seed=seed), stdout())
    if not no_serve:
        from backend.commands.serve import serve_all

        serve_all(settings)
