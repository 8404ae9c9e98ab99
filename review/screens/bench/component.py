"""Registers the bench with Streamlit, once per process, and turns a model and a person into the data it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
NAME: Final = "soi.bench"
#: A module after those it imports. Streamlit takes one script from a blob, where relative imports lead nowhere.
MODULES: Final = (
    "api",
    "journal",
    "sender",
    "images",
    "queue",
    "keys",
    "view",
    "boxes",
    "text",
    "viewer",
    "finding",
    "dialog",
    "help",
    "wer",
    "range",
    "sound",
    "sheet",
    "session",
    "outbox",
    "parts",
    "tools",
    "image_face",
    "table_face",
    "text_face",
    "audio_face",
    "choices",
    "writing",
    "screen",
    "verbs",
    "bench",
)
_IMPORT: Final = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?:default )?((?:async )?function|class|const) (\w+)", re.MULTILINE)


@cache
def script() -> str:
    """All modules as one: each in a scope of its own, so that their inner names do not meet."""
    return "\n".join([*(_scoped(name) for name in MODULES), "export default bench_js.mount;"])


def _scoped(name: str) -> str:
    source = read(f"{name}.js")
    exported = ", ".join(match.group(2) for match in _EXPORT.finditer(source))
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const \1 = \2_js;", source))
    return f"const {name}_js = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


@cache
def read(name: str) -> str:
    """A file of the bench."""
    return (FOLDER / name).read_text(encoding="utf-8")


def register() -> Any:
    """The mounting command; call once, at import of the screen's module."""
    import streamlit as st

    return st.components.v2.component(NAME, html=read("bench.html"), css=read("bench.css"), js=script())


def strings(catalogue: Mapping[str, str]) -> dict[str, str]:
    """The bench's own texts, keys without the area's name, placeholders left for the browser to fill."""
    return {key.removeprefix("bench."): text for key, text in catalogue.items() if key.startswith("bench.")}


def shape(model: Any) -> dict[str, Any]:
    """A model as the bench needs it. `answer` is "text" or "number" where people write instead of choosing a class."""
    found = labels(model.labels)
    written = {"number": "number", "text": "text"}.get(model.output_kind, None if found else "text")
    names = {"name": model.name, "title": model.shown}
    return {**names, "kind": model.item_kind, "answer": written, "labels": [] if written else found}


def labels(found: Sequence[Any]) -> list[dict[str, Any]]:
    """Labels as the bench shows them; those without a digit get the first free one, in their order."""
    taken = {str(label.key) for label in found if label.key is not None}
    free = iter([digit for digit in "1234567890" if digit not in taken])
    return [
        {
            "name": label.name,
            "title": label.shown,
            "is_defect": label.is_defect,
            "key": str(label.key) if label.key is not None else next(free, None),
        }
        for label in found
    ]
