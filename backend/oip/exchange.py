"""An inference request and its answer, whatever carries them: REST with JSON or binary data, or gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import Invalid, Malformed
from backend.oip.tensors import Tensor

#: Parameters of extensions that are not offered: answering without them would answer another question.
_REFUSED = ("classification", "shared_memory_region")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that the caller asks for. `is_binary` None: as the request says for all of them."""

    name: str
    is_binary: bool | None = None


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What to judge. Without `outputs` all are answered."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Wanted] = ()
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [one.name for one in self.inputs]
        if not names:
            raise Malformed("the request has no inputs")
        if len(set(names)) != len(names):
            raise Malformed("an input is named twice")
        if len(self.id) > 150:
            raise Malformed("the id has more than 150 characters")


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """What was answered, in the order in which it was asked for."""

    model: str
    version: str
    id: str
    outputs: Sequence[Tensor]


def check_parameters(owner: str, parameters: Any) -> Mapping[str, Any]:
    """The parameters of a request or tensor; refuses what asks for extensions that are not offered."""
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise Malformed(f"the parameters of {owner} are no object")
    for name in _REFUSED:
        if name in parameters:
            raise Invalid(f"{owner}: the extension behind the parameter {name!r} is not offered", code="not_offered")
    return parameters


def select(outputs: Sequence[Tensor], wanted: Sequence[Wanted]) -> list[Tensor]:
    """The outputs asked for, in that order; all of them when none is named."""
    if not wanted:
        return list(outputs)
    by_name = {one.name: one for one in outputs}
    return [by_name[one.name] for one in wanted]


def check_wanted(wanted: Sequence[Wanted], known: Sequence[str]) -> None:
    """Refuse outputs that the version does not have, before it is asked."""
    strange = [one.name for one in wanted if one.name not in known]
    if strange:
        raise Invalid(f"there is no output {strange[0]!r}: there are {', '.join(known)}", code="output_unknown")
    if len({one.name for one in wanted}) != len(wanted):
        raise Malformed("an output is asked for twice")
