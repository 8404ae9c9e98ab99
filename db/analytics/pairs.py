"""Pairs of answers about the same subject, and the tallies that comparisons show; SQL over one relation `pairs`.

`pairs` has key, subject_id, label_a, label_b, happened_at, event_id, score, artifact and `seg_<key>`. Where one side
is small it is a table in memory; where both sides are versions it is a view over a part of the event log at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from db.analytics.windows import Window
from db.eventlog.filters import quote

By = Literal["subject", "request"]
Side = Literal["a", "b", "neither"]
#: What is known of a pair beside its labels and segments.
_DETAILS = ("subject_id", "happened_at", "event_id", "score", "artifact")
#: Values of one segment key that a comparison lists, the largest first.
MAX_SEGMENT_VALUES = 50
#: Answers of the version with fewer of them that are paired at once: about 100 MB.
PART_ANSWERS = 500_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a comparison. `cells`: (label_a, label_b, bucket) -> n; `segments`: (key, value) -> (n, n_agreed);
    `right`: (a is right, b is right) -> n over the pairs whose truth is known."""

    cells: dict[tuple[str, str, int], int]
    segments: dict[tuple[str, str], tuple[int, int]]
    right: dict[tuple[bool, bool], int]
    weighed: Weighed | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """Pairs, each weighing one over the probability with which its subject was chosen to be looked at: sums of the
    weights, of their squares, and of the weights of those that agree."""

    total: float
    squares: float
    agreed: float


def create_small_pairs(connection: Any, a: pa.Table, b: pa.Table, answers_side: Side) -> None:
    """Create the view `pairs` over two small sides; time and details come from the side that holds predictions."""
    connection.register("side_a", a)
    connection.register("side_b", b)
    if answers_side == "neither":
        nothing = "NULL::VARCHAR AS event_id, NULL::DOUBLE AS score, NULL::VARCHAR AS artifact"
        details = f'greatest(a."at", b."at") AS happened_at, {nothing}'
    else:
        source = a if answers_side == "a" else b
        names = [name for name in source.column_names if name.startswith("seg_")]
        columns = ["happened_at", "event_id", "score", "artifact", *map(quote, names)]
        details = ", ".join(f"{answers_side}.{column}" for column in columns)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW pairs AS SELECT subject_id AS key, subject_id, "
        f"a.label AS label_a, b.label AS label_b, {details} FROM side_a a JOIN side_b b USING (subject_id)"
    )


def each_part(
    connection: Any, a: str, b: str, by: By, segment_keys: tuple[str, ...], *, with_items: bool = True
) -> Iterator[None]:
    """Create the view `pairs` over the view `events` for one part of all subjects (or requests) after the other: the
    newest answer of both versions. What is counted over all parts adds up, since no key is in two of them.

    The version with fewer answers is brought to one per key first, and of the other one only answers with such a key
    are kept: a shadow of every fifth request then costs a fifth of the champion's memory. Without `with_items` the
    columns event_id, score and artifact are left out, which a tally does without.
    """
    found = connection.execute(
        "SELECT count(*) FILTER (version = $a), count(*) FILTER (version = $b) FROM events", {"a": a, "b": b}
    ).fetchone()
    few: Literal["a", "b"] = "a" if found[0] < found[1] else "b"
    n_parts = 1 + min(found) // PART_ANSWERS
    for part in range(n_parts):
        _create_version_pairs(connection, (a, b), few, by, segment_keys, with_items, (part, n_parts))
        yield


