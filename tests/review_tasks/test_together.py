"""Everything at once on the same subjects: no deadlock, no lost answer, one truth per subject."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from backend.client import Client
from backend.decisions.schemas import DecisionIn

SignIn = Callable[..., Client]
Queue = Callable[..., list[str]]


def test_inspectors_adjudicators_and_outside_decisions_do_not_disturb_each_other(queue: Queue, sign_in: SignIn) -> None:
    names = queue(12, champion="short", n_wanted=2)
    manager = sign_in("data_scientist", "manager")
    errors: list[BaseException] = []
    answered: Counter[str] = Counter()

    def inspect(number: int) -> None:
        person, luck = sign_in("inspector", f"person-{number}"), random.Random(number)
        while tasks := person.review_tasks.claim("boards", 2, modes=["blind", "adjudicate"]):
            for task in tasks:
                person.review_tasks.decide(task, luck.choice(["ok", "ok", "open"]))
                answered[task.subject_id] += 1
            if luck.random() < 0.1:
                person.review_tasks.release([person.review_tasks.undo("boards")])
                answered[tasks[-1].subject_id] -= 1

    def send(number: int) -> None:
        luck = random.Random(100 + number)
        for _ in range(6):
            some = luck.sample(names, 6)
            rows = [DecisionIn(subject_id=one, judge=f"person:line-{number}", label="ok") for one in some]
            assert manager.decisions.send("boards", rows).n_stored == 6

    def guarded(job: Callable[[int], None], number: int) -> None:
        try:
            job(number)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(inspect, number)) for number in range(4)]
    threads += [threading.Thread(target=guarded, args=(send, number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    truths = Counter(one.subject_id for one in manager.ground_truth.list("boards"))
    assert set(truths.values()) <= {1}
    own = [one for one in manager.decisions.list("boards", limit=1000) if one.task_id is not None]
    assert Counter(one.subject_id for one in own) == +answered
