"""Rows of a history file as events of the wire: the same shape that a caller would have posted."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from backend.imports.cells import CellType, as_label, as_time, convert
from backend.imports.mapping import Mapping
from backend.imports.readers import Rows

Event = dict[str, Any]
#: Mapping field -> field of the event that is taken over as text.
_TEXTS = {"request": "request_id", "trace": "trace_id", "status": "status", "error": "error"}


class EventMaker:
    """Makes events from rows. `types` are those of the inputs, `output_kind` and `digest` of model and file.
    `n_before` rows of other files come before this one."""

    def __init__(
        self,
        mapping: Mapping,
        inputs: MappingType[str, str],
        types: MappingType[str, CellType],
        output_kind: str,
        digest: str,
        *,
        n_before: int = 0,
    ) -> None:
        self.mapping = mapping
        self.inputs = dict(inputs)
        self.types = types
        self.output_kind = output_kind
        self.digest = digest
        self.n_before = n_before

    def make(self, rows: Rows) -> list[Event]:
        """One event per row, in order. Cells that fit no type are kept as they are: the door refuses them by name."""
        return [self._event(rows, place) for place in range(len(rows))]

    def _event(self, rows: Rows, place: int) -> Event:
        mapping, number = self.mapping, rows.first + place

        def cell(column: str | None) -> Any:
            cells = rows.columns.get(column) if column else None
            return cells[place] if cells is not None else None

        version = as_label(cell(mapping.version_column)) if mapping.version_column else mapping.version
        own_id = cell(mapping.id)
        subject = cell(mapping.subject) if mapping.subject else own_id
        event_id = self._event_id(own_id, version, number)
        event: Event = {
            "id": event_id,
            "version": version,
            "role": mapping.role,
            "subject_id": event_id if subject is None else as_label(subject),
            "happened_at": self._time(cell(mapping.time), number),
            "inputs": {name: convert(cell(column), self.types[name]) for name, column in self.inputs.items()},
            "prediction": self._answer(cell(mapping.prediction)),
            "score": convert(cell(mapping.score), "number"),
            "latency_ms": convert(cell(mapping.latency), "number"),
        }
        for name, field in _TEXTS.items():
            value = cell(getattr(mapping, name))
            if value is not None:
                event[field] = as_label(value)
        if mapping.champion_prediction:
            event["champion_prediction"] = self._answer(cell(mapping.champion_prediction))
        if mapping.scores:
            event["scores"] = {label: convert(cell(column), "number") for label, column in mapping.scores.items()}
        if mapping.segments:
            texts = {key: cell(column) for key, column in mapping.segments.items()}
            event["segments"] = {key: as_label(value) for key, value in texts.items() if value is not None}
        if mapping.metrics:
            event["metrics"] = {name: convert(cell(column), "number") for name, column in mapping.metrics.items()}
        return event

    def _event_id(self, own_id: Any, version: str, number: int) -> str:
        """From the row's own id, else from the file's content and the row's number: a second import repeats it."""
        if own_id is None:
            return f"{self.digest}-{number}"
        text = as_label(own_id)
        if self.mapping.role != "champion" or self.mapping.version_column:
            return f"{text}:{self.mapping.role}:{version}"
        return text

    def _time(self, value: Any, number: int) -> str | None:
        if self.mapping.time is None:
            return self.mapping.time_of_row(self.n_before + number).isoformat()
        # A row without a time must not be taken for one of today: the door refuses the empty text.
        return "" if value is None else as_time(value, self.mapping.zone, self.mapping.time_format)

    def _answer(self, value: Any) -> Any:
        if value is None:
            return None
        if self.output_kind == "number":
            return convert(value, "number")
        if self.output_kind == "json":
            return value
        text = as_label(value)
        return self.mapping.labels.get(text, text)
