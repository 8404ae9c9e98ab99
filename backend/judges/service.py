"""Attribute agreement of a model's people, and the page of one of them. Who may see whom is decided here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.auth.rules import Principal, Visibility
from backend.errors import NotAllowed
from backend.judges import schemas
from backend.judges.panel import Asked, Panel, answers_of, defect_labels, labels_of, read_panel
from db.repositories import judges as repository
from db.repositories.judges import JudgedAnswer
from review.rules import agreement, attribute, inspection
from review.rules.attribute import Answer
from review.rules.consensus import ballots, count_votes
from review.rules.inspection import Assisted, Rate
from review.rules.intervals import clopper_pearson

#: With fewer people a team's figures are those of a person, so only those who may see everybody see them.
MIN_TEAM = 3
#: The bootstrap repeats under this seed, so the same answers give the same interval.
_SEED, _N_RESAMPLES = 20, 1000
LIMITS = [
    schemas.LimitOut(criterion=name, acceptable=one.acceptable, marginal=one.marginal, is_high_good=one.is_high_good)
    for name, one in attribute.LIMITS.items()
]


def measure_agreement(session: Session, me: Principal, asked: Asked) -> schemas.AttributeAgreement:
    """Everybody against the standard, themselves and the others."""
    panel = read_panel(session, asked)
    visibility = me.sees_people
    team = _Record(panel.blind, panel.timed, _first_answers(session, asked, panel))
    figures = {judge: _figures(asked, one) for judge, one in team.by_judge().items()}
    is_shown = visibility != "team" or len(figures) >= MIN_TEAM
    return schemas.AttributeAgreement(
        model=asked.model.name,
        start=asked.start,
        end=asked.end,
        standard=asked.standard,
        visibility=visibility,
        limits=LIMITS,
        counted=panel.counted,
        n_with_standard=sum(one.standard is not None for one in answers_of(panel.blind, asked.standard)),
        team=_figures(asked, team) if figures and is_shown else None,
        team_reason=None if figures and is_shown else "few_judges" if figures else "no_answers",
        judges=_rows(session, me, visibility, figures),
        between=[
            _between(name, rows, asked) for name, rows in (("everyday", panel.everyday), ("gold", panel.gold)) if rows
        ],
        capture=_capture(asked, [*panel.everyday, *panel.gold]),
    )


def show_inspector(session: Session, me: Principal, asked: Asked, judge: str) -> schemas.InspectorPage:
    """One person's page: their own, or anybody's for those who manage people."""
    if judge != me.judge and not me.may("people:manage"):
        raise NotAllowed("only the person themself and administrators see this", code="others_page")
    panel = read_panel(session, asked, judge=judge)
    record = _Record(panel.blind, panel.timed, _first_answers(session, asked, panel))
    answers = [one for one in answers_of(panel.blind, asked.standard) if one.standard is not None]
    labels = labels_of(asked.model, [name for one in answers for name in (one.label, one.standard or "")])
    matrix = agreement.confusion_matrix([one.standard for one in answers], [one.label for one in answers], labels)
    seen = [one for one in answers_of(panel.assisted, asked.standard) if one.standard is not None]
    names = repository.names_of(session, [judge])
    return schemas.InspectorPage(
        model=asked.model.name,
        start=asked.start,
        end=asked.end,
        standard=asked.standard,
        counted=panel.counted,
        figures=schemas.JudgeRow(
            **_figures(asked, record).model_dump(),
            judge=judge,
            name=names.get(judge, judge.partition(":")[2]),
            is_me=judge == me.judge,
        ),
        limits=LIMITS,
        labels=labels,
        matrix=matrix.astype(int).tolist(),
        assisted=share(Rate(sum(one.label == one.standard for one in seen), len(seen))),
        assistance=_assistance(session, asked, panel),
    )


def share(rate: Rate) -> schemas.Share:
    """A rate with its exact interval."""
    low, high = clopper_pearson(rate.n_hits, rate.n) or (None, None)
    return schemas.Share(value=rate.value, n_hits=rate.n_hits, n=rate.n, lower=low, upper=high)


def _first_answers(session: Session, asked: Asked, panel: Panel) -> list[Answer]:
    """Hidden repeats beside what the same people had said before, whenever that was."""
    repeated = {(row.judge, row.subject_id) for row in panel.repeats}
    before = repository.first_answers(session, asked.model.id, repeated, asked.end)
    return [
        *answers_of(panel.repeats, asked.standard),
        *(Answer(judge, subject, label) for (judge, subject), label in before.items()),
    ]


@dataclass(frozen=True, slots=True)
class _Record:
    """Blind labels, blind answers with their times, and repeated answers: of a team or of one judge."""

    blind: list[JudgedAnswer] = field(default_factory=list)
    timed: Sequence[JudgedAnswer] = field(default_factory=list)
    repeated: list[Answer] = field(default_factory=list)

    def by_judge(self) -> dict[str, _Record]:
        found: dict[str, tuple[list[JudgedAnswer], list[JudgedAnswer], list[Answer]]]
        found = defaultdict(lambda: ([], [], []))
        for row in self.blind:
            found[row.judge][0].append(row)
        for row in self.timed:
            found[row.judge][1].append(row)
        for answer in self.repeated:
            found[answer.judge][2].append(answer)
        return {judge: _Record(*parts) for judge, parts in found.items()}


def _figures(asked: Asked, record: _Record) -> schemas.JudgeFigures:
    answers = answers_of(record.blind, asked.standard)
    found = attribute.against_standard(answers, defect_labels(asked.model))
    within = attribute.within_judges(record.repeated).values()
    drawn = inspection.detection_of(found.counts)
    return schemas.JudgeFigures(
        n_answers=len(record.blind),
        n_subjects=len({row.subject_id for row in record.blind}),
        verdict=found.verdict,
        effectiveness=_judged(found.effectiveness),
        miss=_judged(found.miss),
        false_alarm=_judged(found.false_alarm),
        kappa=_kappa(asked.model, answers),
        detection=schemas.DetectionOut(d_prime=drawn.d_prime, criterion=drawn.criterion) if drawn else None,
        consistency=share(Rate(sum(one.n_hits for one in within), sum(one.n for one in within))),
        speed=_speed([row.duration_ms for row in record.timed]),
    )


def _judged(found: attribute.Judged) -> schemas.JudgedShare:
    return schemas.JudgedShare(**share(found.rate).model_dump(), verdict=found.verdict, is_sure=found.is_sure)


def _kappa(model: Any, answers: Iterable[Answer]) -> schemas.Statistic:
    pairs = [(one.standard, one.label) for one in answers if one.standard is not None]
    labels = labels_of(model, {name for pair in pairs for name in pair})
    matrix = agreement.confusion_matrix([one for one, _ in pairs], [one for _, one in pairs], labels)
    found = agreement.cohen_kappa(matrix)
    return schemas.Statistic(value=found.value, reason=found.reason)


def _speed(durations: Sequence[int | None]) -> schemas.Speed:
    known = [one for one in durations if one is not None]
    if not known:
        return schemas.Speed(n=0, p10_ms=None, median_ms=None, p90_ms=None)
    low, middle, high = (float(one) for one in np.percentile(known, [10, 50, 90]))
    return schemas.Speed(n=len(known), p10_ms=low, median_ms=middle, p90_ms=high)


def _rows(
    session: Session, me: Principal, visibility: Visibility, figures: Mapping[str, schemas.JudgeFigures]
) -> list[schemas.JudgeRow]:
    """Best first, so that a letter says nothing but the rank; only oneself where others are not to be seen."""
    ordered = sorted(figures, key=lambda judge: _rank(figures[judge]))
    if visibility == "team":
        ordered = [judge for judge in ordered if judge == me.judge]
    names = repository.names_of(session, ordered)
    rows = []
    for number, judge in enumerate(ordered):
        is_known = visibility == "named" or judge == me.judge
        name = names.get(judge, judge.partition(":")[2]) if is_known else _letter(number)
        rows.append(
            schemas.JudgeRow(
                **figures[judge].model_dump(),
                judge=judge if is_known else None,
                name=name,
                is_me=judge == me.judge,
            )
        )
    return rows


def _rank(found: schemas.JudgeFigures) -> tuple[float, ...]:
    effectiveness = found.effectiveness
    return (1.0 if effectiveness.value is None else -effectiveness.value, -effectiveness.n, -found.n_answers)


def _letter(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    text = ""
    while number >= 0:
        number, rest = divmod(number, 26)
        text, number = chr(ord("A") + rest) + text, number - 1
    return text


def _between(name: Any, rows: Sequence[JudgedAnswer], asked: Asked) -> schemas.Between:
    answers = answers_of(rows, asked.standard)
    votes, subjects = votes_of(asked.model, rows)
    alpha = agreement.alpha_of_votes(votes)
    interval = agreement.alpha_of_votes_interval(votes, np.random.default_rng(_SEED), n_resamples=_N_RESAMPLES)
    low, high = interval or (None, None)
    return schemas.Between(
        items=name,
        n_subjects=int((votes.sum(axis=1) >= 2).sum()) if subjects else 0,
        n_judges=len({row.judge for row in rows}),
        agreement=share(attribute.between_judges(answers)),
        right=share(attribute.all_against_standard(answers)),
        alpha=schemas.Statistic(value=alpha.value, lower=low, upper=high, reason=alpha.reason),
    )


def votes_of(model: Any, rows: Sequence[JudgedAnswer]) -> tuple[Any, list[str]]:
    """How often each subject was given each label, and the subjects in the order of the rows of that table."""
    labels = labels_of(model, {row.label or "" for row in rows})
    subjects = sorted({row.subject_id for row in rows})
    place = {subject: number for number, subject in enumerate(subjects)}
    code = {label: number for number, label in enumerate(labels)}
    given = ballots(
        [place[row.subject_id] for row in rows],
        [0] * len(rows),
        [code[row.label or ""] for row in rows],
        len(subjects),
        1,
        len(labels),
    )
    return count_votes(given), subjects


def _capture(asked: Asked, rows: Sequence[JudgedAnswer]) -> schemas.CaptureOut | None:
    """Of the two people who shared the most items: the defects each found. Items known to be good are left out."""
    defects = defect_labels(asked.model)
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in rows:
        if row.truth is None or row.truth in defects:
            found[row.subject_id][row.judge] = row.label in defects
    shared: Counter[tuple[str, str]] = Counter()
    for said in found.values():
        shared.update(combinations(sorted(said), 2))
    if not defects or not shared:
        return None
    (first, second), n_shared = max(shared.items(), key=lambda item: (item[1], item[0]))
    pairs = [(said[first], said[second]) for said in found.values() if first in said and second in said]
    n_first, n_second = (sum(pair[side] for pair in pairs) for side in (0, 1))
    n_both = sum(a and b for a, b in pairs)
    if not n_first or not n_second:
        return None
    estimate = inspection.capture_recapture(n_first, n_second, n_both)
    return schemas.CaptureOut(
        n_first=n_first,
        n_second=n_second,
        n_both=n_both,
        n_shared=n_shared,
        n_estimated=estimate.n_estimated,
        lower=estimate.lower,
        upper=estimate.upper,
        n_missed=estimate.n_missed,
    )


def _assistance(session: Session, asked: Asked, panel: Panel) -> schemas.AssistanceOut:
    """Items that were answered blind, then again after the machine's answer was shown, where the truth is known."""
    final = {row.task_id: row for row in panel.assisted if row.seen == "revealed" and row.task_id is not None}
    first = {row.task_id: row for row in panel.everyday if row.task_id in final}
    shown = repository.machine_answers(session, [one for one in first if one is not None])
    items = []
    for task_id, row in first.items():
        [truth] = [one.standard for one in answers_of([row], asked.standard)]
        machine = shown.get(task_id or "")
        if truth is not None and machine is not None:
            items.append(Assisted(row.label == truth, machine == truth, final[task_id].label == truth))
    found = inspection.count_assistance(items)
    return schemas.AssistanceOut(
        n=len(items),
        first=share(found.first),
        final=share(found.final),
        bias=share(found.bias),
        benefit=share(found.benefit),
    )