def _create_version_pairs(
    connection: Any,
    versions: tuple[str, str],
    few: Literal["a", "b"],
    by: By,
    segment_keys: tuple[str, ...],
    with_items: bool,
    part: tuple[int, int],
) -> None:
    key = "subject_id" if by == "subject" else "request_id"
    items = () if with_items else ("event_id", "score", "artifact")
    fields = ["label", *(name for name in _DETAILS if name not in items), *(f"seg_{name}" for name in segment_keys)]
    packed = ", ".join(f"'f{number}': {quote(name)}" for number, name in enumerate(fields))
    in_part = f"AND hash({key}) % {part[1]} = {part[0]}" if part[1] > 1 else ""
    for side, version in zip(("a", "b"), versions, strict=True):
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW side_{side} AS
            SELECT key, {{{packed if side == "b" else "'f0': label"}}} AS {side}, row(happened_at, event_id) AS place
            FROM (
                SELECT {key} AS key, subject_id, happened_at, event_id, score, artifacts[1] AS artifact
                       {_listed(segment_keys)},
                       CASE WHEN is_null_output OR prediction IS NULL THEN '' ELSE prediction END AS label
                FROM events WHERE version = {_literal(version)} AND status = 'ok' AND {key} IS NOT NULL {in_part}
            )
            """
        )
    many = "b" if few == "a" else "a"
    details = ", ".join(f"b.f{number} AS {quote(name)}" for number, name in enumerate(fields) if number)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW pairs AS SELECT key, a.f0 AS label_a, b.f0 AS label_b, {details} FROM (
            SELECT key, max_by({many}, place) AS {many}, any_value({few}) AS {few}
            FROM side_{many} JOIN (SELECT key, max_by({few}, place) AS {few} FROM side_{few} GROUP BY key) USING (key)
            GROUP BY key
        )
        """
    )


def tally(
    connection: Any, window: Window, segment_keys: tuple[str, ...], segments: Mapping[str, str], truths: pa.Table
) -> Tally:
    """Count one part of `pairs`: by both labels and bucket, by segment, and who was right where the truth is known."""
    chosen, parameters = _condition(segments)
    connection.register("truths", truths)
    start_us = int(window.start.timestamp()) * 1_000_000
    source = f"""
        SELECT label_a, label_b, label_a = label_b AS is_equal,
               label_a = truths.label AS a_is_right, label_b = truths.label AS b_is_right,
               (epoch_us(happened_at) - {start_us}) // {window.grain_s * 1_000_000} AS bucket{_listed(segment_keys)}
        FROM pairs LEFT JOIN truths USING (subject_id) WHERE {chosen}
    """
    sets = ["(label_a, label_b, bucket, is_equal)", "(a_is_right, b_is_right)"]
    sets += [f"(is_equal, {_column(key)})" for key in segment_keys]
    marks = "".join(f", grouping({_column(key)}) = 0" for key in segment_keys)
    rows = connection.execute(
        "SELECT count(*), grouping(a_is_right) = 0, label_a, label_b, bucket, a_is_right, b_is_right, is_equal"
        f"{_listed(segment_keys)}{marks} FROM ({source}) GROUP BY GROUPING SETS ({', '.join(sets)})",
        parameters,
    ).fetchall()
    return _sort_out(rows, segment_keys)


def weigh(connection: Any, segments: Mapping[str, str], chances: Mapping[str, float]) -> Weighed:
    """Add up `pairs` with weights; a subject without a known chance came by itself and weighs 1."""
    chosen, parameters = _condition(segments)
    known = {"subject_id": pa.array(list(chances), pa.string()), "pi": pa.array(list(chances.values()), pa.float64())}
    connection.register("chances", pa.table(known))
    found = connection.execute(
        f"""
        SELECT coalesce(sum(w), 0), coalesce(sum(w * w), 0), coalesce(sum(w) FILTER (label_a = label_b), 0)
        FROM (
            SELECT *, 1 / coalesce(pi, 1) AS w FROM pairs LEFT JOIN chances USING (subject_id)
        ) WHERE {chosen}
        """,
        parameters,
    ).fetchone()
    return Weighed(*map(float, found))


