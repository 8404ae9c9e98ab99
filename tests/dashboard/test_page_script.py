"""Runs the unit tests of the script that keeps every page in step with the person."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import absent

NODE = shutil.which("node")


def test_the_page_script_does_what_its_own_tests_say() -> None:
    if NODE is None:
        absent("node")
    file = Path(__file__).with_name("page.test.mjs")
    done = subprocess.run([NODE, "--test", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
