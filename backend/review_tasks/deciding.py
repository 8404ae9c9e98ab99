"""What happens when a person answers an item, and when they take the answer back.

An answer is never discarded. One with the token of a lease that somebody else holds by now, or about an item that is
closed, is stored as an extra opinion and the person is told; it counts for nothing but stays readable.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.review_tasks import flagging
from backend.review_tasks.schemas import ClaimedTask, DecideBody, Decided, Reveal
from backend.review_tasks.service import present
from backend.review_tasks.showing import reveal_of, story_of
from db.base import new_id
from db.models.model import Model
from db.models.review import Decision, ReviewTask
from db.repositories import decisions, ground_truth, models, review_tasks, subjects
from db.repositories.resolution import resolve_subjects
from review.rules.queue import NOT_EVIDENCE, SKIPS_TO_CLOSE, UNDONE, Lease, receive
from review.rules.showing import blind_share, shows
from review.rules.skips import read_skip

Outcome = Literal["counted", "late", "corrected", "revealed", "extra"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
COUNTING: frozenset[Outcome] = frozenset({"counted", "late"})
EXTRA_MESSAGE = "somebody else has answered or holds this item; yours is kept as an extra opinion"


def decide(session: Session, me: Principal, task_id: str, body: DecideBody, *, now: datetime) -> Decided:
    """Store an answer and do what follows from it: close, escalate, resolve, reveal."""
    task, model = _hold(session, task_id)
    key = f"{me.judge}:{body.idempotency_key}" if body.idempotency_key else None
    before = decisions.find_by_key(session, key) if key is not None else None
    if before is not None:
        return _again(before, task, model, body)
    check_label(model, body.verb, body.label)
    check_skip(body.verb, body.skip_reason)
    own = decisions.own_on_task(session, task.id, me.judge)
    outcome = _outcome(task, model, me, body, own, now)
    decision = _decision(task, me, body, outcome, key, now, had_looked=any(_looked(row) for row in own))
    reveal = _reveal(task, model, me, body)
    decision.details |= story_of(task, me, body, reveal, outcome, now)
    session.add(decision)
    session.flush()
    replaced = [row.id for row in own if row.superseded_by == UNDONE or _replaces(outcome, row)]
    decisions.supersede(session, replaced, by=decision.id)
    _apply(session, task, me, decision, outcome, now)
    return Decided(
        decision_id=decision.id,
        outcome=outcome,
        task_state=task.state,
        message=EXTRA_MESSAGE if outcome == "extra" else None,
        reveal=reveal,
    )


def check_label(model: Model, verb: str, label: str | None) -> None:
    """A label must be one of the model's; unsure and skip carry none."""
    if verb != "label":
        if label is not None:
            raise Invalid(f"{verb} carries no label", code="label_not_expected", details={"pointer": "/label"})
        return
    if label is None:
        raise Invalid("a label is missing", code="label_missing", details={"pointer": "/label"})
    if model.output_kind == "number" and not _is_number(label):
        raise Invalid(f"{label!r} is not a number", code="not_a_number", details={"pointer": "/label"})
    names = [str(one["name"]) for one in model.labels]
    if names and label not in names:
        raise Invalid(
            f"{label!r} is not a label of {model.name}",
            code="unknown_label",
            details={"pointer": "/label", "labels": names},
        )


def check_skip(verb: str, reason: str | None) -> None:
    """Only a skip has a reason."""
    if reason is not None and verb != "skip":
        raise Invalid(f"{verb} has no reason", code="reason_not_expected", details={"pointer": "/skip_reason"})


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _hold(session: Session, task_id: str) -> tuple[ReviewTask, Model]:
    """Lock the subject, then the task: always in this order, so that two people cannot block each other."""
    peek = review_tasks.get_task(session, task_id)
    if peek is None:
        raise NotFound("there is no such review task")
    subjects.lock_subjects(session, peek.model_id, [peek.subject_id])
    task = review_tasks.lock_task(session, task_id)
    model = models.get_model(session, peek.model_id)
    if task is None or model is None:
        raise NotFound("there is no such review task")
    return task, model


