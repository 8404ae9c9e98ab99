"""A first look through a history file: types of its columns, and the model that would fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from backend.errors import Invalid
from backend.imports.cells import MAX_DISTINCT, CellType, ColumnSurvey, as_label
from backend.imports.mapping import Mapping
from backend.imports.readers import HistoryFile
from backend.models.schemas import ModelCreate

#: A prediction with at most this many values is a label, one with more numbers is a number.
MAX_LABELS = 50


def survey(
    files: Iterable[HistoryFile], columns: set[str], on_rows: Callable[[int], None] | None = None
) -> dict[str, ColumnSurvey]:
    """What the given columns hold, over all files."""
    found = {column: ColumnSurvey() for column in columns}
    for file in files:
        for rows in file.read():
            for column, seen in found.items():
                if column in rows.columns:
                    seen.add(rows.columns[column])
            if on_rows is not None:
                on_rows(len(rows))
    return found


def input_types(
    inputs: dict[str, str], surveys: dict[str, ColumnSurvey], declared: Iterable[dict[str, Any]]
) -> dict[str, CellType]:
    """Type per input: the model's where it declares one, else the column's own."""
    known = {field["name"]: field["type"] for field in declared}
    types: dict[str, CellType] = {}
    for name, column in inputs.items():
        wanted = known.get(name)
        types[name] = surveys[column].type if wanted is None else "string" if wanted == "time" else wanted
    return types


def propose_model(
    mapping: Mapping, surveys: dict[str, ColumnSurvey], inputs: dict[str, str], truth_labels: Iterable[str] = ()
) -> ModelCreate:
    """The model that fits a file: inputs with their types, the labels that occur, the segment keys."""
    answers = surveys[mapping.prediction] if mapping.prediction else ColumnSurvey()
    labels = sorted({mapping.labels.get(text, text) for text in [*answers.distinct, *truth_labels]})
    is_number = answers.type == "number" or (answers.type == "integer" and len(answers.distinct) > MAX_LABELS)
    kind = "number" if is_number else "label" if len(labels) <= MAX_LABELS else "text"
    if kind == "text" and len(answers.distinct) <= MAX_DISTINCT:
        kind = "label"
    fields = [{"name": name, "type": surveys[column].type} for name, column in inputs.items()]
    try:
        return ModelCreate.model_validate(
            {
                "name": mapping.model,
                "item_kind": "tabular",
                "output_kind": kind,
                "labels": [{"name": label} for label in labels] if kind == "label" and len(labels) > 1 else [],
                "inputs": fields,
                "segment_keys": list(mapping.segments),
                "metrics": list(mapping.metrics),
            }
        )
    except ValueError as error:
        raise Invalid(f"no model can be made from this file: {str(error).splitlines()[-1].strip()}") from error


def read_truth(mapping: Mapping) -> list[tuple[str, str, str | None]]:
    """(id, label, time) of every row of the separate truth file that has a label."""
    truth = mapping.truth
    if truth is None:
        return []
    file = HistoryFile(truth.path, mapping.null_texts())
    for column in filter(None, (truth.id, truth.label, truth.time)):
        if column not in file.columns:
            raise Invalid(f"{truth.path.name} has no column {column!r}; it has {', '.join(file.columns)}")
    found: list[tuple[str, str, str | None]] = []
    for rows in file.read():
        ids, labels = rows.columns[truth.id], rows.columns[truth.label]
        times = rows.columns[truth.time] if truth.time else [None] * len(rows)
        for own_id, label, time in zip(ids, labels, times, strict=True):
            if own_id is not None and label is not None:
                text = as_label(label)
                found.append((as_label(own_id), mapping.labels.get(text, text), time))
    return found
