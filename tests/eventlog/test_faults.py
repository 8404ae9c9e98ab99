"""The API and the sealing worker are killed while clients log: nothing acknowledged is lost or counted twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Each cycle kills one process or both; 200 are run by the drill in benchmarks.
CYCLES = os.environ.get("SOI_TEST_KILL_CYCLES", "3")


@pytest.mark.faults
def test_nothing_acknowledged_is_lost_or_counted_twice_under_kill_9(database_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--cycles", CYCLES, "--database-url", database_url]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["acknowledged"] > 100
    assert (facts["lost"], facts["stored twice"], facts["roll-up difference"]) == (0, 0, 0)
