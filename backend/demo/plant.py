"""The demonstration's registry: the model, its versions and the history of who answered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backend.artifacts.model_files import TORCHSCRIPT
from backend.auth.rules import Principal
from backend.demo.defects import DEFECTS
from backend.demo.story import LOCATOR, LOCATOR_INPUTS, MODEL, PIPELINE, Story
from backend.models.schemas import ModelCreate
from backend.models.service import create_model
from backend.pipelines.schemas import PipelineCreate, StepIn
from backend.pipelines.service import create_pipeline
from db.artifact_store import ArtifactStore
from db.engine import WriteSession
from db.models.model import Artifact, Model, ModelVersion, Rollout
from db.repositories import artifacts, audit, model_versions, rollouts

_TITLES = {
    "ok": ("OK", "Đạt"),
    "open": ("Open circuit", "Hở mạch"),
    "short": ("Short circuit", "Chập mạch"),
    "mouse_bite": ("Mouse bite", "Khuyết cạnh"),
    "spur": ("Spur", "Gai đồng"),
    "spurious_copper": ("Spurious copper", "Đồng thừa"),
    "pin_hole": ("Pin-hole", "Lỗ kim"),
}


#: Three in ten of all pictured boards is looked at by chance, and one in three of those by two people.
_POLICY = {
    "epsilon": 0.3,
    "second_opinion_share": 0.3,
    "low_score": 0.32,
    "rates": {"low_confidence": 0.5},
    "gold_share": 0.05,
    "min_agreement": 0.7,
    "agreement_days": 30,
}


_RANGES = {
    "brightness": (20, 220),
    "contrast": (8, 90),
    "exposure_ms": (7, 9),
    "temperature_c": (15, 34),
    "belt_speed": (0.3, 0.7),
}


def _number(name: str) -> dict[str, Any]:
    low, high = _RANGES[name]
    return {"name": name, "type": "number", "minimum": low, "maximum": high}


def label_fields() -> list[dict[str, Any]]:
    """The seven labels with their titles and keys; 0 is OK."""
    order = ("ok", *DEFECTS)
    return [
        {
            "name": name,
            "title": {"en": _TITLES[name][0], "vi": _TITLES[name][1]},
            "is_defect": name != "ok",
            "key": str(place),
        }
        for place, name in enumerate(order)
    ]


def make_model(session: WriteSession, me: Principal, story: Story) -> Model:
    """The inspection model, as old as the story."""
    wish = ModelCreate.model_validate(
        {
            "name": MODEL,
            "title": {"en": "Circuit board inspection", "vi": "Kiểm tra bo mạch"},
            "item_kind": "image",
            "output_kind": "label",
            "labels": label_fields(),
            "inputs": [_number(name) for name in _RANGES],
            "metrics": ["focus"],
            "segment_keys": ["line", "shift", "board"],
            "settings": {"review_policy": _POLICY},
        }
    )
    model = create_model(session, me, wish)
    model.created_at = story.start - timedelta(days=3)
    session.flush()
    return model


def make_pipeline(session: WriteSession, me: Principal, story: Story) -> Model:
    """The step that finds the board in its picture, and the chain of it and the inspection."""
    wish = ModelCreate.model_validate(
        {
            "name": LOCATOR,
            "title": {"en": "Board locator", "vi": "Định vị bo mạch"},
            "item_kind": "tabular",
            "output_kind": "number",
            "inputs": [_number(name) for name in LOCATOR_INPUTS],
            "segment_keys": ["line"],
            "settings": {"review_policy": {"is_enabled": False}},
        }
    )
    locator = create_model(session, me, wish)
    locator.created_at = story.tracing_start - timedelta(days=1)
    version = ModelVersion(
        model_id=locator.id,
        name="3.2",
        kind="external",
        notes="finds the board in its picture",
        created_by=me.actor,
        created_at=locator.created_at,
    )
    model_versions.add_version(session, version)
    rollouts.add_rollout(
        session,
        Rollout(
            model_id=locator.id,
            champion="3.2",
            reason="in use on every line",
            created_by=me.actor,
            created_at=story.tracing_start - timedelta(days=1),
        ),
    )
    steps = [StepIn(name="locator", model=LOCATOR), StepIn(name="inspection", model=MODEL)]
    title = {"en": "Board line", "vi": "Dây chuyền bo mạch"}
    create_pipeline(session, me, PipelineCreate(name=PIPELINE, title=title, steps=steps))
    return locator


def add_model_file(session: WriteSession, store: ArtifactStore, data: bytes) -> str:
    """Keep a TorchScript file as an artifact."""
    sha256 = store.put(data)
    artifacts.add_artifact(
        session,
        Artifact(sha256=sha256, kind="model", media_type=TORCHSCRIPT, n_bytes=len(data), created_by="demo"),
    )
    return sha256


def add_versions(
    session: WriteSession, store: ArtifactStore, model: Model, me: Principal, story: Story, first: Any, second: Any
) -> None:
    """1.0, 1.1 (the same network in another runtime) and 2.0; `first` and `second` are training results."""
    begun, _ = story.slow_release
    old = add_model_file(session, store, first.torchscript)
    new = add_model_file(session, store, second.torchscript)
    parents: dict[str, str] = {}
    rows = (
        ("1.0", old, first, story.start - timedelta(days=2), "first network of the line", None),
        ("2.0", new, second, story.shadow_start - timedelta(hours=4), "more boards, more light", "1.0"),
        ("1.1", old, first, begun - timedelta(hours=3), "1.0 in a new runtime", "1.0"),
    )
    for name, sha256, result, at, notes, parent in rows:
        version = ModelVersion(
            model_id=model.id,
            name=name,
            kind="torchscript",
            artifact_sha256=sha256,
            signature=result.signature,
            metrics=result.metrics,
            notes=notes,
            parent_id=parents.get(parent or ""),
            created_by=me.actor,
            created_at=at,
        )
        parents[name] = model_versions.add_version(session, version).id


def add_rollouts(session: WriteSession, model: Model, me: Principal, story: Story) -> None:
    """Who answered, with the reason of every change."""
    begun, ended = story.slow_release
    shadow = [{"version": "2.0", "mode": "shadow", "share": 1.0, "segments": None}]
    rows: tuple[tuple[datetime, str, list[dict[str, Any]], str], ...] = (
        (story.start - timedelta(days=1), "1.0", [], "first version on the line"),
        (story.shadow_start, "1.0", shadow, "2.0 answers in shadow to be compared"),
        (begun, "1.1", shadow, "new runtime"),
        (ended, "1.0", shadow, "1.1 answers twice as slowly: rolled back"),
    )
    for at, champion, challengers, reason in rows:
        row = Rollout(
            model_id=model.id,
            champion=champion,
            challengers=challengers,
            automation_level="shadow",
            reason=reason,
            created_by=me.actor,
            created_at=at,
        )
        rollouts.add_rollout(session, row)
        details = {"rollout": row.id, "champion": champion}
        audit.record(session, me.actor, "rollout.created", f"model:{model.name}", details, reason)
