"""The `soi` command in one process: what it prints, what it stores, and errors as one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from backend.cli import app
from backend.settings import Settings
from db.engine import Database
from db.models.model import Model
from db.models.person import ApiKey, AuditEntry, User


class Soi:
    """Runs commands against one data folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.env = {"SOI_DATA_DIR": str(folder), "SOI_DATABASE_URL": url, "COLUMNS": "200", "SOI_PORT": "8397"}

    def __call__(self, *arguments: str, text: str | None = None) -> Result:
        return CliRunner(env=self.env).invoke(app, list(arguments), input=text)


@pytest.fixture
def soi(database_url: str, tmp_path: Path) -> Soi:
    return Soi(database_url, tmp_path / "data")


HISTORY = """when,item,answer,prob,age
2026-05-01T08:00:00Z,a1,yes,0.9,31
2026-05-01T08:01:00Z,a2,no,0.4,44
2026-05-01T08:02:00Z,a3,yes,0.7,x
"""


def import_history(soi: Soi, tmp_path: Path) -> Result:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    flags = ["--time", "when", "--id", "item", "--prediction", "answer", "--score", "prob", "--create"]
    return soi("import", str(path), "--model", "loans", *flags)


def test_settings_lists_every_setting_with_its_description(soi: Soi) -> None:
    shown = soi("settings").output
    assert all(f"SOI_{name.upper()}" in shown for name in Settings.model_fields)
    markdown = soi("settings", "--markdown").output
    assert all(str(field.description) in markdown for field in Settings.model_fields.values())


def test_settings_never_shows_a_secret(soi: Soi) -> None:
    soi.env["SOI_BOOTSTRAP_TOKEN"] = "very-secret-token-of-the-first-admin"
    assert "very-secret" not in soi("settings").output


def test_user_is_added_once_with_a_random_password(soi: Soi, database: Database) -> None:
    first = soi("user", "add", "An@Example.com", "--role", "inspector", "--name", "An")
    assert first.exit_code == 0
    assert "shown once" in first.output
    second = soi("user", "add", "an@example.com")
    assert second.exit_code == 1
    assert second.output.strip() == "error: there is an account for an@example.com already"
    with database.read() as session:
        user = session.scalars(select(User)).one()
        assert (user.email, user.role) == ("an@example.com", "inspector")
        assert session.scalars(select(AuditEntry.action)).all() == ["user.created"]


def test_key_is_printed_once_and_stored_hashed(soi: Soi, database: Database) -> None:
    answer = soi("key", "create", "line 1", "--scope", "events:write")
    key = answer.output.split()[-1]
    with database.read() as session:
        row = session.scalars(select(ApiKey)).one()
    assert key.startswith("soi_")
    assert key not in (row.key_hash, row.prefix)
    assert row.scopes == ["events:write"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["user", "add", "an@example.com", "--role", "boss"], "there is no role 'boss'"),
        (["user", "add", "nobody"], "is no e-mail address"),
        (["key", "create", "k", "--scope", "people:manage"], "cannot have the scope 'people:manage'"),
        (["key", "create", "k", "--scope", "predict", "--model", "absent"], "there is no model 'absent'"),
        (["model", "add", "Not A Slug"], "name:"),
        (["import", "absent.csv", "--model", "m", "--time", "t"], "there is no file absent.csv"),
        (["import", "absent.csv"], "--model NAME"),
        (["export", "absent"], "there is no such model"),
        (["sql", "selec 1"], "Parser Error"),
        (["app"], "SOI_API_URL is empty"),
    ],
)
def test_error_is_one_line_with_exit_code_1(soi: Soi, arguments: list[str], expected: str) -> None:
    answer = soi(*arguments)
    assert answer.exit_code == 1
    assert answer.output.lstrip().startswith("error: ")
    assert expected in answer.output
    assert "Traceback" not in answer.output
    assert len(answer.output.strip().splitlines()) == 1


def test_model_is_registered_from_flags(soi: Soi, database: Database) -> None:
    flags = ["--label", "ok", "--label", "scratch!", "--input", "age:integer", "--segment", "line"]
    assert soi("model", "add", "parts", "--kind", "image", *flags).exit_code == 0
    with database.read() as session:
        model = session.scalars(select(Model)).one()
    assert [(one["name"], one["is_defect"]) for one in model.labels] == [("ok", False), ("scratch", True)]
    assert model.inputs[0]["type"] == "integer"