def _sort_out(rows: list[Any], segment_keys: tuple[str, ...]) -> Tally:
    """The rows of all grouping sets, each in its place."""
    cells: dict[tuple[str, str, int], int] = {}
    by_segment: dict[tuple[str, str], tuple[int, int]] = {}
    right: dict[tuple[bool, bool], int] = {}
    n_keys = len(segment_keys)
    for n, is_of_truth, label_a, label_b, bucket, a_is_right, b_is_right, is_equal, *rest in rows:
        here = next((index for index in range(n_keys) if rest[n_keys + index]), None)
        if is_of_truth:
            if a_is_right is not None:
                right[a_is_right, b_is_right] = int(n)
        elif here is None:
            cells[label_a, label_b, int(bucket)] = int(n)
        elif rest[here] is not None:
            place = (segment_keys[here], rest[here])
            total, agreed = by_segment.get(place, (0, 0))
            by_segment[place] = (total + int(n), agreed + (int(n) if is_equal else 0))
    return Tally(cells, by_segment, right)


def add_up(tallies: Iterable[Tally]) -> Tally:
    """The counts of all parts together, with the largest values of each segment key."""
    cells: Counter[tuple[str, str, int]] = Counter()
    right: Counter[tuple[bool, bool]] = Counter()
    by_segment: dict[tuple[str, str], tuple[int, int]] = {}
    for part in tallies:
        cells.update(part.cells)
        right.update(part.right)
        for place, (n, n_agreed) in part.segments.items():
            total, agreed = by_segment.get(place, (0, 0))
            by_segment[place] = (total + n, agreed + n_agreed)
    return Tally(dict(cells), _largest(by_segment), dict(right))


def newest_first(pages: Sequence[pa.Table], limit: int) -> pa.Table:
    """The first page of all parts' first pages."""
    order = [("happened_at", "descending"), ("key", "descending")]
    return pa.concat_tables(pages).sort_by(order).slice(0, limit) if len(pages) > 1 else pages[0]


def list_disagreements(
    connection: Any,
    segment_keys: tuple[str, ...],
    segments: Mapping[str, str],
    truths: pa.Table,
    *,
    labels: tuple[str | None, str | None] = (None, None),
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> pa.Table:
    """Pairs of one part whose labels differ, newest first; `labels` narrows to one cell of the confusion matrix."""
    chosen, parameters = _condition(segments)
    for name, label in zip(("label_a", "label_b"), labels, strict=True):
        if label is not None:
            chosen += f" AND {name} = ${name}"
            parameters[name] = label
    if after is not None:
        chosen += " AND (happened_at < $after_at OR (happened_at = $after_at AND key < $after_key))"
        parameters |= {"after_at": after[0], "after_key": after[1]}
    connection.register("truths", truths)
    names = ["key", "subject_id", "label_a", "label_b", "happened_at", "event_id", "score", "artifact"]
    columns = ", ".join(f"pairs.{name}" for name in names) + "".join(f", pairs.{_column(key)}" for key in segment_keys)
    found: pa.Table = connection.sql(
        f"SELECT {columns}, truths.label AS truth FROM pairs LEFT JOIN truths USING (subject_id) "
        f"WHERE label_a <> label_b AND {chosen} ORDER BY happened_at DESC, key DESC LIMIT {int(limit)}",
        params=parameters,
    ).to_arrow_table()
    return found


def _condition(segments: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    parts = ["true"]
    parameters: dict[str, Any] = {}
    for index, (key, value) in enumerate(segments.items()):
        parts.append(f"{_column(key)} = $segment_{index}")
        parameters[f"segment_{index}"] = value
    return " AND ".join(parts), parameters


def _listed(segment_keys: tuple[str, ...]) -> str:
    return "".join(f", {_column(key)}" for key in segment_keys)


def _column(segment_key: str) -> str:
    return quote("seg_" + segment_key)


def _largest(by_segment: dict[tuple[str, str], tuple[int, int]]) -> dict[tuple[str, str], tuple[int, int]]:
    kept: dict[tuple[str, str], tuple[int, int]] = {}
    seen: dict[str, int] = {}
    for place in sorted(by_segment, key=lambda place: (place[0], -by_segment[place][0], place[1])):
        seen[place[0]] = seen.get(place[0], 0) + 1
        if seen[place[0]] <= MAX_SEGMENT_VALUES:
            kept[place] = by_segment[place]
    return kept


def _literal(text: str) -> str:
    """A SQL string literal: views cannot have parameters."""
    return "'" + text.replace("'", "''") + "'"
