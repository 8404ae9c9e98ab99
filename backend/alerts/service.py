"""Making and changing alert rules and silences, and what each rule is shown as."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import schemas
from backend.alerts.rule import DRIFT, EVALUATION, EVERY_S, title_key
from backend.alerts.rules import SeriesState, recall, remember
from backend.auth.rules import Principal
from backend.errors import Invalid, NotAllowed, NotFound
from backend.models.service import require_model
from db.analytics import catalog
from db.analytics.series import Selection, UnusableSelection, check_selection
from db.base import utc_now
from db.engine import WriteSession
from db.models.alert import AlertRule, AlertSilence, AlertState
from db.models.model import Model
from db.repositories import alert_incidents, alert_rules, audit, channels, models, outbox
from db.repositories.alert_incidents import Judged
from review.rules.intervals import wilson

#: A run every few seconds; after this long without one, nobody looks at the rules.
STOPPED_AFTER_S = 120.0
#: Changing only these keeps the states that the rule has.
_KEEPS_STATE = frozenset({"name", "severity", "channel_ids", "renotify_s"})


def list_rules(session: Session, me: Principal, model: str | None) -> list[schemas.RuleOut]:
    """The rules this principal may see, those that fire first."""
    found = require_model(session, me, model) if model is not None else None
    names = _model_names(session)
    rows = alert_rules.list_rules(session, model_id=found.id if found else None)
    rows = [row for row in rows if row.model_id is None or me.may_use_model(names.get(row.model_id, ""))]
    states = _states_by_rule(session, [row.id for row in rows])
    judged = alert_incidents.count_verdicts(session)
    shown = [show_rule(row, names, states.get(row.id, []), judged.get(row.id)) for row in rows]
    order = {"alert": 0, "warning": 1, "no_data": 2, "ok": 3}
    return sorted(shown, key=lambda rule: (not rule.is_failing, order.get(rule.state or "ok", 4), rule.name))


def show_rule(
    row: AlertRule, names: Mapping[str, str], states: list[AlertState], judged: Judged | None
) -> schemas.RuleOut:
    """A rule with its worst state and what people said of it."""
    real = [one.state for one in states if one.series != EVALUATION]
    order = ("alert", "warning", "no_data", "ok")
    fields = {
        name: getattr(row, name)
        for name in schemas.RuleOut.model_fields
        if hasattr(row, name) and name not in {"condition"}
    }
    return schemas.RuleOut(
        **fields,
        title_key=title_key(row.name, row.template),
        model=names.get(row.model_id) if row.model_id else None,
        unit=catalog.unit_of(row.measure),
        condition=schemas.RuleCondition(**row.condition),
        state=next((state for state in order if state in real), None),
        is_failing=any(one.series == EVALUATION and one.state == "alert" for one in states),
        people_said=precision(judged),
    )


def precision(judged: Judged | None) -> schemas.Precision:
    """The share of true incidents among those that people judged."""
    if judged is None:
        return schemas.Precision()
    n = judged.n_true + judged.n_false + judged.n_benign
    bounds = wilson(judged.n_true, n)
    return schemas.Precision(
        n_incidents=judged.n_incidents,
        n_true=judged.n_true,
        n_false=judged.n_false,
        n_benign=judged.n_benign,
        precision=judged.n_true / n if n else None,
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
    )


def require_rule(session: Session, me: Principal, rule_id: str, *, to_write: bool = False) -> AlertRule:
    """The rule, if this principal may see it; a key for some models may not change rules for every model."""
    row = alert_rules.get_rule(session, rule_id)
    model = models.get_model(session, row.model_id) if row is not None and row.model_id else None
    if row is None or (model is not None and not me.may_use_model(model.name)):
        raise NotFound("there is no such rule")
    if to_write and model is None and me.models is not None:
        raise NotAllowed("this key is for some models only, and the rule is for every model")
    return row


def read_rule(session: Session, me: Principal, rule_id: str) -> schemas.RuleOut:
    row = require_rule(session, me, rule_id)
    return _shown(session, row)


def create_rule(session: WriteSession, me: Principal, wish: schemas.RuleIn) -> schemas.RuleOut:
    """A new rule; it is looked at within seconds."""
    fields = check_rule(session, me, wish)
    row = alert_rules.add_rule(session, AlertRule(**fields, created_by=me.actor))
    alert_rules.next_run(session, None)
    audit.record(session, me.actor, "alert_rule.created", f"rule:{row.id}", {"name": row.name})
    return _shown(session, row)


def change_rule(session: WriteSession, me: Principal, rule_id: str, wish: schemas.RuleIn) -> schemas.RuleOut:
    """Another rule under the same id. What it had open ends, unless only its name or its messages changed."""
    row = require_rule(session, me, rule_id, to_write=True)
    fields = check_rule(session, me, wish)
    changed = {name for name, value in fields.items() if getattr(row, name) != value}
    if not changed:
        return _shown(session, row)
    for name in changed:
        setattr(row, name, fields[name])
    row.changed_at = utc_now()
    if changed - _KEEPS_STATE:
        _start_over(session, row, "rule_off" if not row.is_enabled else "rule_changed")
    alert_rules.next_run(session, None)
    session.flush()
    audit.record(session, me.actor, "alert_rule.changed", f"rule:{row.id}", {"fields": sorted(changed)})
    return _shown(session, row)


def delete_rule(session: WriteSession, me: Principal, rule_id: str) -> None:
    """The rule is gone; its incidents stay."""
    row = require_rule(session, me, rule_id, to_write=True)
    alert_incidents.close_incidents(session, row.id, utc_now(), "rule_off")
    name = row.name
    session.delete(row)
    alert_rules.next_run(session, None)
    session.flush()
    audit.record(session, me.actor, "alert_rule.deleted", f"rule:{rule_id}", {"name": name})


def _start_over(session: WriteSession, row: AlertRule, reason: str) -> None:
    now = utc_now()
    alert_incidents.close_incidents(session, row.id, now, reason)
    for state in alert_rules.list_states(session, [row.id]):
        number = recall(state.memory["state"]).number
        state.memory = {"state": remember(SeriesState(state="no_data", number=number)), "score": 0.0}
        state.state, state.since, state.reason, state.value, state.n = "no_data", now, reason, None, 0.0
    row.evaluated_at = None


def check_rule(session: Session, me: Principal, wish: schemas.RuleIn) -> dict[str, Any]:
    """The columns of a rule that makes sense; Invalid says what does not."""
    fields = wish.model_dump(exclude={"model", "every_s"})
    model = require_model(session, me, wish.model) if wish.model is not None else None
    if model is None and me.models is not None:
        raise NotAllowed("this key is for some models only: name the model")
    if wish.window_s not in EVERY_S:
        raise Invalid(f"the window is one of {', '.join(map(str, EVERY_S))} seconds")
    every_s = wish.every_s if wish.every_s is not None else EVERY_S[wish.window_s]
    if every_s not in set(EVERY_S.values()) | {86_400} or wish.window_s % every_s:
        raise Invalid("look every 300, 900, 3600, 21600 or 86400 seconds, and at least once per window")
    _check_measure(wish, model, every_s)
    missing = [one for one in wish.channel_ids or [] if channels.get_channel(session, one) is None]
    if missing:
        raise Invalid("there is no such channel", details={"channels": missing})
    if wish.condition.kind == "drift":
        fields["measure"] = DRIFT
    return {**fields, "model_id": model.id if model else None, "every_s": every_s}


def _check_measure(wish: schemas.RuleIn, model: Model | None, every_s: int) -> None:
    condition = wish.condition
    if condition.kind == "drift":
        if wish.each:
            raise Invalid("a drift rule tells features apart: let it watch one version or one segment, not each")
        return
    measure = catalog.BY_NAME.get(wish.measure)
    if measure is None:
        raise Invalid("there is no such measure", details={"measure": wish.measure})
    if measure.chart == "heatmap":
        raise Invalid(f"{wish.measure} is a picture, not a number: choose one of its percentiles")
    segments = {wish.segment_key: wish.segment_value or ""} if wish.segment_key else {}
    if model is not None or wish.each in ("", "version"):
        try:
            known = model or Model(name="every model", segment_keys=list(segments))
            check_selection(known, measure, Selection(wish.version, None, segments, wish.each or None))
        except UnusableSelection as error:
            raise Invalid(str(error)) from error
    if condition.kind == "burn_rate":
        if measure.unit != "share" or measure.bad == "none":
            raise Invalid("a burn rate needs a share of good or bad events, such as error_rate")
        if condition.short_window_s >= wish.window_s or condition.short_window_s % every_s:
            raise Invalid("the short window of a burn rate is shorter than the window, and a multiple of how often")


def watchdog(session: Session, now: datetime) -> schemas.WatchdogOut:
    """Whether the rules are looked at, and how the last run went."""
    watch = alert_rules.get_watch(session)
    waiting = outbox.count_messages(session)
    evaluated_at = watch.evaluated_at if watch is not None else None
    state = "never"
    if evaluated_at is not None:
        state = "ok" if now - evaluated_at <= timedelta(seconds=STOPPED_AFTER_S) else "stopped"
    return schemas.WatchdogOut(
        state=state,
        evaluated_at=evaluated_at,
        worker=watch.worker if watch else None,
        after_s=STOPPED_AFTER_S,
        n_rules=watch.n_rules if watch else 0,
        n_series=watch.n_series if watch else 0,
        n_failed=watch.n_failed if watch else 0,
        duration_ms=watch.duration_ms if watch else 0.0,
        n_waiting_messages=waiting.get("waiting", 0),
        n_given_up_messages=waiting.get("given_up", 0),
    )


def list_series(session: Session, me: Principal, rule_id: str) -> list[schemas.SeriesStateOut]:
    """Where each series of a rule stands."""
    row, names = require_rule(session, me, rule_id), _model_names(session)
    return [
        schemas.SeriesStateOut(
            model=names.get(state.model_id, ""),
            **{name: getattr(state, name) for name in schemas.SeriesStateOut.model_fields if name != "model"},
        )
        for state in alert_rules.list_states(session, [row.id])
        if me.may_use_model(names.get(state.model_id, ""))
    ]


def list_silences(session: Session, me: Principal, now: datetime) -> list[schemas.SilenceOut]:
    """Silences that are not over."""
    names = _model_names(session)
    found = alert_rules.list_silences(session, after=now)
    return [
        show_silence(row, names)
        for row in found
        if row.model_id is None or me.may_use_model(names.get(row.model_id, ""))
    ]


def show_silence(row: AlertSilence, names: Mapping[str, str]) -> schemas.SilenceOut:
    fields = {name: getattr(row, name) for name in schemas.SilenceOut.model_fields if name != "model"}
    return schemas.SilenceOut(model=names.get(row.model_id) if row.model_id else None, **fields)


def add_silence(session: WriteSession, me: Principal, wish: schemas.SilenceIn) -> schemas.SilenceOut:
    """Tell nothing of it until the end; what still fires then is told then."""
    now = utc_now()
    model = require_model(session, me, wish.model) if wish.model is not None else None
    if wish.rule_id is not None:
        require_rule(session, me, wish.rule_id)
    if me.models is not None and model is None:
        raise NotAllowed("this key is for some models only: name the model")
    starts_at = wish.starts_at or now
    if wish.ends_at <= max(starts_at, now):
        raise Invalid("the silence ends before it begins")
    row = AlertSilence(
        rule_id=wish.rule_id,
        model_id=model.id if model else None,
        starts_at=starts_at,
        ends_at=wish.ends_at,
        reason=wish.reason,
        created_by=me.actor,
    )
    session.add(row)
    session.flush()
    target = f"rule:{wish.rule_id}" if wish.rule_id else f"model:{wish.model}" if wish.model else "alerts"
    details = {"silence": row.id, "ends_at": row.ends_at}
    audit.record(session, me.actor, "alert.silenced", target, details, reason=wish.reason)
    return show_silence(row, _model_names(session))


def end_silence(session: WriteSession, me: Principal, silence_id: str) -> None:
    """Tell again from now on."""
    row = alert_rules.get_silence(session, silence_id)
    names = _model_names(session)
    if row is None or (me.models is not None and not me.may_use_model(names.get(row.model_id or "", ""))):
        raise NotFound("there is no such silence")
    row.ends_at = min(row.ends_at, utc_now())
    session.flush()
    audit.record(session, me.actor, "alert.silence_ended", f"silence:{row.id}")


def _shown(session: Session, row: AlertRule) -> schemas.RuleOut:
    states = alert_rules.list_states(session, [row.id])
    judged = alert_incidents.count_verdicts(session, [row.id])
    return show_rule(row, _model_names(session), states, judged.get(row.id))


def _states_by_rule(session: Session, rule_ids: list[str]) -> dict[str, list[AlertState]]:
    found: dict[str, list[AlertState]] = {}
    for state in alert_rules.list_states(session, rule_ids):
        found.setdefault(state.rule_id, []).append(state)
    return found


def _model_names(session: Session) -> dict[str, str]:
    return {model.id: model.name for model in models.list_models(session, limit=100_000)}
