"""A small demonstration, built for real: every planted thing is found in the API's own figures."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from starlette.testclient import TestClient

from backend.client import Client
from backend.commands.context import Failed
from backend.demo.accounts import LOGINS
from backend.demo.build import MARKER, UNFINISHED, DemoSize, build_demo, is_built, is_unfinished, small, throw_away
from backend.demo.explain import explain
from backend.demo.story import LOCATOR, MODEL, PIPELINE, Story
from backend.main import create_app
from backend.monitors.schemas import Points
from backend.settings import Settings

SIZE = small(DemoSize(days=10, boards_per_day=260, n_pictures=160), n_examples=70, epochs=1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data_dir=tmp_path_factory.mktemp("demo") / "data", ui=False)
    with Path(settings.data_dir.parent / "printed.txt").open("w") as out:
        build_demo(settings, SIZE, Console(file=out, width=140))
    return settings


@pytest.fixture(scope="module")
def story(demo: Settings) -> Story:
    facts = json.loads((demo.data_dir / MARKER).read_text())
    return Story(datetime.fromisoformat(facts["end"]), facts["days"])


@pytest.fixture(scope="module")
def people(demo: Settings) -> Iterator[dict[str, Client]]:
    """A client for each person, signed in with the password that was written down."""
    with TestClient(create_app(demo), base_url=demo.public_url) as app:
        found = {}
        for line in (demo.data_dir / LOGINS).read_text().splitlines():
            _, email, password = line.split()
            answer = app.post("/v1/auth/login", json={"email": email, "password": password})
            assert answer.status_code == 200, answer.text
            headers = {"Authorization": f"Bearer {answer.json()['token']}"}
            found[email.split("@")[0]] = Client(http=TestClient(app.app, base_url=demo.public_url, headers=headers))
        yield found


def value(client: Client, measure: str, start: datetime, end: datetime, **options: object) -> dict[str, float]:
    """The measure over a window by line of the chart, weighted by what each bucket was computed from."""
    series = client.monitors.series(MODEL, measure, start, end, **options)  # type: ignore[arg-type]

    def mean(points: Points) -> float:
        pairs = [(v, n) for v, n in zip(points.value, points.n, strict=True) if v is not None and n]
        return sum(v * n for v, n in pairs) / max(1e-9, sum(n for _, n in pairs))

    return {points.name: mean(points) for points in series.lines}


def test_everybody_can_sign_in_and_the_passwords_are_the_owners_alone(
    people: dict[str, Client], demo: Settings
) -> None:
    assert set(people) == {"admin", "scientist", "an", "binh", "chi", "viewer"}
    assert stat.S_IMODE((demo.data_dir / LOGINS).stat().st_mode) == 0o600


def test_camera_fault_is_found_by_line(people: dict[str, Client], story: Story) -> None:
    line, begun, ended = story.camera_fault
    rates = value(people["viewer"], "null_output_rate", begun, ended, split="segment:line")
    assert rates[line] > 0.5
    assert all(rate < rates[line] / 2 for name, rate in rates.items() if name != line), rates


def test_slow_release_is_found_by_version(people: dict[str, Client], story: Story) -> None:
    medians = value(people["viewer"], "latency_p50", story.start, story.end, split="version")
    assert medians["1.1"] > 1.7 * medians["1.0"]


def test_rollback_is_marked(people: dict[str, Client], story: Story) -> None:
    _, *rollouts = people["scientist"].rollouts.list(MODEL)
    assert [row.champion for row in rollouts] == ["1.0", "1.1", "1.0", "1.0"]
    assert "rolled back" in rollouts[0].reason
    assert [row.created_at for row in rollouts[:2]] == list(reversed(story.slow_release))


def test_missing_inputs_are_found_on_their_line(people: dict[str, Client], story: Story) -> None:
    line, begun = story.sensor_gap
    rates = value(people["viewer"], "incomplete_rate", begun, story.end, split="segment:line")
    assert rates[line] > 0.2
    assert all(rate < 0.06 for name, rate in rates.items() if name != line)


def test_dark_pictures_are_found_on_their_line(people: dict[str, Client], story: Story) -> None:
    line, _ = story.drift_start
    end = story.end
    dark = value(
        people["scientist"],
        "requests",
        end - timedelta(days=1),
        end,
        split="segment:line",
        where=["in_brightness<100", "in_brightness>20"],
    )
    assert set(dark) == {line}


def test_refused_rows_are_readable_with_their_reason(people: dict[str, Client]) -> None:
    rows = people["scientist"].predictions.quarantine(MODEL)
    assert {row.code for row in rows} == {"type_changed", "time_outside_window"}
    assert len(rows) == 19


def test_work_is_left_for_the_visitor(people: dict[str, Client]) -> None:
    claimed = people["an"].review_tasks.claim(MODEL, 3)
    assert len(claimed) == 3
    assert all(task.item.artifact and task.item.golden for task in claimed)
    assert people["an"].artifacts.thumbnail(claimed[0].item.artifact or "")[:4] == b"RIFF"
    people["an"].review_tasks.release(claimed)
    assert people["scientist"].review_tasks.progress(MODEL).open > 0


def test_people_are_compared_with_the_machine(people: dict[str, Client], story: Story) -> None:
    found = people["scientist"].comparisons.compare(MODEL, "version:1.0", "people", story.start, story.end)
    assert found.agreement.n > 30
    between = people["scientist"].comparisons.compare(MODEL, "version:1.0", "version:2.0", story.start, story.end)
    assert between.agreement.n > 30


def test_inspectors_are_held_against_gold_items_and_their_own_repeats(
    people: dict[str, Client], demo: Settings, story: Story
) -> None:
    n_gold = json.loads((demo.data_dir / MARKER).read_text())["n_gold"]
    found = people["admin"].judges.agreement(MODEL, story.start, story.end)
    gold = next(one for one in found.between if one.items == "gold")
    assert 6 <= n_gold <= 12
    assert gold.agreement.n == n_gold
    assert found.team is not None
    assert found.team.verdict is not None
    assert found.team.consistency.n == 3 * n_gold
    assert {row.name for row in found.judges} == {"Nguyễn Văn An", "Trần Thị Bình", "Lê Minh Chi"}
    assert people["an"].judges.inspector(MODEL, story.start, story.end).figures.consistency.n == n_gold
    assert people["scientist"].judges.consensus(MODEL, story.start, story.end, show="all").n_subjects > 0


def test_labels_came_from_people_disputes_and_tests(people: dict[str, Client]) -> None:
    page = people["scientist"].labelled_data.list(MODEL, limit=1000)
    assert {"consensus", "adjudication", "measured"} <= {item.method for item in page.items}
    assert all(item.artifact_sha256 for item in page.items)


def test_loop_ends_with_a_dataset_and_a_retrained_version_in_shadow(people: dict[str, Client]) -> None:
    me = people["scientist"]
    (dataset,) = me.datasets.list(MODEL)
    (run,) = me.retraining.list(MODEL)
    assert dataset.n_items == len(me.labelled_data.list(MODEL, limit=1000).items)
    assert (run.parent_version, run.new_version, run.job.state) == ("2.0", "2.1", "done")
    assert run.metrics["new"]["n"] == run.metrics["parent"]["n"] > 0
    beside = me.rollouts.list(MODEL)[0].challengers
    assert [one.version for one in beside] == ["2.0", "2.1"]


def test_people_have_answered_up_to_the_last_day(people: dict[str, Client], story: Story) -> None:
    found = people["viewer"].monitors.summary(story.end - timedelta(days=1), story.end).models
    assert {one.model: one.human_ai_agreement.n > 0 for one in found} == {MODEL: True, LOCATOR: False}


def test_gates_have_verdicts_that_speak_of_the_pictured_boards_alone(people: dict[str, Client], story: Story) -> None:
    found = people["scientist"].automation.verdicts(MODEL)
    assert len(found) > 1
    newest = people["scientist"].automation.verdict(MODEL, found[0].id)
    counted = sum(one["n"] for one in newest.evidence["counts"]["items"])
    assert 0 < counted < 160
    assert newest.evidence["n_unseen"] > counted


def test_every_board_is_traced_through_both_steps(people: dict[str, Client], story: Story) -> None:
    found = people["scientist"].pipelines.traces(PIPELINE, story.tracing_start, story.end)
    assert found.traces
    assert all((trace.n_spans, trace.missing) == (2, []) for trace in found.traces)


def test_known_boards_measure_people_and_a_report_waits_for_the_worker(people: dict[str, Client]) -> None:
    checks = {one.judge: one for one in people["scientist"].planted_items.checks(MODEL)}
    assert len(checks) == 3
    assert all(one.agreement is not None for one in checks.values())
    assert [one.state for one in people["scientist"].reports.list(MODEL)] == ["queued"]


def test_versions_are_measured_on_the_same_held_out_boards(people: dict[str, Client]) -> None:
    versions = {one.name: one for one in people["scientist"].model_versions.list(MODEL)}
    truths = {name: [sum(row) for row in versions[name].metrics["confusion"]] for name in ("1.0", "2.0")}
    assert truths["1.0"] == truths["2.0"]
    assert sum(truths["1.0"]) == 40


def test_what_is_printed_names_everything_planted(demo: Settings, story: Story) -> None:
    printed = (demo.data_dir.parent / "printed.txt").read_text()
    for word in ("lighting drift", "camera fault", "slow release", "missing inputs", "shadow", "refused rows"):
        assert word in printed
        assert word in explain(story.days, story.end)
    assert "admin@demo.local" in printed


def test_finished_demonstration_is_recognised_and_other_folders_are_left_alone(demo: Settings, tmp_path: Path) -> None:
    assert is_built(demo)
    (tmp_path / "precious.txt").write_text("keep")
    other = Settings(data_dir=tmp_path)
    with pytest.raises(Failed, match="no finished demonstration"):
        throw_away(other)
    assert (tmp_path / "precious.txt").exists()


def test_demonstration_that_was_broken_off_may_be_thrown_away(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    (settings.data_dir / UNFINISHED).touch()
    assert is_unfinished(settings)
    throw_away(settings)
    assert not settings.data_dir.exists()
