"""The API starts light: what only a job, a screen or a rare request needs is imported there."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "scipy", "dbos", "streamlit", "pandas", "plotly", "duckdb", "deltalake", "soundfile")


def test_importing_the_api_loads_no_heavy_package() -> None:
    code = f"import sys, backend.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