def _again(before: Decision, task: ReviewTask, model: Model, body: DecideBody) -> Decided:
    if (before.task_id, before.label, before.verb) != (task.id, body.label, body.verb):
        raise Conflict("this idempotency key belongs to another answer", code="idempotency_conflict")
    outcome = next((one for one in OUTCOMES if one == before.details.get("outcome")), "counted")
    return Decided(
        decision_id=before.id,
        outcome=outcome,
        task_state=task.state,
        is_repeated=True,
        message=EXTRA_MESSAGE if outcome == "extra" else None,
        reveal=_reveal_to(task, model, before.judge, body),
    )


def _outcome(
    task: ReviewTask, model: Model, me: Principal, body: DecideBody, own: list[Decision], now: datetime
) -> Outcome:
    answered = [row for row in own if row.superseded_by is None and _counts(row)]
    if answered:
        return "revealed" if shows_answer(task, model) else "corrected"
    if task.mode == "adjudicate" and any(one.get("judge") == me.judge for one in task.answers):
        return "extra"
    lease = Lease(task.state, task.lease_token, task.leased_to, task.lease_until)
    return receive(lease, token=body.lease_token, person=me.id, now=now)


def shows_answer(task: ReviewTask, model: Model) -> bool:
    """Whether the machine's answer is shown to whoever has answered: the mode's, less the share that stays blind."""
    return shows(task.mode, task.seed, task.subject_id, blind_share(model.settings))


def _looked(row: Decision) -> bool:
    """The machine's answer had been sent after this answer, which may have been taken back since."""
    return "revealed_at" in row.details


def _counts(row: Decision) -> bool:
    return row.verb != "skip" and row.details.get("outcome") != "extra"


def _replaces(outcome: Outcome, row: Decision) -> bool:
    """A new answer replaces the person's earlier one, but a second answer after a reveal stands beside the first."""
    return outcome != "revealed" or row.verb == "skip"


def _decision(
    task: ReviewTask,
    me: Principal,
    body: DecideBody,
    outcome: Outcome,
    key: str | None,
    now: datetime,
    *,
    had_looked: bool,
) -> Decision:
    """`had_looked`: an answer was taken back after the machine's was shown, so this one is not blind any more."""
    why_not = _why_no_evidence(task, body, outcome, had_looked)
    details: dict[str, Any] = {"outcome": outcome, "task_reason": task.reason, "stratum": task.stratum}
    if why_not is not None:
        details["not_evidence"] = why_not
    if body.is_flagged:
        details["is_flagged"] = True
    blind = "assisted" if task.mode == "adjudicate" or had_looked else "blind"
    seen = "revealed" if outcome == "revealed" else blind
    reason, comment = read_skip(body.skip_reason, body.comment) if body.verb == "skip" else (None, body.comment)
    return Decision(
        model_id=task.model_id,
        subject_id=task.subject_id,
        event_id=task.event_id,
        task_id=task.id,
        judge=me.judge,
        label=body.label,
        verb=body.verb,
        seen=seen,
        is_adjudication=task.mode == "adjudicate",
        duration_ms=body.duration_ms,
        pi=task.pi,
        is_evidence=why_not is None,
        is_planted=task.reason in NOT_EVIDENCE,
        comment=comment,
        skip_reason=reason,
        boxes=body.boxes,
        details=details,
        idempotency_key=key,
        decided_at=now,
        logged_at=now,
    )


def _why_no_evidence(task: ReviewTask, body: DecideBody, outcome: Outcome, had_looked: bool) -> str | None:
    if task.mode == "adjudicate":
        return "an adjudicator saw the other opinions"
    if task.reason in NOT_EVIDENCE:
        return f"a {task.reason} item measures the person, not the model"
    if body.verb == "skip":
        return "the item was skipped"
    if outcome == "extra":
        return "an extra opinion: the item was answered by somebody else"
    if outcome == "revealed" or had_looked:
        return "the machine's answer was shown before"
    if not task.pi:
        return "the item was picked by hand, with no inclusion probability"
    return None