def test_imported_history_is_there_for_sql(soi: Soi, tmp_path: Path) -> None:
    assert "3 rows read, 3 stored" in import_history(soi, tmp_path).output
    assert "0 stored, 3 known already" in import_history(soi, tmp_path).output
    answer = soi("sql", "--json", "SELECT prediction, count(*) AS n FROM predictions GROUP BY ALL ORDER BY ALL")
    assert [json.loads(line) for line in answer.output.splitlines()] == [
        {"prediction": "no", "n": 1},
        {"prediction": "yes", "n": 2},
    ]
    answer = soi("sql", "--csv", "SELECT happened_at, in_age FROM predictions_loans ORDER BY happened_at LIMIT 1")
    assert answer.output.splitlines() == ["happened_at,in_age", "2026-05-01T08:00:00,31"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "DROP VIEW models",
    ],
)
def test_sql_reads_and_writes_nothing_else(soi: Soi, query: str, tmp_path: Path) -> None:
    answer = soi("sql", query.format(folder=tmp_path))
    assert answer.exit_code == 1
    assert answer.output.lstrip().startswith("error: ")
    assert not (tmp_path / "out.csv").exists()


def test_sql_prompt_goes_on_after_an_error(soi: Soi) -> None:
    answer = soi("sql", "--csv", text="SELECT nothing\nSELECT 41 + 1 AS answer\n\\q\n")
    assert answer.exit_code == 0
    assert answer.output.splitlines()[-2:] == ["answer", "42"]


def test_export_writes_the_labels_with_a_manifest(soi: Soi, tmp_path: Path) -> None:
    import_history(soi, tmp_path)
    truth = tmp_path / "truth.csv"
    truth.write_text("id,outcome\na1,no\na2,no\n")
    flags = ["--time", "when", "--id", "item", "--prediction", "answer", "--score", "prob"]
    soi("import", str(tmp_path / "history.csv"), "--model", "loans", *flags, "--truth", f"{truth}:id:outcome")
    out = tmp_path / "labels.jsonl"
    assert soi("export", "loans", "-o", str(out)).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["subject_id"]: row["label"] for row in rows} == {"a1": "no", "a2": "no"}
    manifest = json.loads((tmp_path / "labels.jsonl.manifest.json").read_text())
    assert manifest["n_items"] == 2
    assert manifest["n_bytes"] == out.stat().st_size


def test_doctor_is_content_with_a_prepared_database(soi: Soi) -> None:
    answer = soi("doctor")
    assert answer.exit_code == 0, answer.output
    assert "failed" not in answer.output


def test_doctor_fails_on_an_old_revision(soi: Soi, database: Database) -> None:
    from db.migrations.runner import downgrade

    downgrade(database, "base")
    answer = soi("doctor")
    assert answer.exit_code == 1
    assert "soi db upgrade" in answer.output
    assert soi("db", "upgrade").exit_code == 0
    assert soi("doctor").exit_code == 0


def test_commands_before_the_database_exists_say_what_to_do(tmp_path: Path) -> None:
    env = {"SOI_DATA_DIR": str(tmp_path / "none"), "SOI_DATABASE_URL": ""}
    answer = CliRunner(env=env).invoke(app, ["user", "add", "an@example.com"])
    assert answer.exit_code == 1
    assert "run `soi db upgrade` or `soi up` first" in answer.output
    assert not (tmp_path / "none").exists()


def test_report_writes_one_file_in_the_language_asked_for(soi: Soi, tmp_path: Path) -> None:
    import_history(soi, tmp_path)
    out = tmp_path / "report.html"
    done = soi("report", "loans", "--language", "vi", "--end", "2026-05-02", "--out", str(out))
    assert done.exit_code == 0, done.output
    html = out.read_text(encoding="utf-8")
    assert '<html lang="vi">' in html
    assert "loans" in html
    assert "<script" not in html
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["loans", "--timezone", "Mars/Olympus"], "not a known time zone"),
        (["loans", "--language", "xx"], "the language is en or vi"),
        (["nothing"], "there is no such model"),
    ],
)
def test_report_says_what_is_wrong_in_one_line(soi: Soi, tmp_path: Path, flags: list[str], said: str) -> None:
    import_history(soi, tmp_path)
    done = soi("report", *flags, "--out", str(tmp_path / "report.html"))
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "report.html").exists()
