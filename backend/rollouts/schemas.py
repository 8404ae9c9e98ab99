"""Shapes of rollouts: who answers for a model, beside whom, and how far it may act by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from backend.model_versions.schemas import VersionName
from backend.models.schemas import DataName
from backend.shapes import Input, Output, Reason

AutomationLevel = Literal["human_only", "shadow", "assist", "partial", "full"]
Mode = Literal["shadow", "canary", "ab"]
Changed = Literal["champion", "challengers", "automation_level"]
CHANGED: tuple[Changed, ...] = ("champion", "challengers", "automation_level")


class Challenger(Input):
    """A version beside the champion. `share` is the part of the traffic it sees (shadow) or answers, 0..1.

    `segments` narrows it, e.g. {"line": ["L1", "L2"]}.
    """

    version: VersionName
    mode: Mode
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    segments: dict[DataName, Annotated[list[str], Field(min_length=1, max_length=100)]] | None = None


class RolloutCreate(Input):
    """A new rollout, in force at once. `based_on`: refuse (409) if another one came into force since this id.

    `sticky_key`: the segment by whose value requests are given to canary and A/B challengers; null: their subject.
    """

    champion: VersionName | None = None
    challengers: Annotated[list[Challenger], Field(max_length=10)] = []
    automation_level: AutomationLevel = "shadow"
    sticky_key: DataName | None = None
    reason: Reason
    based_on: int | None = Field(None, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _check_arms(self) -> RolloutCreate:
        names = [challenger.version for challenger in self.challengers]
        if self.champion in names:
            raise ValueError("the champion cannot be its own challenger")
        if len(names) != len(set(names)):
            raise ValueError("a challenger is named twice")
        live = sum(challenger.share for challenger in self.challengers if challenger.mode != "shadow")
        if live > 1 + 1e-9:
            raise ValueError("the shares of canary and A/B challengers add up to more than 1")
        if self.champion is None and live > 0:
            raise ValueError("a canary or A/B test needs a champion beside it")
        if self.automation_level in {"assist", "partial", "full"} and self.champion is None:
            raise ValueError("a model that acts or assists needs a champion")
        return self


class RollbackIn(Input):
    """Back to who answered before. `based_on`: refuse (409) if another rollout came into force since this id."""

    reason: Reason
    based_on: int | None = Field(None, ge=0, lt=2**31)


class ChallengerRead(Output):
    version: str
    mode: str
    share: float = 1.0
    segments: dict[str, list[str]] | None = None


class RolloutRead(Output):
    """A rollout. `automation`: what stands beside the level, {"acceptance": the threshold from which answers may be
    accepted at "partial" or null, "segments": [{"segment": "line=L1", "level", "acceptance"}]}."""

    id: int
    model: str
    champion: str | None
    challengers: list[ChallengerRead]
    automation_level: str
    automation: dict[str, Any] | None = None
    sticky_key: str | None = None
    reason: str
    created_by: str
    created_by_name: str | None = None
    created_at: datetime


class RolloutMark(Output):
    """One line on a chart: when something changed, and what. `changes` name champion, challengers or level."""

    id: int
    at: datetime
    changes: list[Changed]
    champion: str | None
    previous_champion: str | None
    automation_level: str
    reason: str
