"""Writes the reference pages (settings, routes, commands, measures, metrics) from the code: `python docs/reference.py`.

tests/docs checks that the pages are what this would write, and that nothing lacks a description.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

FOLDER = Path(__file__).parent / "reference"
#: Fields whose default is a path or is filled in from others; their page shows the rule, not a machine's value.
_EMPTY = '""'


def settings_page() -> str:
    """Every setting with its default and meaning."""
    from backend.settings import Settings

    lines = ["# Settings", "", "Environment variables; `soi settings` prints the same list.", ""]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _EMPTY if field.default in ("", None) else str(field.default)
        lines.append(f"| `SOI_{name.upper()}` | `{default}` | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def routes() -> list[tuple[str, str, str, str]]:
    """(methods, path, permission, first line of the description) of every route, from the app's own table."""
    from backend.main import api_routes, create_app, route_permissions
    from backend.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder)), ui=False)
        app.state.services.database.dispose()
    rows = []
    for route in api_routes(app):
        rows.append(
            (
                ",".join(sorted(route.methods)),
                route.path,
                ", ".join(route_permissions(route)) or "public",
                _first(route),
            )
        )
    return sorted(rows, key=lambda row: (row[1], row[0]))


def _first(route: APIRoute) -> str:
    return (route.description or "").strip().split("\n")[0]


def routes_page() -> str:
    """Every route with who may call it."""
    lines = ["# Routes", "", "All under the API's address. Send a session token or an API key as a bearer token.", ""]
    lines += ["| method | path | permission | what it does |", "|---|---|---|---|"]
    lines += [f"| {m} | `{path}` | {permission} | {text} |" for m, path, permission, text in routes()]
    return "\n".join(lines) + "\n"


def commands() -> Iterator[tuple[str, str]]:
    """(command, help) of every command of `soi`."""
    import click
    import typer.main

    from backend.cli import app

    def walk(command: object, name: str) -> Iterator[tuple[str, str]]:
        children = getattr(command, "commands", None)
        if children:
            for child_name in sorted(children):
                yield from walk(children[child_name], f"{name} {child_name}")
        else:
            assert isinstance(command, click.Command) or hasattr(command, "help")
            yield name, (getattr(command, "help", "") or "").strip().split("\n")[0]

    yield from walk(typer.main.get_command(app), "soi")


def commands_page() -> str:
    """Every command."""
    lines = ["# Commands", "", "`soi COMMAND --help` lists the options.", "", "| command | what it does |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in commands()]
    return "\n".join(lines) + "\n"


def measures() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, group, unit, bad direction, description) of every measure."""
    from dashboard.kit.text import reading_as, t
    from db.analytics.catalog import MEASURES, description_key

    with reading_as("en"):
        for measure in MEASURES:
            yield measure.name, measure.group, measure.unit, measure.bad, t(description_key(measure))


def measures_page() -> str:
    """Every measure of the catalogue."""
    lines = ["# Measures", "", "| measure | group | unit | bad when | meaning |", "|---|---|---|---|---|"]
    lines += [f"| `{name}` | {group} | {unit} | {bad} | {text} |" for name, group, unit, bad, text in measures()]
    return "\n".join(lines) + "\n"


def metrics() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, type, labels, where, help) of every figure for Prometheus, from the objects that count."""
    from prometheus_client import Counter, Gauge, Histogram

    from backend.inference import shadow
    from backend.status import metrics as api
    from backend.worker import metrics as worker
    from db.eventlog import metrics as door

    for module, where in ((door, "API"), (shadow, "API"), (api, "API"), (worker, "worker")):
        for found in vars(module).values():
            if isinstance(found, Counter | Gauge | Histogram):
                family = found.describe()[0]
                name = family.name + ("_total" if family.type == "counter" else "")
                yield name, family.type, ", ".join(found._labelnames), where, family.documentation
    yield "soi_database_up", "gauge", "", "API", "Whether the database answered when figures were asked for"
    for figure in api.FIGURES:
        yield figure.name, "gauge", ", ".join(figure.labels), "API", figure.help


def metrics_page() -> str:
    """Every figure for Prometheus."""
    lines = ["# Metrics for Prometheus", ""]
    lines += [
        "`GET /metrics` of the API needs an API key with the scope `metrics:read`. The worker answers on",
        "`SOI_WORKER_METRICS_PORT` (0: not at all): this machine without a key, others with one. Figures about the",
        "whole installation come from the API only; with several API processes take `max`. Beside these, both tell the",
        "usual figures of a Python process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, ...).",
        "",
        "| name | type | labels | from | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {kind} | {labels} | {where} | {text} |" for name, kind, labels, where, text in metrics()]
    return "\n".join(lines) + "\n"


PAGES = {
    "metrics.md": metrics_page,
    "settings.md": settings_page,
    "routes.md": routes_page,
    "commands.md": commands_page,
    "measures.md": measures_page,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
