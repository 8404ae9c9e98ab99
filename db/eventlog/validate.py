"""The strict reading of one event: JSON text -> checked row in stored columns. Every other door must agree with it."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any, Final

from db.eventlog.limits import DoorLimits
from db.eventlog.problems import RowProblem
from db.eventlog.schema import ROLES, STATUSES, TEXT_LIMITS, WIRE_FIELDS, ModelSpec, canonical_json

Row = dict[str, Any]

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d(?::?[0-5]\d)?)", re.ASCII
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Names that an undeclared input may be inferred under: one line, no control characters, not too long.
FIELD_NAME = re.compile(r"[\w][\w .,:;()\[\]/%+*#@°²³µ-]{0,99}")
MAX_INPUTS: Final = 1000


def parse_json(text: str) -> Any:
    """Parse strict JSON: duplicate keys, NaN and Infinity are refused."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise RowProblem("too_deep", "the value is nested too deeply") from error
    except ValueError as error:
        raise RowProblem("malformed", f"not valid JSON: {str(error)[:200]}", status=400) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RowProblem("duplicate_key", f"the key {printable(key)} occurs twice in one object", status=400)
            seen.add(key)
    return made


def _constant(name: str) -> Any:
    raise RowProblem("not_finite", f"{name} is not JSON", status=400)


def printable(text: str) -> str:
    """A short, safely storable form of a caller's text for messages."""
    return json.dumps(text[:80])


def check_text(value: str, pointer: str) -> str:
    """Refuse text that no database and no UTF-8 file can hold."""
    if value.isascii():
        if "\0" in value:
            raise RowProblem("nul_character", "text contains a NUL character", pointer)
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowProblem("lone_surrogate", "text contains half of a surrogate pair", pointer) from error
    if "\0" in value:
        raise RowProblem("nul_character", "text contains a NUL character", pointer)
    return value


def check_number(value: Any, pointer: str) -> float:
    """A finite number; whole numbers must fit into 64 bits."""
    if type(value) is int:
        if not INT64_MIN <= value <= INT64_MAX:
            raise RowProblem("out_of_range", "a whole number needs more than 64 bits", pointer)
        return float(value)
    if type(value) is not float:
        raise _wrong_type("number", value, pointer)
    if not math.isfinite(value):
        raise RowProblem("out_of_range", "a number is too large", pointer)
    return value


def check_free(value: Any, pointer: str, depth: int, max_depth: int = 64) -> None:
    """Hold free JSON to the same rules as typed fields."""
    if depth > max_depth:
        raise RowProblem("too_deep", f"nested deeper than {max_depth}", pointer[:200])
    if isinstance(value, str):
        check_text(value, pointer)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, pointer)
            check_free(item, f"{pointer}/{escape(key)}", depth + 1, max_depth)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            check_free(item, f"{pointer}/{place}", depth + 1, max_depth)
    elif value is not None and not isinstance(value, bool):
        check_number(value, pointer)


