"""Who answers for a model right now: the newest rollout with its versions, read at most every half second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cachetools import TTLCache
from pydantic import ValidationError
from sqlalchemy.orm import Session

from backend.inference.answers import Answer
from backend.inference.gate import is_accepted
from backend.inference.signature import REMOTE_KINDS, Signature
from db.engine import Database
from db.models.model import Model, ModelVersion
from db.repositories import model_versions, models, rollouts
from review.rules.levels import Level, level_of, threshold_of
from review.rules.sampling import unit
from review.rules.shares import Ranges, holds, part_of, ranges_of

#: A rollback must take effect within a second in every replica.
PLAN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version that can be loaded. `problem` says why it cannot."""

    id: str
    name: str
    kind: str
    artifact_sha256: str | None
    signature: Signature | None
    problem: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it answers elsewhere, over HTTP."""
        return self.kind in REMOTE_KINDS


@dataclass(frozen=True, slots=True)
class Shadow:
    """A challenger in shadow: it sees a fixed share of the requests, in some segments only where these are named."""

    version: VersionRef
    share: float = 1.0
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def wants(self, request_id: str, segments: Mapping[str, str]) -> bool:
        """Whether this challenger sees a request; the same request always gets the same answer."""
        return _is_in(segments, self.segments) and (
            self.share >= 1.0 or unit(0, f"shadow:{self.version.name}:{request_id}") < self.share
        )


@dataclass(frozen=True, slots=True)
class Arm:
    """A challenger whose answers callers get: a share of the requests, in some segments only where these are named."""

    version: VersionRef
    mode: Literal["canary", "ab"]
    share: float
    ranges: Ranges
    segments: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assigned:
    """The version that a request was given to. `probability`: with which that happens to requests like it; None where
    no shares were in play."""

    version: VersionRef
    role: Literal["champion", "canary", "ab"]
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A model with its champion, the challengers in shadow, and how far it may act by itself."""

    model: Model
    champion: VersionRef | None
    shadows: tuple[Shadow, ...]
    automation_level: str = ""
    automation: Mapping[str, Any] | None = None
    arms: tuple[Arm, ...] = ()
    sticky_key: str | None = None
    rollout_id: int = 0

    @property
    def is_for_people(self) -> bool:
        """Whether people answer where no version is champion: a rollout says so."""
        return self.automation_level in ("human_only", "shadow")

    @property
    def challengers(self) -> list[VersionRef]:
        """All that the rollout names beside the champion."""
        return [*(one.version for one in self.arms), *(one.version for one in self.shadows)]

    def assign(self, champion: VersionRef, subject_id: str, segments: Mapping[str, str]) -> Assigned:
        """Who answers by the shares. The same key always gets the same version as long as the shares stay."""
        arms = [one for one in self.arms if _is_in(segments, one.segments)]
        if not arms:
            return Assigned(champion, "champion")
        key = segments.get(self.sticky_key, subject_id) if self.sticky_key else subject_id
        part = part_of(self.model.name, key)
        for one in arms:
            if holds(one.ranges, part):
                return Assigned(one.version, one.mode, one.share)
        return Assigned(champion, "champion", round(max(0.0, 1.0 - sum(one.share for one in arms)), 9))

    def level(self, segments: Mapping[str, str]) -> Level:
        """The level that holds for an item."""
        return level_of(self.automation_level, self.automation, segments)

    def accepts(self, answer: Answer | None, segments: Mapping[str, str]) -> bool:
        """Whether an answer of the champion goes to the caller without a person."""
        if answer is None:
            return False
        threshold = threshold_of(self.automation, segments)
        return is_accepted(self.level(segments), threshold, answer.prediction, answer.score)


class Plans:
    """The plans by model name, cached."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: TTLCache[str, Plan] = TTLCache(maxsize=1_000, ttl=PLAN_SECONDS)
        self._versions: TTLCache[tuple[str, str], VersionRef] = TTLCache(maxsize=1_000, ttl=PLAN_SECONDS)

    def cached(self, name: str) -> Plan | None:
        """The plan if it was read within the last half second."""
        return self._cache.get(name)

    def read(self, name: str) -> Plan | None:
        """The plan from the database; None when there is no such model."""
        with self._database.read() as session:
            model = models.find_model(session, name)
            if model is None:
                return None
            plan = _plan(session, model)
        self._cache[name] = plan
        return plan

    def version(self, model: Model, name: str) -> VersionRef | None:
        """Any version of a model by its name, whether or not the plan has a place for it; None when there is none."""
        found = self._versions.get((model.id, name))
        if found is None:
            with self._database.read() as session:
                row = model_versions.find_version(session, model.id, name)
            if row is None:
                return None
            found = self._versions[(model.id, name)] = version_ref(row)
        return found

    def forget(self) -> None:
        """Read everything anew with the next request."""
        self._cache.clear()
        self._versions.clear()


def _plan(session: Session, model: Model) -> Plan:
    rollout = rollouts.current_rollout(session, model.id)
    if rollout is None:
        return Plan(model, None, ())
    others = {str(one["version"]): one for one in rollout.challengers}
    names = [*([rollout.champion] if rollout.champion else []), *others]
    found = model_versions.find_versions(session, model.id, names)
    champion = found.get(rollout.champion) if rollout.champion else None
    beside = [(found[name], one) for name, one in others.items() if name in found and name != rollout.champion]
    ranges = ranges_of(rollout.challengers, rollout.champion)
    return Plan(
        model=model,
        champion=version_ref(champion) if champion is not None else None,
        shadows=tuple(
            Shadow(version_ref(version), float(one.get("share", 1.0)), one.get("segments") or {})
            for version, one in beside
            if one.get("mode") == "shadow"
        ),
        automation_level=rollout.automation_level,
        automation=rollout.automation,
        arms=tuple(
            Arm(version_ref(version), one["mode"], float(one["share"]), ranges[version.name], one.get("segments") or {})
            for version, one in beside
            if version.name in ranges
        ),
        sticky_key=rollout.sticky_key,
        rollout_id=rollout.id,
    )


def _is_in(segments: Mapping[str, str], wanted: Mapping[str, Sequence[str]]) -> bool:
    return all(segments.get(key) in values for key, values in wanted.items())


def version_ref(version: ModelVersion) -> VersionRef:
    """What serving needs to know of a version."""
    signature, problem = None, None
    try:
        signature = Signature.model_validate(version.signature)
    except ValidationError as error:
        problem = f"its signature is not usable: {error.errors()[0]['msg']}"
    return VersionRef(version.id, version.name, version.kind, version.artifact_sha256, signature, problem)
