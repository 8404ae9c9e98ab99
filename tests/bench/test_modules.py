"""Runs the unit tests of the bench's JavaScript, and checks how it is put together for the browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dashboard.kit.text import catalogue
from review.screens.bench import component
from tests.conftest import absent

HERE = Path(__file__).parent
NODE = shutil.which("node")


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_the_modules_do_what_their_own_tests_say(file: str) -> None:
    if NODE is None:
        absent("node")
    done = subprocess.run([NODE, "--test", str(HERE / file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_script_given_to_streamlit_is_one_module_with_one_export(tmp_path: Path) -> None:
    script = component.script()
    assert not re.search(r"^import ", script, re.MULTILINE)
    assert re.findall(r"^export .*$", script, re.MULTILINE) == ["export default bench_js.mount;"]
    if NODE is None:
        absent("node")
    whole = tmp_path / "bench.mjs"
    whole.write_text(script, encoding="utf-8")
    subprocess.run([NODE, "--check", str(whole)], check=True, timeout=60)


def test_every_module_is_bundled_after_those_it_imports() -> None:
    assert sorted(f"{name}.js" for name in component.MODULES) == sorted(
        path.name for path in component.FOLDER.glob("*.js")
    )
    for position, name in enumerate(component.MODULES):
        needed = re.findall(r'from "\./([\w-]+)\.js"', component.read(f"{name}.js"))
        assert set(needed) <= set(component.MODULES[:position]), name


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_text_that_the_bench_asks_for_is_in_the_catalogue(language: str) -> None:
    texts = component.strings(catalogue(language))
    source = "".join(component.read(f"{name}.js") for name in component.MODULES)
    asked = set(re.findall(r'\bsay\("([\w.]+)"', source))
    asked |= {f"tell.{key}" for key in re.findall(r'\btell\("(\w+)"', source)}
    asked |= {f"tell.{key}" for key in re.findall(r'return "(\w+)";', component.read("session.js"))}
    asked |= {f"action.{key}" for key in re.findall(r'{ id: "(\w+)"', component.read("keys.js"))}
    assert asked
    assert sorted(key for key in asked if key not in texts) == []


def test_labels_without_a_digit_get_the_free_ones_in_order() -> None:
    from dashboard.kit.data import Label
    from dashboard.kit.text import reading_as

    found = [Label(name="a"), Label(name="b", key=1), Label(name="c")]
    with reading_as("en"):
        assert [label["key"] for label in component.labels(found)] == ["2", "1", "3"]
