"""Stores one picture from inside the process: checked, stripped and thumbnailed as the upload route does it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.artifacts.images import CheckedImage, check_image
from db.artifact_store import ArtifactStore
from db.models.model import Artifact
from db.repositories import artifacts


def write_picture(store: ArtifactStore, data: bytes, max_pixels: int) -> tuple[str, CheckedImage]:
    """Check a picture and write its bytes and thumbnail; returns its SHA-256 and what was found."""
    checked = check_image(data, max_pixels)
    sha256 = store.put(checked.data)
    store.put_thumbnail(sha256, checked.thumbnail)
    return sha256, checked


def note_picture(session: Session, sha256: str, checked: CheckedImage, created_by: str) -> None:
    """The row that makes a written picture known."""
    artifacts.add_artifact(
        session,
        Artifact(
            sha256=sha256,
            kind="image",
            media_type=checked.media_type,
            n_bytes=len(checked.data),
            width=checked.width,
            height=checked.height,
            has_thumbnail=True,
            created_by=created_by,
        ),
    )
