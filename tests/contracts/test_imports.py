"""The API starts light: what only a job, a screen or a rare request needs is imported there."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "scipy", "dbos", "streamlit", "pandas", "plotly", "duckdb", "deltalake", "soundfile", "grpc")


def test_importing_the_api_loads_no_heavy_package() -> None:
    code = f"import sys, backend.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def loaded_by(code: str) -> str:
    """Which packages that the API does without are loaded after some code, in a process of its own."""
    look = f"import sys; print([name for name in {(*HEAVY, 'alembic', 'pyarrow.fs')!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{look}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_command_line_loads_what_its_commands_need_only_with_them() -> None:
    assert loaded_by("import backend.cli, backend.main") == "[]"


def test_a_process_without_screens_does_without_pandas() -> None:
    start = "import pyarrow as pa, backend.main; from backend.memory import keep_pandas_out; keep_pandas_out()"
    assert loaded_by(f"{start}; assert pa.array(['a', None]).null_count == 1") == "[]"
    assert loaded_by(f"{start}; import pandas; assert pandas.DataFrame({{'a': [1]}}).shape == (1, 1)") == "['pandas']"


def test_arrow_finds_pandas_where_the_process_has_screens() -> None:
    start = "import pandas, pyarrow as pa; from backend.memory import keep_pandas_out; keep_pandas_out()"
    assert loaded_by(f"{start}; assert pa.table({{'a': [1]}}).to_pandas().a.sum() == 1").count("pandas") == 1


def test_the_newest_answers_are_found_without_arrows_file_systems() -> None:
    code = (
        "from datetime import UTC, datetime; import pyarrow as pa; from backend.memory import keep_pandas_out\n"
        "from db.analytics.answers import empty_answers, latest_per_subject\n"
        "keep_pandas_out(); schema = empty_answers(()).schema; at = datetime(2026, 1, 1, tzinfo=UTC)\n"
        "rows = [{'event_id': str(n), 'subject_id': str(n % 2), 'happened_at': at} for n in range(4)]\n"
        "assert latest_per_subject(pa.Table.from_pylist(rows, schema=schema))['event_id'].to_pylist() == ['3', '2']"
    )
    assert loaded_by(code) == "[]"
