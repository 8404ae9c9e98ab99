"""Filters as they are written in addresses: `segment=line=L1` and `where=in_brightness<0.4`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from backend.errors import Invalid
from db.eventlog.filters import Filter, Op

_CONDITION = re.compile(r"^(?P<column>[^<>=!]+?)\s*(?P<op><=|>=|!=|=|<|>)\s*(?P<value>.*)$", re.DOTALL)
_OPS: dict[str, Op] = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def parse_segments(texts: Sequence[str]) -> dict[str, str]:
    """Segment values by key.

    >>> parse_segments(["line=L1"])
    {'line': 'L1'}
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Invalid(f"{text!r} is no segment: write key=value")
        if key in found:
            raise Invalid(f"the segment key {key!r} is given twice")
        found[key] = value
    return found


def parse_conditions(texts: Sequence[str]) -> list[Filter]:
    """Free conditions; "=null" and "!=null" ask for missing and present values, numbers are numbers.

    >>> parse_conditions(["in_brightness<0.4", "error!=null"])
    [Filter(column='in_brightness', op='lt', value=0.4), Filter(column='error', op='not_null', value=None)]
    """
    return [_condition(text) for text in texts]


def _condition(text: str) -> Filter:
    match = _CONDITION.match(text)
    if match is None:
        raise Invalid(f"{text!r} is no condition: write column=value, with one of = != < <= > >=")
    column, sign, value = match["column"], match["op"], match["value"]
    if value == "null" and sign in ("=", "!="):
        return Filter(column, "is_null" if sign == "=" else "not_null", None)
    return Filter(column, _OPS[sign], _value(value))


def _value(text: str) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, int | float | bool | str) else text
