"""Reads that screens share, kept for a few seconds. The cache belongs to the process, so the person and role are part
of every key: nobody is ever shown what another person was allowed to read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cachetools import TTLCache
from pydantic import BaseModel, ConfigDict, Field

from backend.client import Client
from dashboard.kit import session, text

Value = TypeVar("Value")

#: Long enough that the parts of one screen and a quick back-and-forth share an answer, short enough to feel live.
TTL_S = 8.0
#: For lists that change rarely, such as the versions and segment values that pickers offer.
SLOW_TTL_S = 60.0
_cache: TTLCache[Hashable, Any] = TTLCache(maxsize=2048, ttl=TTL_S)
_slow: TTLCache[Hashable, Any] = TTLCache(maxsize=512, ttl=SLOW_TTL_S)
_lock = threading.Lock()


def read(fetch: Callable[[Client], Value], *key: Hashable) -> Value:
    """What `fetch` answers for this person, at most TTL_S old. `key` names the call and all its arguments."""
    return _read(_cache, fetch, key)


def read_slow(fetch: Callable[[Client], Value], *key: Hashable) -> Value:
    """As `read`, but at most SLOW_TTL_S old."""
    return _read(_slow, fetch, key)


def _read(cache: TTLCache[Hashable, Any], fetch: Callable[[Client], Value], key: tuple[Hashable, ...]) -> Value:
    who = session.person()
    full = (who.id, who.role, *key)
    with _lock:
        if full in cache:
            found: Value = cache[full]
            return found
    value = fetch(session.client())
    with _lock:
        cache[full] = value
    return value


def forget() -> None:
    """Drop everything; call after a write, so that the next read shows it."""
    with _lock:
        _cache.clear()
        _slow.clear()


class Label(BaseModel):
    """One answer a model or a person can give."""

    model_config = ConfigDict(extra="ignore")

    name: str
    title: dict[str, str] = Field(default_factory=dict)
    is_defect: bool = False
    key: str | int | None = None

    @property
    def shown(self) -> str:
        """The label as the reader calls it."""
        return text.choose(self.title, self.name)


class ModelInfo(BaseModel):
    """What the screens need to know about a model."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    name: str
    title: dict[str, str] = Field(default_factory=dict)
    item_kind: str = "tabular"
    output_kind: str = "label"
    labels: list[Label] = Field(default_factory=list)
    inputs: list[dict[str, Any]] = Field(default_factory=list)
    segment_keys: list[str] = Field(default_factory=list)

    @property
    def shown(self) -> str:
        """The model as the reader calls it."""
        return text.choose(self.title, self.name)

    def label_shown(self, name: str | None) -> str:
        """A label of this model in the reader's language; unknown labels and no answer as they are."""
        if name is None:
            return text.t("common.no_answer")
        return next((label.shown for label in self.labels if label.name == name), name)


def models() -> list[ModelInfo]:
    """The models the person may see, by name."""
    found = read(_list_models, "models")
    return sorted(found, key=lambda model: model.name)


def _list_models(api: Client) -> list[ModelInfo]:
    answer = api.transport.request("GET", "/v1/models", params={"limit": 1000}).json()
    items = answer["items"] if isinstance(answer, dict) else answer
    return [ModelInfo.model_validate(item) for item in items]


def find_model(name: str) -> ModelInfo | None:
    """A model by name, if the person may see it."""
    return next((model for model in models() if model.name == name), None)


def versions(model: str) -> list[str]:
    """The names of a model's versions, newest first."""
    found = read_slow(lambda api: api.model_versions.list(model, limit=200), "versions", model)
    return [version.name for version in found]


def champion(model: str) -> str | None:
    """The version whose answers callers get now."""
    found = read(lambda api: api.rollouts.current(model), "champion", model)
    return found.champion if found else None


def segment_values(model: ModelInfo) -> list[str]:
    """What the model's segment keys held in the last 30 days, as "key=value"."""
    return read_slow(lambda api: _segment_values(api, model), "segment_values", model.name)


def _segment_values(api: Client, model: ModelInfo) -> list[str]:
    end = datetime.now(UTC)
    start = end - timedelta(days=30)
    found: list[str] = []
    for key in model.segment_keys:
        series = api.monitors.series(model.name, "requests", start, end, grain_s=86_400, split=f"segment:{key}")
        found.extend(f"{key}={line.name}" for line in series.lines)
    return sorted(found)
