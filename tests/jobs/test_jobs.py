"""Jobs over the API: lists, stalled ones, cancelling, who may see what; and claims that only one worker wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backend.client import ApiError, Client
from db.base import utc_now
from db.engine import Database
from db.models.learn import Job
from db.repositories import jobs


def add(database: Database, **fields: Any) -> str:
    with database.write() as session:
        return jobs.add_job(session, Job(**{"kind": "dataset", "created_by": "user:1", **fields})).id


def test_jobs_are_listed_newest_first_and_narrowed_by_kind_and_state(scientist: Client, database: Database) -> None:
    first, second = add(database), add(database, kind="retraining", state="done")
    assert [job.id for job in scientist.jobs.list()] == [second, first]
    assert [job.id for job in scientist.jobs.list(kind="dataset")] == [first]
    assert [job.id for job in scientist.jobs.list(state="done")] == [second]
    assert [job.id for job in scientist.jobs.list(before_id=second)] == [first]
    assert [job.id for job in scientist.jobs.list(limit=1)] == [second]


def test_a_running_job_without_a_heartbeat_shows_as_stalled(scientist: Client, database: Database) -> None:
    long_ago, now = utc_now() - timedelta(minutes=1), utc_now()
    silent = add(database, state="running", started_at=long_ago, heartbeat_at=long_ago)
    never = add(database, state="running", started_at=long_ago)
    alive = add(database, state="running", started_at=long_ago, heartbeat_at=now)
    ended = add(database, state="done", started_at=long_ago, heartbeat_at=long_ago)
    stalled = {job.id: job.is_stalled for job in scientist.jobs.list()}
    assert stalled == {silent: True, never: True, alive: False, ended: False}


def test_a_queued_job_is_cancelled_once_and_then_never_claimed(scientist: Client, database: Database) -> None:
    job_id = add(database)
    job = scientist.jobs.cancel(job_id)
    assert (job.state, job.messages[0].text) == ("cancelled", "cancelled")
    with pytest.raises(ApiError) as refused:
        scientist.jobs.cancel(job_id)
    assert (refused.value.status, refused.value.code) == (409, "job_finished")
    with database.write() as session:
        assert not jobs.claim_job(session, job_id, "w", utc_now())


def test_only_one_worker_claims_and_only_it_may_write_progress(database: Database) -> None:
    job_id, now = add(database), utc_now()
    with database.write() as session:
        assert jobs.claim_job(session, job_id, "one", now)
    with database.write() as session:
        assert not jobs.claim_job(session, job_id, "two", now)
        assert not jobs.beat(session, job_id, "two", now, progress=0.9)
        assert jobs.beat(session, job_id, "one", now, progress=0.4, step="half")
    later = now + timedelta(seconds=jobs.STALLED_AFTER_S + 1)
    with database.write() as session:
        assert jobs.claim_job(session, job_id, "two", later)
    with database.write() as session:
        assert not jobs.beat(session, job_id, "one", later)
        assert jobs.finish_job(session, job_id, "done", later, result={"a": 1})
        assert not jobs.finish_job(session, job_id, "failed", later, result=None)
    with database.read() as session:
        job = jobs.get_job(session, job_id)
        assert job is not None
        assert (job.state, job.worker, job.n_attempts, job.progress, job.started_at) == ("done", "two", 2, 1.0, now)


def test_runnable_are_queued_and_silent_jobs_of_the_kinds_asked_for(database: Database) -> None:
    now = utc_now()
    queued = add(database)
    silent = add(database, state="running", heartbeat_at=now - timedelta(minutes=1))
    add(database, state="running", heartbeat_at=now)
    add(database, state="cancelled")
    add(database, kind="import")
    with database.read() as session:
        assert [job.id for job in jobs.runnable_jobs(session, ("dataset",), now)] == [queued, silent]


def test_messages_keep_the_last_lines_only(database: Database) -> None:
    job_id = add(database)
    with database.write() as session:
        for number in range(jobs.N_MESSAGES + 5):
            jobs.add_message(session, job_id, f"line {number}")
    with database.read() as session:
        job = jobs.get_job(session, job_id)
        assert job is not None
        assert len(job.messages) == jobs.N_MESSAGES
        assert job.messages[-1]["text"] == f"line {jobs.N_MESSAGES + 4}"


def test_workers_are_shown_as_alive_or_not(scientist: Client, database: Database) -> None:
    now = utc_now()
    with database.write() as session:
        jobs.beat_worker(session, "a:1:x", now, now, {"models": {}})
        jobs.beat_worker(session, "b:2:y", now, now - timedelta(minutes=2), {})
    assert {worker.name: worker.is_alive for worker in scientist.jobs.workers()} == {"a:1:x": True, "b:2:y": False}


def test_an_unknown_job_is_not_found_and_a_viewer_sees_none(
    scientist: Client, sign_in: Callable[..., Client], database: Database
) -> None:
    with pytest.raises(ApiError) as refused:
        scientist.jobs.get("nothing")
    assert refused.value.status == 404
    with pytest.raises(ApiError) as refused:
        sign_in("viewer").jobs.list()
    assert refused.value.status == 403
