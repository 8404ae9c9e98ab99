"""Who is compared with whom, as written in addresses: `version:<name>`, `people`, `user:<id>`, `truth` and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Kind = Literal["version", "people", "user", "person", "predictor", "truth"]
_NAMED = ("version", "user", "person", "predictor")
_ALONE = ("people", "truth")


class UnknownJudge(ValueError):
    """The text names no judge."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A version of the model, the people together, one person, an outside predictor, or the resolved truth."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def is_version(self) -> bool:
        return self.kind == "version"


def parse_judge(text: str) -> Judge:
    """The judge that `text` names.

    >>> parse_judge("version:v2").name
    'v2'
    """
    kind, colon, name = text.partition(":")
    if kind in _ALONE and not colon:
        return Judge(cast(Kind, kind))
    if kind in _NAMED and name:
        return Judge(cast(Kind, kind), name)
    raise UnknownJudge(
        f"{text!r} names no judge: use version:<name>, people, user:<id>, person:<id>, predictor:<name> or truth"
    )
