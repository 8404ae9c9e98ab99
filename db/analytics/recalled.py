"""Live answers of one version, the likeliest wrong first: the rows of a recall list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from db.analytics.audited import said_sql
from db.analytics.outcomes import Scoring
from db.eventlog.filters import Filter, compile_filters
from db.eventlog.schema import spec_of

if TYPE_CHECKING:
    from db.eventlog.log import EventLog


def live_answers(
    eventlog: EventLog,
    model: Any,
    version: str,
    segments: Mapping[str, str],
    window: tuple[datetime, datetime],
    *,
    chances: Mapping[int, float],
    judged: Collection[str],
    limit: int,
) -> tuple[pa.Table, dict[str, int], dict[int, int]]:
    """One row per subject, its likeliest wrong answer: subject, event_id, happened_at, label, score, chance_wrong.

    `chances` is the chance to be wrong per bin of confidence (review.rules.evidence). Subjects in `judged` are left
    out. Beside the rows: n_answers, n_judged (answers about judged subjects) and n_subjects (of the others), and how
    many answers about the others lie in each bin. Shadow answers were not live.
    """
    filters = [Filter("version", "eq", version), Filter("status", "eq", "ok"), Filter("role", "ne", "shadow")]
    filters += [Filter("seg_" + key, "eq", value) for key, value in segments.items()]
    filters += [Filter("happened_at", "ge", window[0]), Filter("happened_at", "lt", window[1])]
    condition, parameters = compile_filters(filters, spec_of(model).stored.names)
    said = f"WITH said AS ({said_sql(Scoring.of(model), condition)})"
    known = pa.table({"subject_id": pa.array(sorted(judged), pa.string())})
    table = pa.table(
        {"bin": pa.array(list(chances), pa.int32()), "chance_wrong": pa.array(list(chances.values()), pa.float64())}
    )
    fresh = "subject NOT IN (SELECT subject_id FROM judged)"
    with eventlog.connect(model.id, *window) as connection:
        connection.register("judged", known)
        connection.register("chances", table)
        rows = connection.sql(
            f"{said} SELECT subject, event_id, make_timestamp(happened) AS happened_at, label, score, chance_wrong "
            f"FROM said JOIN chances USING (bin) WHERE {fresh} "
            "QUALIFY row_number() OVER (PARTITION BY subject ORDER BY chance_wrong DESC, score, event_id) = 1 "
            f"ORDER BY chance_wrong DESC, score NULLS LAST, event_id LIMIT {int(limit)}",
            params=parameters,
        ).to_arrow_table()
        numbers = connection.sql(
            f"{said} SELECT count(*) AS n_answers, count(*) FILTER (WHERE NOT ({fresh})) AS n_judged, "
            f"count(DISTINCT subject) FILTER (WHERE {fresh}) AS n_subjects FROM said",
            params=parameters,
        ).to_arrow_table()
        bins = connection.sql(
            f"{said} SELECT bin, count(*) AS n FROM said WHERE {fresh} GROUP BY bin", params=parameters
        ).to_arrow_table()
    found: dict[str, int] = numbers.to_pylist()[0]
    return rows, found, dict(zip(bins["bin"].to_pylist(), bins["n"].to_pylist(), strict=True))
