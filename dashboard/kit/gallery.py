"""Thumbnails of items, fetched lazily by the browser from our own origin with the person's cookie. Data reaches the
page as text and never as markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.kit import session
from dashboard.kit.text import t

_FRONTEND: Final = Path(__file__).parent / "frontend"
_gallery = st.components.v2.component(
    "soi_gallery",
    html='<div class="gallery"></div>',
    css=(_FRONTEND / "gallery.css").read_text(encoding="utf-8"),
    js=(_FRONTEND / "gallery.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture: `lines` are (name, value) pairs below it, an empty name shows the value alone."""

    id: str
    sha256: str | None
    alt: str
    lines: Sequence[tuple[str, str]] = field(default_factory=tuple)


def gallery(items: Sequence[Item], *, key: str, chosen: str | None = None) -> str | None:
    """Draws the pictures; returns the id of one that was clicked just now."""
    sent = [
        {
            "id": item.id,
            "sha": item.sha256,
            "alt": item.alt,
            "isChosen": item.id == chosen,
            "lines": [{"name": name, "value": value} for name, value in item.lines],
        }
        for item in items
    ]
    data = {"items": sent, "noPicture": t("common.no_picture"), "canSeePictures": session.may("artifacts:read")}
    result = _gallery(key=key, data=data, on_opened_change=lambda: None)
    opened: str | None = result.opened
    return opened


def picture(sha256: str | None, caption: str) -> None:
    """One stored picture in full, if the person may see it."""
    if not sha256 or not session.may("artifacts:read"):
        return
    st.image(f"{_origin()}/v1/artifacts/{sha256}", caption=caption, width="stretch", alt=caption)


def sound(sha256: str | None, caption: str) -> None:
    """One stored sound to be listened to, if the person may."""
    if not sha256 or not session.may("artifacts:read"):
        return
    st.caption(caption)
    st.audio(f"{_origin()}/v1/artifacts/{sha256}", alt=caption)


def _origin() -> str:
    scheme, _, rest = (st.context.url or "").partition("://")
    return f"{scheme}://{rest.split('/')[0]}"
