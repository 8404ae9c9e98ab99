"""What helps a person to judge one item: ranges of its inputs, labelled rows like it, marks on its sound or text.

Asked for while the item waits, never on the key path, and never with what the machine said before the person has.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from cachetools import TTLCache
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound
from backend.review_tasks import alike
from backend.review_tasks.deciding import shows_answer
from backend.review_tasks.ranges import Usual, usual
from backend.review_tasks.schemas import FieldContext, ItemContext, Neighbour, Segment, Span
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Model
from db.models.review import ReviewTask
from db.repositories import decisions, ground_truth, models, review_tasks
from review.rules.marks import segments_in, spans_in
from review.rules.neighbours import is_number, nearest
from review.rules.reference_range import State, state_of_category, state_of_number

N_NEIGHBOURS = 5
#: Labelled rows that are compared with: the newest ones.
MAX_LABELLED = 500
#: Identical rows that one answer may go to.
MAX_ALIKE = 50
#: Inputs of a row that are shown; a row of thousands is no table for people.
MAX_FIELDS = 400

_Labelled = dict[str, tuple[str, dict[str, Any]]]
_labelled: TTLCache[tuple[str, str], _Labelled] = TTLCache(maxsize=200, ttl=20.0)
_lock = threading.Lock()


def context_of(database: Database, eventlog: EventLog, me: Principal, task_id: str, *, now: datetime) -> ItemContext:
    """The context of an item that the caller holds or has answered; Conflict for one that is not theirs."""
    with database.read() as session:
        task, model = _mine(session, me, task_id)
        has_answered = bool(decisions.own_on_task(session, task.id, me.judge))
        same = alike.find(session, me, task, now=now, n=MAX_ALIKE) if model.item_kind == "tabular" else []
        labelled = _labelled_rows(session, database, model) if model.item_kind == "tabular" else {}
        session.expunge_all()
    made = ItemContext(alike=len(same))
    if model.item_kind == "tabular":
        _add_table(made, task, model, labelled, usual(database, eventlog, model, now))
    elif model.item_kind in ("text", "audio"):
        _add_marks(made, task, model, eventlog, may_see=has_answered and shows_answer(task, model))
    return made


def _mine(session: Session, me: Principal, task_id: str) -> tuple[ReviewTask, Model]:
    task = review_tasks.get_task(session, task_id)
    model = models.get_model(session, task.model_id) if task is not None else None
    if task is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such review task")
    if task.leased_to != me.id and not decisions.own_on_task(session, task.id, me.judge):
        raise Conflict("this item is not yours: claim it first", code="not_claimed")
    return task, model


# --- tables ---------------------------------------------------------------------------------------------------------


def _add_table(made: ItemContext, task: ReviewTask, model: Model, labelled: _Labelled, known: Usual) -> None:
    inputs: Mapping[str, Any] = task.item.get("inputs") or {}
    declared = {str(one["name"]): one for one in model.inputs}
    names = [*declared, *(name for name in inputs if name not in declared)][:MAX_FIELDS]
    made.source, made.source_name, made.n_rows = known.source, known.name, known.n_rows
    made.fields = [_field(name, inputs.get(name), declared.get(name, {}), known) for name in names]
    others = {name: row for name, (_, row) in labelled.items() if name != task.subject_id}
    made.n_labelled = len(others)
    made.neighbours = [
        Neighbour(subject_id=name, label=labelled[name][0], distance=gap, inputs=labelled[name][1])
        for name, gap in nearest(inputs, others, N_NEIGHBOURS)
    ]


def _field(name: str, value: Any, declared: Mapping[str, Any], known: Usual) -> FieldContext:
    if is_number(value) or name in known.ranges or declared.get("type") in ("number", "integer"):
        number = float(value) if is_number(value) else None
        found = known.ranges.get(name)
        state = state_of_number(number, found)
        if number is not None and _is_beyond(number, declared):
            state = "outside"
        quantiles = {key: getattr(found, key) for key in found.__slots__} if found is not None else {}
        return FieldContext(name=name, kind="number", value=value, state=state, **quantiles)
    if isinstance(value, str | bool) or name in known.shares:
        word = str(value).lower() if isinstance(value, bool) else value
        return _category(name, value, word, declared, known)
    state_: State = "missing" if value is None else "unknown"
    return FieldContext(name=name, kind="other", value=value, state=state_)


def _category(name: str, value: Any, word: Any, declared: Mapping[str, Any], known: Usual) -> FieldContext:
    shares, more = known.shares.get(name), known.known.get(name, frozenset())
    state = state_of_category(word, shares, more)
    if word is not None and declared.get("categories") and word not in declared["categories"]:
        state = "outside"
    share = (shares or {}).get(word) if word is not None else None
    return FieldContext(name=name, kind="category", value=value, state=state, share=share)


def _is_beyond(value: float, declared: Mapping[str, Any]) -> bool:
    low, high = declared.get("minimum"), declared.get("maximum")
    return (low is not None and value < low) or (high is not None and value > high)


def _labelled_rows(session: Session, database: Database, model: Model) -> _Labelled:
    """The newest labelled subjects with their label and inputs, at most some seconds old."""
    key = (str(database.url), model.id)
    with _lock:
        found = _labelled.get(key)
    if found is None:
        rows = ground_truth.newest_with_inputs(session, model.id, MAX_LABELLED)
        found = {subject_id: (label, inputs) for subject_id, label, inputs in rows}
        with _lock:
            _labelled[key] = found
    return found


def forget() -> None:
    """Read labels anew at the next question."""
    with _lock:
        _labelled.clear()


# --- sounds and texts -----------------------------------------------------------------------------------------------


def _add_marks(made: ItemContext, task: ReviewTask, model: Model, eventlog: EventLog, *, may_see: bool) -> None:
    """Segments and spans of the event. What stands beside its inputs may be the machine's: spans wait for `may_see`."""
    event = eventlog.find(model.id, task.event_id) if task.event_id else None
    extra: dict[str, Any] = orjson.loads(event["extra"]) if event and event.get("extra") else {}
    inputs = [task.item.get("inputs"), extra.get("inputs")]
    if model.item_kind == "audio":
        found = segments_in(*inputs, extra)
        made.segments = [Segment(start_s=start, end_s=end) for start, end in found]
        return
    letters = len(str(task.item.get("text") or ""))
    spans = spans_in(letters, *inputs)
    if may_see:
        prediction = task.answers[0].get("prediction") if task.answers else None
        spans = spans_in(letters, prediction, extra) or spans
    made.spans = [Span(start=start, end=end, label=label) for start, end, label in spans]
