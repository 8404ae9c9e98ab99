"""Real metrics through the rules: a labelled change is found, and a trace in which nothing is wrong raises nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.nab import RULES, Bench, nab_files, run_azure, score

pytestmark = pytest.mark.data


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_labelled_change_is_found_without_a_false_alarm(bench: Bench, data_folder: Callable[[str], Path]) -> None:
    data = data_folder("nab_metrics").parent
    name, at, values, windows = next(one for one in nab_files(data) if "rds_cpu_utilization_cc0c53" in one[0])
    model = bench.add(name, at, values)
    found = bench.try_on(model, at, "latency_p50", RULES["weeks, 100 %"], 3600)
    assert (score(found.raised, windows, at).n_hits, score(found.raised, windows, at).n_false) == (2, 0)


def test_a_bursty_trace_in_which_nothing_is_wrong_raises_nothing(
    bench: Bench, data_folder: Callable[[str], Path]
) -> None:
    assert run_azure(bench, data_folder("azure_serving").parent) == dict.fromkeys(
        (
            "silence (98 % below past weeks)",
            "burst (300 % above past weeks)",
            "slow (200 % above past weeks)",
            "slow (100 % above the quarter before)",
        ),
        0,
    )
