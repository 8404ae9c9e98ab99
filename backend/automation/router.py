"""/v1/automation: where a model stands on the ladder, its gates and verdicts, moving it, and recalls."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.automation import backtest as past
from backend.automation import recalling, schemas, service, showing
from backend.automation.collect import Source
from backend.automation.drifting import drift_look
from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.errors import Conflict, Invalid, NotFound
from backend.models.service import require_model
from backend.services import Services
from db.analytics.audited import Audited
from db.analytics.series import Charts
from db.analytics.watched import Watcher
from db.base import utc_now
from db.models.automation import AutomationBlock, AutomationPolicy
from db.models.model import Model
from db.repositories import audit, automation, models

router = guarded_router("/v1/automation", "aggregates:read")
WRITES = [Depends(allow("rollouts:write"))]
Limit = Annotated[int, Query(ge=1, le=500)]
SegmentAsked = Annotated[str | None, Query(max_length=320)]


def source_of(soi: Services) -> Source:
    """Where this process's evidence comes from."""
    return Source(
        Audited(soi.eventlog, soi.outcomes.knowledge),
        Watcher(Charts(soi.database, soi.eventlog, soi.answers)),
        drift_look(soi.database, soi.eventlog, soi.answers),
    )


@router.get("/{model}")
def get_ladder(model: str, session: Reader, me: Me) -> schemas.Ladder:
    """Where the model and its segments stand: level, policy, block and newest verdict of each."""
    return showing.ladder(session, require_model(session, me, model))


@router.get("/{model}/policies")
def list_policies(
    model: str, session: Reader, me: Me, segment: SegmentAsked = None, limit: Limit = 50
) -> list[schemas.PolicyOut]:
    """All versions of the model's policies, newest first."""
    found = require_model(session, me, model)
    return showing.policies_out(session, automation.list_policies(session, found.id, segment, limit=limit))


@router.put("/{model}/policy", dependencies=WRITES)
def put_policy(model: str, body: schemas.PolicyIn, session: Writer, me: Me) -> schemas.PolicyOut:
    """Put a policy in force for the model or one of its segments, as a new version with a reason."""
    found = require_model(session, me, model)
    _check(found, body.segment, body.policy)
    models.lock_model(session, found.id)
    before = automation.policy_in_force(session, found.id, body.segment)
    if body.based_on is not None and body.based_on != (before.id if before else 0):
        raise Conflict("another policy came into force meanwhile: look again", code="policy_changed")
    row = service.put_policy(session, me, found, body.segment, body.policy, body.reason)
    return showing.policies_out(session, [row])[0]


@router.post("/{model}/policy/remove", dependencies=WRITES)
def remove_policy(model: str, body: schemas.LadderAct, session: Writer, me: Me) -> schemas.PolicyOut:
    """Take the policy away, with a reason: nothing is promoted or stepped back any more until there is another."""
    found = require_model(session, me, model)
    if automation.policy_in_force(session, found.id, body.segment) is None:
        raise NotFound("there is no policy to take away", code="no_policy")
    row = AutomationPolicy(
        model_id=found.id, segment=body.segment, document=None, reason=body.reason, created_by=me.actor
    )
    automation.add(session, row)
    details = {"policy": row.id, "segment": body.segment}
    audit.record(session, me.actor, "automation.policy_removed", f"model:{found.name}", details, body.reason)
    return showing.policies_out(session, [row])[0]


@router.post("/{model}/evaluate", dependencies=WRITES)
def evaluate(model: str, body: schemas.EvaluateIn, soi: Soi, me: Me) -> schemas.VerdictOut:
    """Look at the gates now and keep the verdict; nothing is moved."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
        policy = _policy(session, found, body.segment)
    evaluated = service.evaluate(soi.database, source_of(soi), found, policy, utc_now())
    with soi.database.write() as writing:
        return showing.verdict_out(service.store(writing, evaluated))


@router.get("/{model}/verdicts")
def list_verdicts(
    model: str,
    session: Reader,
    me: Me,
    segment: SegmentAsked = None,
    before_id: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Limit = 50,
) -> list[schemas.VerdictLine]:
    """Kept verdicts, newest first."""
    found = require_model(session, me, model)
    rows = automation.list_verdicts(session, found.id, segment, limit=limit, before_id=before_id)
    return [showing.verdict_line(row) for row in rows]


@router.get("/{model}/verdicts/{verdict_id}")
def get_verdict(model: str, verdict_id: int, session: Reader, me: Me) -> schemas.VerdictOut:
    """One verdict with its evidence and policy, and whether it replays to the same bytes."""
    row = automation.get_verdict(session, require_model(session, me, model).id, verdict_id)
    if row is None:
        raise NotFound("there is no such verdict")
    return showing.verdict_out(row)


@router.post("/{model}/promote", dependencies=WRITES)
def promote(model: str, body: schemas.LadderAct, soi: Soi, me: Me) -> schemas.VerdictOut:
    """Go one level up, on evidence that is looked at again now; 409 unless the gates are passed and nobody blocks."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
        policy = _policy(session, found, body.segment)
    evaluated = service.evaluate(soi.database, source_of(soi), found, policy, utc_now())
    verdict = evaluated.verdict
    if verdict["kind"] != "promote":
        details = {"verdict": verdict["kind"], "why": verdict["key"]}
        raise Conflict("the evidence does not say promote", code="not_earned", details=details)
    with soi.database.write() as writing:
        if automation.open_block(writing, found.id, body.segment) is not None:
            raise Conflict("somebody blocked this model meanwhile", code="blocked")
        row = service.store(writing, evaluated)
        moved = service.move(
            writing,
            found,
            body.segment,
            verdict["to"],
            actor=me.actor,
            reason=body.reason,
            acceptance=verdict["acceptance"],
            based_on=evaluated.standing.rollout_id,
        )
        row.rollout_id = moved.id
        writing.flush()
        return showing.verdict_out(row)


