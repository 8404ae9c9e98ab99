"""`soi report`: how a model is doing, as one HTML file for people who do not sign in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from backend.client import Client
from backend.commands.context import Failed, refuse_missing, settings_of, stderr, stdout
from backend.settings import Settings
from db.base import utc_now


def write_report(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="The model's name.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    language: Annotated[str, typer.Option(help="en or vi.")] = "",
    days: Annotated[int, typer.Option(min=1, max=92, help="How many days it tells of.")] = 7,
    end: Annotated[datetime | None, typer.Option(help="Up to this time; none: up to now.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of its times, like Asia/Ho_Chi_Minh.")] = "UTC",
    url: Annotated[str, typer.Option(help="Ask this running Soi, not the database.")] = "",
    key: Annotated[str, typer.Option(help="API key for --url (aggregates:read, models:read).", envvar="SOI_KEY")] = "",
) -> None:
    """Write a report of a model as one HTML file that needs no account, no script and no connection."""
    from backend.reports.rules import window_until

    settings = settings_of(ctx)
    language = language or settings.language
    if language not in ("en", "vi"):
        raise Failed("the language is en or vi")
    zone = _zone(timezone)
    until = utc_now() if end is None else end.replace(tzinfo=end.tzinfo or zone)
    first, last = window_until(until, days, timezone)
    with _client(settings, model, url, key) as client, _progress() as bar:
        task = bar.add_task(escape(model), total=1.0)
        build = import_module("dashboard.reports.build")
        facts = build.collect(
            client, model, first, last, timezone=timezone, tell=lambda share, _: bar.update(task, completed=share)
        )
        html: str = build.render(facts, language, timezone, address=url.rstrip("/") or settings.public_url)
        bar.update(task, completed=1.0)
    part = out.with_name(out.name + ".part")
    part.write_text(html, encoding="utf-8")
    part.replace(out)
    said = f"{escape(model)}: {facts.state}, {len(html.encode()):,} bytes in {escape(str(out))}"
    stdout().print(said, soft_wrap=True)


@contextmanager
def _client(settings: Settings, model: str, url: str, key: str) -> Iterator[Client]:
    if url:
        with Client(url, key or None, timeout_s=60) as client:
            yield client
        return
    from backend.reports.reading import reading_client

    refuse_missing(settings)
    with reading_client(settings, model) as client:
        yield client


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Failed(f"{name!r} is not a known time zone, such as Asia/Ho_Chi_Minh") from None


def _progress() -> Progress:
    """Shares of the work; quiet where the output is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TaskProgressColumn())
    return Progress(*columns, console=stderr())
