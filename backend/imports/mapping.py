"""Which column of a history file means what: given by flags or by a YAML file, checked before anything is read."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from backend.errors import Invalid

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


class TruthFile(BaseModel):
    """A separate file with the outcome of each row, joined by id."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    id: str = "id"
    label: str = "label"
    time: str | None = None

    @classmethod
    def parse(cls, text: str) -> TruthFile:
        """Read FILE:ID:LABEL or FILE:ID:LABEL:TIME."""
        parts = text.split(":")
        if len(parts) not in (3, 4) or not all(parts):
            raise Invalid(f"--truth must be FILE:ID:LABEL or FILE:ID:LABEL:TIME, not {text!r}")
        return cls(path=Path(parts[0]), id=parts[1], label=parts[2], time=parts[3] if len(parts) == 4 else None)


class Mapping(BaseModel):
    """What the columns mean. Columns that are named nowhere become inputs, unless `inputs` lists the wanted ones."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(description="name of the model")
    version: str = Field("1", description="version that made the predictions")
    version_column: str | None = Field(None, description="column with the version, where it differs by row")
    role: str = "champion"
    time: str | None = Field(None, description="column with the time of the prediction")
    time_format: str | None = Field(None, description="strptime format, where the time is not ISO 8601")
    zone: str = Field("UTC", description="zone of times that name none")
    start: datetime | None = Field(None, description="time of the first row, where the file has no time")
    step_s: float = Field(60.0, ge=0, description="seconds between rows, where the file has no time")
    id: str | None = Field(None, description="column with the id of the thing judged")
    subject: str | None = None
    request: str | None = None
    trace: str | None = None
    prediction: str | None = None
    score: str | None = None
    scores: dict[str, str] = Field(default_factory=dict, description="label -> column with its score")
    latency: str | None = None
    status: str | None = None
    error: str | None = None
    champion_prediction: str | None = None
    segments: dict[str, str] = Field(default_factory=dict, description="segment key -> column")
    metrics: dict[str, str] = Field(default_factory=dict, description="metric -> column")
    inputs: dict[str, str] | None = Field(None, description="input -> column; none: all columns not used otherwise")
    ignore: list[str] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict, description="value in the file -> label of the model")
    missing: list[str] = Field(default_factory=list, description="further cell texts that mean no value")
    truth: TruthFile | None = None

    @field_validator("segments", "metrics", "inputs", mode="before")
    @classmethod
    def _names_are_columns(cls, value: Any) -> Any:
        """A list of names stands for columns of the same name."""
        return {name: name for name in value} if isinstance(value, list) else value

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, value: Any) -> Any:
        return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _check(self) -> Mapping:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {self.zone!r}") from error
        if self.start is not None and self.start.tzinfo is None:
            self.start = self.start.replace(tzinfo=ZoneInfo(self.zone))
        return self

    def roles(self) -> dict[str, str]:
        """Column -> what it is used for, of every column named here except the inputs."""
        single = {
            field: getattr(self, field)
            for field in [
                "time",
                "id",
                "subject",
                "request",
                "trace",
                "prediction",
                "score",
                "latency",
                "status",
                "error",
                "champion_prediction",
                "version_column",
            ]
        }
        used = {column: field for field, column in single.items() if column}
        for kind in ("scores", "segments", "metrics"):
            used.update(dict.fromkeys(getattr(self, kind).values(), kind))
        return used

    def input_columns(self, columns: list[str]) -> dict[str, str]:
        """Input field -> column, for the columns that a file has."""
        if self.inputs is not None:
            return dict(self.inputs)
        taken = set(self.roles()) | set(self.ignore)
        return {column: column for column in columns if column not in taken and column}

    def check_columns(self, columns: list[str], where: str) -> None:
        """Raise Invalid, naming what is not there, when a mapped column is missing."""
        absent = sorted(set(self.roles()) - set(columns))
        if absent:
            raise Invalid(f"{where} has no column {', '.join(map(repr, absent))}; it has {', '.join(columns)}")
        if self.time is None and self.start is None:
            raise Invalid("say which column holds the time (--time COLUMN), or when the first row happened (--start)")

    def check_inputs(self, columns: list[str]) -> None:
        """Raise Invalid when an input or an ignored column is in none of the files (`columns`: of all together)."""
        absent = sorted({*(self.inputs or {}).values(), *self.ignore} - set(columns))
        if absent:
            raise Invalid(f"no file has a column {', '.join(map(repr, absent))}; there are {', '.join(columns)}")

    def time_of_row(self, number: int) -> datetime:
        """The time of a row of a file without times."""
        assert self.start is not None
        return self.start + timedelta(seconds=self.step_s * number)

    def null_texts(self) -> list[str]:
        """Cell texts that mean "no value"."""
        plain = sorted(_MISSING | {text.upper() for text in _MISSING} | {"NaN", "Null", "None", "N/A"})
        return [*plain, *self.missing]


def read_mapping(path: Path, **changes: Any) -> Mapping:
    """The mapping of a YAML file with the given fields on top; Invalid says what is wrong with it."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise Invalid(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, dict):
        raise Invalid(f"{path} must hold a mapping of names to columns")
    truth = loaded.get("truth")
    if isinstance(truth, dict) and "path" in truth and not Path(truth["path"]).is_absolute():
        loaded["truth"] = {**truth, "path": path.parent / truth["path"]}
    return make_mapping(**{**loaded, **changes})


def make_mapping(**fields: Any) -> Mapping:
    """A checked mapping; Invalid says which field is wrong."""
    try:
        return Mapping(**fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'mapping'}: {e['msg']}" for e in error.errors())
        raise Invalid(f"the mapping is not valid: {problems}") from error
