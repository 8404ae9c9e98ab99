"""Who answers a request: the model by itself, or a person, by the level of the automation ladder; and what holds when
no person answers in time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from review.rules.levels import Level

Fallback = Literal["none", "machine", "label"]
#: Levels at which the model's answer is good enough to be shown to people, so that it may stand in for them.
_TRUSTED: frozenset[Level] = frozenset({"assist", "partial", "full"})


class Serving(BaseModel):
    """What a model declares under "serving" in its settings, for requests that wait for a person.

    After `deadline_s` (null: never) `fallback` holds: no answer at all, the machine's where it has earned the level
    assist, or `label`.
    """

    model_config = ConfigDict(extra="forbid")

    deadline_s: float | None = Field(None, gt=0, le=30 * 86_400)
    fallback: Fallback = "none"
    label: str | None = Field(None, min_length=1, max_length=200)

    @classmethod
    def declared(cls, settings: Mapping[str, Any], labels: list[str] | None = None) -> Serving:
        """What the settings say; ValueError when that cannot be done.

        >>> Serving.declared({"serving": {"deadline_s": 60, "fallback": "machine"}}).fallback
        'machine'
        """
        try:
            found = cls.model_validate(settings.get("serving") or {})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"serving: {'/'.join(map(str, first['loc']))}: {first['msg']}") from None
        if (found.fallback == "label") != (found.label is not None):
            raise ValueError('serving: the fallback "label" needs a label, and no other takes one')
        if found.fallback != "none" and found.deadline_s is None:
            raise ValueError("serving: a fallback needs deadline_s")
        if labels and found.label is not None and found.label not in labels:
            raise ValueError(f"serving: the model has no label {found.label!r}")
        return found

    def deadline(self, asked_at: datetime) -> datetime | None:
        """Until when a request waits."""
        return None if self.deadline_s is None else asked_at + timedelta(seconds=self.deadline_s)

    def kept(self) -> dict[str, Any]:
        """What is written down with a request, so that a later change does not touch it."""
        return {"kind": self.fallback, "label": self.label}


def is_asked(level: Level) -> bool:
    """Whether the model is asked at all."""
    return level != "human_only"


def is_accepted(level: Level, threshold: float | None, prediction: Any, score: float | None) -> bool:
    """Whether the model's answer goes to the caller without a person.

    >>> is_accepted("partial", 0.8, "ok", 0.8), is_accepted("partial", 0.8, "ok", 0.79)
    (True, False)
    """
    if level == "full":
        return True
    if level != "partial" or threshold is None or prediction is None or score is None:
        return False
    return score >= threshold


def fall_back(
    fallback: Mapping[str, Any], level: str, machine: Mapping[str, Any] | None
) -> tuple[Literal["machine", "label", "nobody"], str | float | None]:
    """Who decides when the time is over, and what.

    >>> fall_back({"kind": "machine"}, "assist", {"prediction": "ok"})
    ('machine', 'ok')
    >>> fall_back({"kind": "machine"}, "shadow", {"prediction": "ok"})
    ('nobody', None)
    """
    if fallback.get("kind") == "label":
        return "label", fallback.get("label")
    prediction = (machine or {}).get("prediction")
    if fallback.get("kind") == "machine" and level in _TRUSTED and prediction is not None:
        return "machine", prediction
    return "nobody", None
