"""Any screen as a file: a button in the side bar with which the browser writes down what is shown (frontend/save.js).
Called by app.py after every run, with what the screen's pickers said they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import streamlit as st

from dashboard.kit import text
from dashboard.kit.text import t

_FRONTEND: Final = Path(__file__).parent / "frontend"
_IMPORT: Final = re.compile(r"^import \{[^}]*\} from \"\./save_rules\.js\";$", re.MULTILINE)
_HTML: Final = """<button type="button"><svg width="18" height="18" viewBox="0 0 24 24" fill="none" aria-hidden="true"
stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"><path
d="M12 4v11m0 0 4-4m-4 4-4-4M5 20h14"/></svg><span class="label"></span></button><p role="status"></p>"""
TEXTS: Final = ("save", "help", "saving", "saved", "failed", "from", "made", "address")
_SHOWN: Final = "soi_shown"


def script() -> str:
    """Both modules as one: Streamlit takes a script from a blob, where relative imports lead nowhere."""
    rules = (_FRONTEND / "save_rules.js").read_text(encoding="utf-8").replace("export function", "function")
    rules = rules.replace("export const", "const")
    main = (_FRONTEND / "save.js").read_text(encoding="utf-8").replace("export async function", "async function")
    return rules + "\n" + _IMPORT.sub("", main)


_save = st.components.v2.component(
    "soi_save", html=_HTML, css=(_FRONTEND / "save.css").read_text(encoding="utf-8"), js=script()
)


def begin() -> None:
    """Nothing is shown yet; call at the start of every run."""
    st.session_state[_SHOWN] = {}


def note(name: str, value: str) -> None:
    """What the screen is about ("model", "window"), for the heading of a saved file."""
    st.session_state.setdefault(_SHOWN, {})[name] = value


def button() -> None:
    """The button, below what is in the side bar already."""
    shown = st.session_state.get(_SHOWN, {})
    texts = {
        name: t(f"saving.{name}") for name in ("save", "help", "saving", "saved", "failed", "from", "made", "address")
    }
    texts |= {"model": t("common.model"), "window": t("common.time_range")}
    data: dict[str, Any] = {
        "texts": texts,
        "language": text.language(),
        "timeZone": text.reader().timezone,
        "model": shown.get("model", ""),
        "window": shown.get("window", ""),
    }
    with st.sidebar, st.container(key="soi_save_screen"):
        _save(key="soi_save", data=data)
