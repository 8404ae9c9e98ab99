"""Base of every input shape: unknown fields, non-finite numbers and text that a database cannot hold are refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints, model_validator

MAX_DEPTH = 64
_INT64 = 2**63


def check_storable(value: Any, depth: int = 0) -> None:
    """Raise ValueError for JSON that no database of ours can hold: NUL, lone surrogates, NaN, ints beyond 64 bits.

    >>> check_storable({"threshold": 0.5})
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise ValueError("an integer does not fit into 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("NaN and infinity are not numbers in JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, depth + 1)
            check_storable(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_storable(item, depth + 1)


def _check_text(value: str) -> None:
    if "\x00" in value:
        raise ValueError("text contains a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("text contains half of a surrogate pair")


class Input(BaseModel):
    """Base of what callers send."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_max_length=20_000)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unstorable(cls, data: Any) -> Any:
        check_storable(data)
        return data


class Output(BaseModel):
    """Base of what the API answers; read from table rows by attribute."""

    model_config = ConfigDict(from_attributes=True)


def _small(value: dict[str, Any]) -> dict[str, Any]:
    import json

    if len(json.dumps(value)) > 50_000:
        raise ValueError("longer than 50,000 characters as JSON")
    return value


#: A free JSON object of bounded size.
SmallJson = Annotated[dict[str, Any], AfterValidator(_small)]
#: A name in addresses: lower case, digits, dot, dash, underscore.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
#: A one-line name that people read.
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
#: Why something was done.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time lies outside the years 1 to 9999 in UTC") from error


#: A point in time with its zone.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