@router.post("/{model}/step-back", dependencies=WRITES)
def step_back(model: str, body: schemas.LadderAct, session: Writer, me: Me) -> schemas.Ladder:
    """Go one level down at once, with a reason; needs no policy and no evidence."""
    found = require_model(session, me, model)
    models.lock_model(session, found.id)
    standing = service.standing_of(session, found, body.segment)
    to = service.next_level(standing, "step_back")
    service.move(session, found, body.segment, to, actor=me.actor, reason=body.reason, based_on=standing.rollout_id)
    return showing.ladder(session, found)


@router.get("/{model}/blocks")
def list_blocks(model: str, session: Reader, me: Me, limit: Limit = 50) -> list[schemas.BlockOut]:
    """Who held the model where it was, when and why; newest first."""
    found = require_model(session, me, model)
    return showing.blocks_out(session, automation.list_blocks(session, found.id, limit=limit))


@router.post("/{model}/block", status_code=201, dependencies=WRITES)
def block(model: str, body: schemas.LadderAct, session: Writer, me: Me) -> schemas.BlockOut:
    """Hold the model or a segment where it is: nothing is promoted until the block ends. Steps back still happen."""
    found = require_model(session, me, model)
    _check_segment(found, body.segment)
    models.lock_model(session, found.id)
    before = automation.open_block(session, found.id, body.segment)
    if before is not None and before.segment == body.segment:
        raise Conflict("this is blocked already", code="blocked")
    row = AutomationBlock(model_id=found.id, segment=body.segment, reason=body.reason, created_by=me.actor)
    automation.add(session, row)
    details = {"block": row.id, "segment": body.segment}
    audit.record(session, me.actor, "automation.blocked", f"model:{found.name}", details, body.reason)
    return showing.blocks_out(session, [row])[0]


@router.post("/{model}/unblock", dependencies=WRITES)
def unblock(model: str, body: schemas.LadderAct, session: Writer, me: Me) -> schemas.BlockOut:
    """End the block, with a reason."""
    found = require_model(session, me, model)
    models.lock_model(session, found.id)
    row = automation.open_block(session, found.id, body.segment)
    if row is None or row.segment != body.segment:
        raise NotFound("nothing is blocked here", code="no_block")
    row.ended_at, row.ended_by, row.end_reason = utc_now(), me.actor, body.reason
    details = {"block": row.id, "segment": body.segment}
    audit.record(session, me.actor, "automation.unblocked", f"model:{found.name}", details, body.reason)
    return showing.blocks_out(session, [row])[0]


@router.post("/{model}/backtest")
def backtest(model: str, body: schemas.BacktestIn, soi: Soi, me: Me) -> schemas.Backtest:
    """What a policy would have said at the end of each past day, from what was known then."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
    _check(found, body.segment, body.policy)
    return past.backtest(soi.database, source_of(soi), found, body, utc_now())


@router.get("/{model}/recalls", dependencies=[Depends(allow("review:manage"))])
def list_recalls(model: str, session: Reader, me: Me, limit: Limit = 50) -> list[schemas.RecallOut]:
    """Recalls opened so far, newest first."""
    found = require_model(session, me, model)
    return showing.recalls_out(session, automation.list_recalls(session, found.id, limit=limit))


@router.post("/{model}/recalls/preview", dependencies=[Depends(allow("review:manage")), Depends(allow("events:read"))])
def preview_recall(model: str, body: schemas.RecallIn, soi: Soi, me: Me) -> schemas.RecallPreview:
    """Count and list what a recall would open, without opening it."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
    return recalling.find(soi.database, soi.eventlog, source_of(soi).audited, found, body, utc_now()).preview


@router.post(
    "/{model}/recalls",
    status_code=201,
    dependencies=[Depends(allow("review:manage")), Depends(allow("events:read"))],
)
def open_recall(model: str, body: schemas.RecallIn, soi: Soi, me: Me) -> schemas.RecallOut:
    """Open the version's live answers as review tasks, the likeliest wrong first."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
    now = utc_now()
    listed = recalling.find(soi.database, soi.eventlog, source_of(soi).audited, found, body, now)
    with soi.database.write() as writing:
        row = recalling.open_recall(writing, found, body, listed, actor=me.actor, now=now)
        return showing.recalls_out(writing, [row])[0]


def _policy(session: Reader, model: Model, segment: str) -> AutomationPolicy:
    policy = automation.policy_in_force(session, model.id, segment)
    if policy is None:
        raise NotFound("there is no policy: declare one first", code="no_policy")
    return policy


def _check(model: Model, segment: str, policy: schemas.Policy) -> None:
    """Invalid where the model cannot have what the policy asks for."""
    _check_segment(model, segment)
    gates = {gate.kind for step in policy.steps for gate in step.gates}
    if model.output_kind not in ("label", "text") and gates & {"accuracy", "non_inferiority", "escape"}:
        raise Invalid("gates on right answers need a model whose outputs are labels", code="not_for_numbers")
    if "escape" in gates and not showing.has_positives(model):
        raise Invalid("an escape gate needs a label that is a defect", code="no_positive_label")


def _check_segment(model: Model, segment: str) -> None:
    key = segment.partition("=")[0]
    if segment and key not in (model.segment_keys or ()):
        raise Invalid(f"unknown segment key {key!r}", details={"known": list(model.segment_keys or ())})
