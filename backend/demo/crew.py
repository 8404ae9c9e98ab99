"""Simulated inspectors who answer the demonstration's queue through the same rules as people at the bench."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
from sqlalchemy import select, update

from backend.auth.rules import Principal
from backend.demo.defects import DEFECTS
from backend.demo.story import INSPECTORS, LABELS, ZONE, Story
from backend.review_tasks.deciding import decide
from backend.review_tasks.schemas import DecideBody
from db.base import new_id
from db.engine import Database, WriteSession
from db.models.review import GroundTruth, ReviewTask, Subject
from db.repositories import ground_truth, review_tasks, subjects
from db.repositories.resolution import item_of

_LEASE = timedelta(minutes=10)
#: A part of the last days' queue stays open, so that a visitor finds work.
OPEN_DAYS, OPEN_SHARE = 2.5, 0.45
OPEN_DISPUTE_DAYS = 1.5
#: One board in so many is put before all inspectors as a gold item, and comes back to them some days later.
_GOLD_EVERY, _LEAST_GOLD = 18, 12


class Crew:
    """The inspectors, with the accounts they sign in with and what each board really is."""

    def __init__(
        self,
        database: Database,
        story: Story,
        people: dict[str, Principal],
        judge: Principal,
        truths: dict[str, str],
        rng: np.random.Generator,
    ) -> None:
        self.database, self.story = database, story
        self.people, self.judge, self.truths, self.rng = people, judge, truths, rng

    def inspect(self, model_id: str) -> Iterator[tuple[int, int]]:
        """Answer the queue, but a part of its last days; yields (tasks done, tasks to do)."""
        latest = self.story.end - timedelta(minutes=40)
        open_from = self.story.end - timedelta(days=min(OPEN_DAYS, self.story.days / 10))
        with self.database.read() as session:
            query = select(ReviewTask).where(
                ReviewTask.model_id == model_id, ReviewTask.mode != "adjudicate", ReviewTask.happened_at < latest
            )
            found = session.execute(
                query.with_only_columns(
                    ReviewTask.id, ReviewTask.subject_id, ReviewTask.n_wanted, ReviewTask.happened_at
                ).order_by(ReviewTask.happened_at)
            ).all()
        found = [task for task in found if task.happened_at < open_from or self.rng.random() >= OPEN_SHARE]
        done = 0
        for _, tasks in groupby(found, key=lambda row: row.happened_at.astimezone(ZONE).date()):
            with self.database.write() as session:
                for task in tasks:
                    self._inspect_one(session, task.id, task.subject_id, task.n_wanted, task.happened_at)
                    done += 1
            yield done, len(found)

    def _inspect_one(self, session: WriteSession, task_id: str, subject_id: str, n: int, at: datetime) -> None:
        chosen = self.rng.permutation(list(INSPECTORS))[:n]
        moment = at + timedelta(minutes=float(self.rng.uniform(4, 150)))
        for key in chosen:
            _, error_rate, pace_s = INSPECTORS[str(key)]
            label = self._see(self.truths[subject_id], error_rate, self.rng)
            duration_ms = int(1000 * pace_s * float(np.exp(self.rng.normal(0, 0.45))) * (1.0 if label == "ok" else 1.3))
            verb = "unsure" if self.rng.random() < 0.012 else "label"
            self._answer(session, self.people[str(key)], task_id, verb, label, duration_ms, moment)
            moment += timedelta(minutes=float(self.rng.uniform(5, 200)))

    def _answer(
        self,
        session: WriteSession,
        person: Principal,
        task_id: str,
        verb: str,
        label: str,
        duration_ms: int,
        moment: datetime,
    ) -> None:
        token, moment = new_id(), min(moment, self.story.end).astimezone(UTC)
        held = update(ReviewTask).where(ReviewTask.id == task_id)
        session.execute(held.values(lease_token=token, leased_to=person.id, lease_until=moment + _LEASE))
        body = DecideBody.model_validate(
            {
                "lease_token": token,
                "label": label if verb == "label" else None,
                "verb": verb,
                "duration_ms": duration_ms,
                "idempotency_key": f"demo-{task_id}",
            }
        )
        decide(session, person, task_id, body, now=moment)

    def _see(self, truth: str, error_rate: float, rng: np.random.Generator) -> str:
        """What a person says: mostly the truth; mistakes are misses, false alarms and mixed-up kinds."""
        if rng.random() >= error_rate:
            return truth
        if truth == "ok":
            return str(rng.choice(("mouse_bite", "spur", "pin_hole")))
        if rng.random() < 0.6:
            return "ok"
        return str(rng.choice([name for name in DEFECTS if name != truth]))

    def settle(self, model_id: str) -> int:
        """Decide the disputes of all but the last days as the third person; returns how many stay open."""
        until = self.story.end - timedelta(days=min(OPEN_DISPUTE_DAYS, self.story.days / 20))
        with self.database.write() as session:
            query = select(ReviewTask).where(
                ReviewTask.model_id == model_id, ReviewTask.mode == "adjudicate", ReviewTask.state == "open"
            )
            disputes = list(session.scalars(query.order_by(ReviewTask.happened_at)))
            n_open = 0
            for task in disputes:
                if task.happened_at >= until:
                    n_open += 1
                    continue
                label = self.truths[task.subject_id] if self.rng.random() > 0.01 else str(self.rng.choice(LABELS))
                moment = task.happened_at + timedelta(hours=float(self.rng.uniform(1, 20)))
                self._answer(session, self.judge, task.id, "label", label, int(self.rng.normal(9_000, 2_000)), moment)
        return n_open

    def measure(self, model_id: str, subjects: dict[str, datetime]) -> int:
        """The electrical test's outcome of a part of the boards, days after they were made."""
        n_stored = 0
        with self.database.write() as session:
            settled = set(
                session.scalars(
                    select(GroundTruth.subject_id).where(GroundTruth.model_id == model_id, GroundTruth.is_current)
                )
            )
            for subject_id, made_at in subjects.items():
                tested_at = made_at + timedelta(days=float(self.rng.uniform(0.5, 4)))
                if subject_id in settled or tested_at >= self.story.end or self.rng.random() > 0.35:
                    continue
                self._tested(session, model_id, subject_id, tested_at)
                n_stored += 1
        return n_stored

    def study(self, model_id: str, made: dict[str, datetime], rng: np.random.Generator) -> list[str]:
        """Boards that nobody was asked about, half of them defective, put before all inspectors as gold items whose
        truth the electrical test told, and again as hidden repeats; which ones."""
        until = self.story.end - timedelta(hours=42, days=6 * self.story.days / 30)  # the last repeat comes in time
        with self.database.write() as session:
            queued = set(session.scalars(select(ReviewTask.subject_id).where(ReviewTask.model_id == model_id)))
            free = [one for one, at in made.items() if one not in queued and at < until]
            kinds = [[one for one in free if (self.truths[one] == "ok") is is_good] for is_good in (True, False)]
            n = max(_LEAST_GOLD, len(made) // _GOLD_EVERY) // 2
            chosen = [str(one) for kind in kinds for one in rng.permutation(kind)[:n]]
            truths = ground_truth.current_truths(session, model_id, chosen)
            known = subjects.find_subjects(session, model_id, chosen)
            for subject_id in chosen:
                at = made[subject_id] + timedelta(hours=float(rng.uniform(1, 30)))
                if subject_id not in truths:
                    self._tested(session, model_id, subject_id, at)
                for reason, days in (("gold", 0.0), ("repeat", float(rng.uniform(2, 6)) * self.story.days / 30)):
                    self._ask_all(session, model_id, known[subject_id], reason, at + timedelta(days=days), rng)
        return chosen

    def _ask_all(
        self,
        session: WriteSession,
        model_id: str,
        subject: Subject,
        reason: str,
        at: datetime,
        rng: np.random.Generator,
    ) -> None:
        """One planted item, answered blind by every inspector."""
        row = {
            "model_id": model_id,
            "subject_id": subject.subject_id,
            "reason": reason,
            "stratum": reason,
            "policy_id": reason,
            "n_wanted": len(INSPECTORS),
            "item": item_of(subject),
            "segments": dict(subject.segments),
            "happened_at": at,
        }
        [task_id] = review_tasks.add_tasks(session, [row])
        for key, (_, error_rate, pace_s) in INSPECTORS.items():
            label = self._see(self.truths[subject.subject_id], error_rate, rng)
            duration_ms = int(1000 * pace_s * float(np.exp(rng.normal(0, 0.45))))
            at += timedelta(minutes=float(rng.uniform(5, 200)))
            self._answer(session, self.people[key], task_id, "label", label, duration_ms, at)

    def _tested(self, session: WriteSession, model_id: str, subject_id: str, at: datetime) -> None:
        ground_truth.put_truth(
            session,
            model_id=model_id,
            subject_id=subject_id,
            label=self.truths[subject_id],
            method="measured",
            resolved_by="electrical test",
            resolved_at=at,
        )

    def date_tasks(self, model_id: str) -> None:
        """Tasks were opened when their boards came by, and labels were known when they were resolved, not now."""
        with self.database.write() as session:
            query = update(ReviewTask).where(ReviewTask.model_id == model_id)
            session.execute(query.values(created_at=ReviewTask.happened_at))
            truths = list(session.scalars(select(GroundTruth).where(GroundTruth.model_id == model_id)))
            ends = {truth.details.get("replaces"): truth.resolved_at for truth in truths}
            for truth in truths:
                truth.logged_at = truth.resolved_at
                if truth.ended_at is not None:
                    truth.ended_at = ends.get(truth.id, truth.resolved_at)
