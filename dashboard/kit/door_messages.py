"""What the logging door found wrong with an event, in the reader's language. The door writes its reasons in English for
programs; the ingestion screens show them to people through here."""

from __future__ import annotations

import re
from typing import Final

from dashboard.kit.text import t, t_or

#: How the door names types -> key below ingestion.kind.
_KINDS: Final = {
    "number": "number",
    "a number": "number",
    "integer": "integer",
    "string": "text",
    "text": "text",
    "boolean": "boolean",
    "true/false": "boolean",
    "time (RFC 3339 text)": "time",
    "an object": "object",
    "a list": "list",
    "null": "nothing",
}
#: What the door says -> key below ingestion.said; named groups become parameters of the text.
_SAYINGS: Final = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r"expected (?P<wanted>.+), got (?P<got>.+)", "expected"),
        (r"the key (?P<name>.+) occurs twice in one object", "key_twice"),
        (r"(?P<name>\S+) is not JSON", "not_json"),
        (r"not valid JSON: (?P<detail>.*)", "invalid_json"),
        (r"the value is nested too deeply", "nested"),
        (r"nested deeper than (?P<n>\d+)", "deeper"),
        (r"text contains a NUL character", "nul"),
        (r"the text contains NUL bytes \(is it UTF-16\?\)", "nul_bytes"),
        (r"the text is not UTF-8", "not_utf8"),
        (r"text contains half of a surrogate pair", "surrogate"),
        (r"a whole number needs more than 64 bits", "long_number"),
        (r"a number is too large", "large_number"),
        (r"not an RFC 3339 time with a zone, such as (?P<example>\S+)", "no_time"),
        (r"no such time: (?P<detail>.*)", "no_such_time"),
        (r"an event is a JSON object", "no_object"),
        (r"(?P<name>\w+) is required", "required"),
        (r"(?P<name>\w+) is empty", "empty"),
        (r"(?P<name>\w+) is one of (?P<options>.+)", "one_of"),
        (r"(?P<name>\w+) is below zero", "below_zero"),
        (r"a probability is between 0 and 1", "probability"),
        (r"the time is too far in the past or in the future", "far_time"),
        (r"a label has at most (?P<n>\d+) characters", "long_label"),
        (r"at most (?P<n>\d+) characters are allowed", "characters"),
        (r"at most (?P<n>\d+) artifacts are allowed", "artifacts"),
        (r"an artifact is named by its SHA-256 \(64 hex digits\)", "artifact_name"),
        (r"an event has at most (?P<n>\d+) bytes", "bytes"),
        (r"this request is for the model (?P<name>.+)", "other_model"),
        (r"an event has no field (?P<name>.+)", "no_field"),
        (r"no model is called (?P<name>.+)", "no_model"),
        (r"there is no such model", "model_unknown"),
        (r"name the model, in the event or as \?model=", "name_model"),
    )
)


def said(message: str) -> str:
    """The door's message for the reader; a message that is not known is shown as it came."""
    for pattern, key in _SAYINGS:
        match = pattern.fullmatch(message)
        if match:
            parts = {name: kind(part) if key == "expected" else part for name, part in match.groupdict().items()}
            return t(f"ingestion.said.{key}", **parts)
    return message


def kind(name: str) -> str:
    """A type's name for the reader."""
    return t_or(f"ingestion.kind.{_KINDS.get(name, name)}", name)