def escape(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    safe = key.encode("utf-8", "replace").decode().replace("\0", "")
    return safe.replace("~", "~0").replace("/", "~1")


def parse_time(value: Any, pointer: str) -> int:
    """RFC 3339 with a zone -> microseconds since 1970."""
    if type(value) is not str:
        raise _wrong_type("time (RFC 3339 text)", value, pointer)
    match = _TIME.fullmatch(value)
    if match is None:
        raise RowProblem("bad_time", "not an RFC 3339 time with a zone, such as 2026-01-31T09:30:00Z", pointer)
    day, hour, minute, second, fraction, zone = match.groups()
    if zone != "Z" and len(zone) == 3:
        zone += ":00"
    try:
        whole = datetime.fromisoformat(f"{day}T{hour}:{minute or '00'}:{second or '00'}{zone}")
        return int((whole - _EPOCH).total_seconds()) * 1_000_000 + int((fraction or "0").ljust(6, "0")[:6])
    except (ValueError, OverflowError) as error:
        raise RowProblem("bad_time", f"no such time: {str(error)[:100]}", pointer) from error


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def check_input(kind: str, value: Any, pointer: str) -> Any:
    """One declared input, strictly of its declared type."""
    if kind == "number":
        return check_number(value, pointer)
    if kind == "string":
        if type(value) is not str:
            raise _wrong_type(kind, value, pointer, code="type_changed")
        return check_text(value, pointer)
    if kind == "boolean":
        if type(value) is not bool:
            raise _wrong_type(kind, value, pointer, code="type_changed")
        return value
    if kind == "time":
        return parse_time(value, pointer)
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if type(value) is not int:
        raise _wrong_type(kind, value, pointer, code="type_changed")
    check_number(value, pointer)
    return value


def _wrong_type(wanted: str, value: Any, pointer: str, *, code: str = "wrong_type") -> RowProblem:
    if isinstance(value, float) and not math.isfinite(value):
        return RowProblem("out_of_range", "a number is too large", pointer)
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    return RowProblem(code, f"expected {wanted}, got {names.get(type(value), 'null')}", pointer)


class Validator:
    """Checks events of one model. Undeclared inputs are gathered in `unknown` as {name: type}."""

    def __init__(self, spec: ModelSpec, limits: DoorLimits, window_us: tuple[int, int], *, allow_nan: bool = False):
        self.spec = spec
        self.limits = limits
        self.first_us, self.last_us = window_us
        self.allow_nan = allow_nan
        self.unknown: dict[str, tuple[str, int]] = {}
        self._inputs, self._segments, self._metrics = spec.places

    def check(self, event: Any) -> Row:
        """The stored row of an event (without made columns), or RowProblem."""
        if type(event) is not dict:
            raise RowProblem("wrong_type", "an event is a JSON object", "", status=400)
        row: Row = {}
        extra: dict[str, Any] = {}
        for key, value in event.items():
            if value is None:
                if key not in WIRE_FIELDS:
                    raise _unknown_field(key)
                continue
            longest = TEXT_LIMITS.get(key)
            if longest is not None:
                row["event_id" if key == "id" else key] = _short_text(key, value, longest)
            elif key == "inputs":
                self._check_inputs(value, row, extra)
            elif key in ("score", "latency_ms", "assignment_probability"):
                row[key] = check_number(value, "/" + key)
            elif key == "happened_at":
                row[key] = self._check_time(value)
            elif key in ("prediction", "champion_prediction"):
                self._check_answer(key, value, row)
            else:
                self._check_rare(key, value, row, extra)
        self._check_whole(row)
        if extra:
            row["extra"] = canonical_json(extra)
        return row

    def _check_whole(self, row: Row) -> None:
        if not row.get("version"):
            raise RowProblem("missing_field", "version is required", "/version")
        if row.setdefault("role", "champion") not in ROLES:
            raise RowProblem("not_allowed", f"role is one of {', '.join(ROLES)}", "/role")
        if row.setdefault("status", "ok") not in STATUSES:
            raise RowProblem("not_allowed", f"status is one of {', '.join(STATUSES)}", "/status")
        if row.get("latency_ms", 0) < 0:
            raise RowProblem("out_of_range", "latency_ms is below zero", "/latency_ms")
        if not 0 <= row.get("assignment_probability", 0) <= 1:
            raise RowProblem("out_of_range", "a probability is between 0 and 1", "/assignment_probability")

    def _check_time(self, value: Any) -> int:
        at = parse_time(value, "/happened_at")
        if not self.first_us <= at <= self.last_us:
            raise RowProblem("time_outside_window", "the time is too far in the past or in the future", "/happened_at")
        return at

    def _check_inputs(self, value: Any, row: Row, extra: dict[str, Any]) -> None:
        if type(value) is not dict:
            raise _wrong_type("an object", value, "/inputs")
        known = self._inputs
        for name, item in value.items():
            if item is None:
                check_text(name, "/inputs")
                continue
            declared = known.get(name)
            if declared is None:
                check_text(name, "/inputs")
                check_free(item, f"/inputs/{escape(name)}", 3, self.limits.max_depth)
                extra.setdefault("inputs", {})[name] = item
                self._note(name, item)
            elif type(item) is float and declared[0] == "number" and math.isfinite(item):
                row[declared[1]] = item
            else:
                row[declared[1]] = self._check_declared(declared[0], item, name)

    def _check_declared(self, kind: str, item: Any, name: str) -> Any:
        pointer = f"/inputs/{escape(name)}"
        if self.allow_nan and isinstance(item, float) and not math.isfinite(item):
            return None
        if kind == "number" and type(item) not in (int, float):
            raise _wrong_type(kind, item, pointer, code="type_changed")
        if kind == "time" and type(item) is not str:
            raise _wrong_type(kind, item, pointer, code="type_changed")
        return check_input(kind, item, pointer)

    def _note(self, name: str, item: Any) -> None:
        kind = kind_of(item)
        before, n = self.unknown.get(name, (kind, 0))
        self.unknown[name] = (before if before == kind else _wider(before, kind), n + 1)

    def _check_answer(self, key: str, value: Any, row: Row) -> None:
        kind, pointer = self.spec.output_kind, "/" + key
        if kind in ("label", "text"):
            if type(value) is not str:
                raise _wrong_type("text", value, pointer)
            if kind == "label" and len(value) > 200:
                raise RowProblem("too_long", "a label has at most 200 characters", pointer)
            row[key] = check_text(value, pointer)
        elif kind == "number":
            if self.allow_nan and isinstance(value, float) and not math.isfinite(value):
                return
            row[key + "_number"] = check_number(value, pointer)
        else:
            check_free(value, pointer, 2, self.limits.max_depth)
            row[key] = canonical_json(value)

    def _check_rare(self, key: str, value: Any, row: Row, extra: dict[str, Any]) -> None:
        if key == "is_cached":
            if type(value) is not bool:
                raise _wrong_type("true/false", value, "/is_cached")
            row[key] = value
        elif key == "scores":
            row[key] = canonical_json(_numbers(value, "/scores"))
        elif key == "segments":
            self._check_segments(value, row, extra)
        elif key == "metrics":
            for name, number in _numbers(value, "/metrics").items():
                column = self._metrics.get(name)
                if column is None:
                    extra.setdefault("metrics", {})[name] = number
                else:
                    row[column] = number
        elif key == "artifacts":
            row[key] = _artifacts(value)
        elif key == "model":
            if value != self.spec.name:
                raise RowProblem("wrong_model", f"this request is for the model {self.spec.name}", "/model")
        else:
            raise _unknown_field(key)

    def _check_segments(self, value: Any, row: Row, extra: dict[str, Any]) -> None:
        if type(value) is not dict:
            raise _wrong_type("an object", value, "/segments")
        for name, item in value.items():
            check_text(name, "/segments")
            if item is None:
                continue
            text = _short_text("segments/" + escape(name), item, 200)
            column = self._segments.get(name)
            if column is None:
                extra.setdefault("segments", {})[name] = text
            else:
                row[column] = text


def _unknown_field(key: str) -> RowProblem:
    check_text(key, "")
    return RowProblem("unknown_field", f"an event has no field {printable(key)}", "/" + escape(key)[:200])


def _short_text(key: str, value: Any, longest: int) -> str:
    if type(value) is not str:
        raise _wrong_type("text", value, "/" + key)
    if len(value) > longest:
        raise RowProblem("too_long", f"at most {longest} characters are allowed", "/" + key)
    if not value and key in ("id", "version"):
        raise RowProblem("missing_field", f"{key} is empty", "/" + key)
    return check_text(value, "/" + key)


def _numbers(value: Any, pointer: str) -> dict[str, float]:
    if type(value) is not dict:
        raise _wrong_type("an object", value, pointer)
    made = {}
    for name, item in value.items():
        check_text(name, pointer)
        if item is not None:
            made[name] = check_number(item, f"{pointer}/{escape(name)}")
    return made


def _artifacts(value: Any) -> list[str]:
    if type(value) is not list:
        raise _wrong_type("a list", value, "/artifacts")
    if len(value) > 100:
        raise RowProblem("too_long", "at most 100 artifacts are allowed", "/artifacts")
    for place, item in enumerate(value):
        if type(item) is not str or not _SHA256.fullmatch(item):
            raise RowProblem(
                "not_allowed", "an artifact is named by its SHA-256 (64 hex digits)", f"/artifacts/{place}"
            )
    return value


def kind_of(value: Any) -> str:
    """The input type that a value suggests; `json` for lists and objects, which stay in `extra`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "number" if abs(value) <= 2**53 else "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "json"


def _wider(one: str, other: str) -> str:
    return "number" if {one, other} == {"number", "integer"} else "json"
