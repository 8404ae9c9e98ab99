"""Makes the pictures of the documentation: signs in, visits every screen in both languages, writes PNG files.

    python docs/images/make.py http://127.0.0.1:8300 admin@example.org --screens health overview

Pictures of the light theme are called `health-en.png`, those of the dark theme `health-en-dark.png`. The password is
read from SOI_PICTURES_PASSWORD, or asked for. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import getpass
import io
import os
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dashboard.app import SCREENS

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
#: What a picture should show beyond a screen's first view.
VIEWS: dict[str, str] = {
    "health": "range=30d&split=version",
    "compare": "range=30d",
    "overview": "range=7d",
    "ingestion": "range=7d",
}
#: Screens whose first charts lie lower than `--height`.
HEIGHTS: dict[str, int] = {"health": 900, "compare": 1000}
#: Larger pictures are written with 256 colours.
MAX_BYTES = 250_000
_SETTLED = "() => document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'"


def main() -> None:
    given = arguments()
    password = os.environ.get("SOI_PICTURES_PASSWORD") or getpass.getpass("Password: ")
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=FLAGS)
        for theme in given.themes:
            context = browser.new_context(
                viewport={"width": given.width, "height": given.height}, color_scheme=theme, locale="en-GB"
            )
            page = context.new_page()
            sign_in(page, given.url, given.email, password)
            for screen in SCREENS:
                if given.screens and screen.name not in given.screens:
                    continue
                for language in ("en", "vi"):
                    path = given.out / f"{screen.name}-{language}{'-dark' if theme == 'dark' else ''}.png"
                    picture(page, given, screen.name, screen.url_path, language, path)
            context.close()
        browser.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("email")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--model", default=None, help="the model to show")
    parser.add_argument("--themes", nargs="+", default=["light"], choices=["light", "dark"])
    parser.add_argument("--screens", nargs="+", default=[], help="only these; all when left out")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    return parser.parse_args()


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(f"{url}/login")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    settle(page)


def picture(page: Page, given: Any, name: str, url_path: str, language: str, path: Path) -> None:
    """One screen in one language; the first screen lives at the root."""
    query = "&".join(part for part in (f"lang={language}", VIEWS.get(name), _model(given)) if part)
    address = "" if name == SCREENS[0].name else url_path
    page.set_viewport_size({"width": given.width, "height": HEIGHTS.get(name, given.height)})
    page.goto(f"{given.url}/{address}?{query}")
    settle(page)
    data = page.screenshot()
    if len(data) > MAX_BYTES:  # photographs; screens of text and charts are small as they are
        packed = io.BytesIO()
        with Image.open(io.BytesIO(data)) as taken:
            few = taken.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(packed, "PNG", optimize=True)
        data = packed.getvalue()
    path.write_bytes(data)
    print(f"{path} {path.stat().st_size / 1000:.0f} kB")


def _model(given: Any) -> str | None:
    return f"model={given.model}" if given.model else None


def settle(page: Page) -> None:
    """Waits until the script has run, the charts are drawn and pictures are there."""
    page.wait_for_selector("h1, h3", timeout=30_000)
    page.wait_for_function(_SETTLED, timeout=30_000)
    page.wait_for_load_state("networkidle", timeout=30_000)
    page.wait_for_timeout(600)


if __name__ == "__main__":
    main()