def _apply(
    session: Session, task: ReviewTask, me: Principal, decision: Decision, outcome: Outcome, now: datetime
) -> None:
    is_answer = decision.verb != "skip"
    is_adjudication = task.mode == "adjudicate"
    settles = is_adjudication and decision.verb == "label"
    if outcome in COUNTING:
        if is_answer and (settles or not is_adjudication):
            task.n_decided += 1
        _free(task)
        is_skipped = not is_answer and decisions.n_skips(session, task.id) >= SKIPS_TO_CLOSE
        if is_skipped:
            task.state, task.closed_at = "skipped", now
    if task.state == "open" and task.n_decided >= task.n_wanted:
        task.state, task.closed_at = "done", now
        _free(task)
    if settles and outcome != "extra":
        _put_adjudicated(session, task, me, decision, now)
    session.flush()
    if decision.details.get("is_flagged") and not decision.is_planted:
        flagging.ask_another(session, task, now)
    if is_answer and not is_adjudication and task.reason not in NOT_EVIDENCE:
        only_added = outcome in COUNTING
        resolve_subjects(session, task.model_id, [task.subject_id], now, only_added=only_added)


def _free(task: ReviewTask) -> None:
    task.lease_token = task.leased_to = task.lease_until = None


def _put_adjudicated(session: Session, task: ReviewTask, me: Principal, decision: Decision, now: datetime) -> None:
    assert decision.label is not None
    ground_truth.put_truth(
        session,
        model_id=task.model_id,
        subject_id=task.subject_id,
        label=decision.label,
        method="adjudication",
        resolved_by=me.judge,
        resolved_at=now,
        details={"decision_id": decision.id, "opinions": task.answers},
    )


def _reveal(task: ReviewTask, model: Model, me: Principal, body: DecideBody) -> Reveal | None:
    return _reveal_to(task, model, me.judge, body)


def _reveal_to(task: ReviewTask, model: Model, judge: str, body: DecideBody) -> Reveal | None:
    """The champion's answer, in the modes that show it, once a person has said something themselves."""
    if body.verb == "skip" or not shows_answer(task, model):
        return None
    return reveal_of(task, model, judge, body.label)


def undo(
    session: Session,
    me: Principal,
    model_id: str | None,
    *,
    answer: str | None = None,
    now: datetime,
    lease: timedelta,
) -> ClaimedTask:
    """Take back the person's latest answer, or the one named by its idempotency key; the item is theirs again."""
    peek = decisions.last_undoable(session, me.judge, model_id, key=f"{me.judge}:{answer}" if answer else None)
    if peek is None or peek.task_id is None:
        raise Conflict("there is nothing left to take back", code="nothing_to_undo")
    task, model = _hold(session, peek.task_id)
    session.refresh(peek)
    is_second = peek.details.get("outcome") == "revealed"
    if (
        answer is not None
        and peek.superseded_by == UNDONE
        and (is_second or (task.leased_to == me.id and task.lease_token))
    ):
        return present(task, model, task.lease_token or new_id(), task.lease_until, previous_label=peek.label)
    if peek.superseded_by is not None:
        raise Conflict("this answer was taken back already", code="nothing_to_undo")
    token, until = new_id(), now + lease
    _take_back(session, me, peek, task, token, until, now)
    for other in decisions.given_alike(session, peek):
        its_task, _ = _hold(session, str(other.task_id))
        _take_back(session, me, other, its_task, None, None, now)
    return present(task, model, token, until, previous_label=peek.label)


def _take_back(
    session: Session,
    me: Principal,
    peek: Decision,
    task: ReviewTask,
    token: str | None,
    until: datetime | None,
    now: datetime,
) -> None:
    """Undo one answer; its item is open again and, with a token, leased to its person."""
    decisions.supersede(session, [peek.id], by=UNDONE)
    if peek.details.get("outcome") not in ("extra", "revealed"):  # after a reveal the first answer stands
        if _counts(peek) and not _was_unsettled(peek):
            task.n_decided = max(0, task.n_decided - 1)
        task.state, task.closed_at = "open", None
        task.lease_token, task.leased_to, task.lease_until = token, me.id if token else None, until
    if peek.details.get("is_flagged"):
        flagging.ask_nobody(session, task, now)
    session.flush()
    truth = ground_truth.current_truths(session, task.model_id, [task.subject_id]).get(task.subject_id)
    if truth is not None and truth.details.get("decision_id") == peek.id:
        ground_truth.withdraw_truth(session, truth)
    if not peek.is_adjudication:
        resolve_subjects(session, task.model_id, [task.subject_id], now)


def _was_unsettled(decision: Decision) -> bool:
    """An adjudicator who was unsure had not been counted."""
    return decision.is_adjudication and decision.verb != "label"
