"""The one HTML page of the screens and the files it loads: made once at start from Streamlit's own, with our title,
language and content policy, and compressed once (Streamlit leaves its bundles uncompressed)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import FileResponse, Response

from backend.auth.login_page import choose_language

_LANGUAGES: Final = ("en", "vi")
_NO_SCRIPT: Final = (
    '<noscript><p lang="en">This page needs JavaScript.</p><p lang="vi">Trang này cần JavaScript.</p></noscript>'
)
#: Where the server is: without it a deep link first looks below its own path and gets 404 answers.
_SCRIPT: Final = """<script>
      window.prerenderReady = false;
      window.__streamlit = { BACKEND_BASE_URL: location.origin, MAIN_PAGE_BASE_URL: location.origin };
    </script>"""
_YEAR_S: Final = 31_536_000
_TEXT_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".map": "application/json",
}
#: Smaller files gain nothing from compression.
_WORTH_BYTES: Final = 600


class Page:
    """The page in each language, with the headers that go with it."""

    def __init__(self, html: str) -> None:
        self._bodies = {language: make_page(html, language).encode() for language in _LANGUAGES}
        self.policy = content_policy(make_page(html, _LANGUAGES[0]))

    def answer(self, request: HTTPConnection, default_language: str) -> Response:
        """The page in the language the visitor asks for; the first script run corrects it to the person's own."""
        language = choose_language(
            request.query_params.get("lang"), request.headers.get("accept-language"), default_language
        )
        headers = {"Content-Security-Policy": self.policy, "Cache-Control": "no-store"}
        return Response(self._bodies[language], media_type="text/html", headers=headers)


def make_page(html: str, language: str) -> str:
    """Streamlit's index with our language, name and icon, and without what we do not use."""
    html = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    html = re.sub(r"<script>\s*window\.prerenderReady.*?</script>", _SCRIPT, html, count=1, flags=re.DOTALL)
    html = re.sub(r"<noscript>.*?</noscript>", _NO_SCRIPT, html, flags=re.DOTALL)
    html = re.sub(r'<link\s+rel="preload"[^>]*as="font"[^>]*/>', "", html, flags=re.DOTALL)
    html = re.sub(r'<link\s+rel="service-desc"[^>]*/>', "", html, flags=re.DOTALL)
    html = html.replace('<html lang="en">', f'<html lang="{language}">', 1)
    html = re.sub(r"<title>.*?</title>", "<title>Soi</title>", html, count=1)
    html = html.replace("./favicon.png", "./soi-icon.png")
    return html.replace("<head>", '<head>\n    <meta name="color-scheme" content="light dark" />', 1).lstrip()


def content_policy(html: str) -> str:
    """Only our own origin; the page's single inline script is allowed by its hash."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", html, flags=re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'self'; script-src 'self' blob: {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


class StaticFiles:
    """Streamlit's bundles and our icon. Only files that existed at start are served, so no path can climb out."""

    def __init__(self, folder: Path, icon: Path) -> None:
        self._files = {
            "/" + path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and path.suffix not in {".html", ".map"}
        }
        self._files |= {"/favicon.png": icon, "/favicon.ico": icon, "/soi-icon.png": icon}
        self._compressed: dict[str, bytes] = {}

    async def get(self, path: str, headers: Headers) -> Response | None:
        """The file of a path, or None."""
        file = self._files.get(path)
        if file is None:
            return None
        lasting = path.startswith("/static/")
        cache = f"public, immutable, max-age={_YEAR_S}" if lasting else "no-cache"
        media_type = _TEXT_TYPES.get(file.suffix)
        wants_gzip = "gzip" in headers.get("accept-encoding", "")
        if media_type is None or not wants_gzip or file.stat().st_size < _WORTH_BYTES:
            return FileResponse(file, media_type=media_type, headers={"Cache-Control": cache})
        if path not in self._compressed:
            self._compressed[path] = await run_sync(_compress, file)
        sent = {"Cache-Control": cache, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(self._compressed[path], media_type=media_type, headers=sent)


def _compress(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), compresslevel=6, mtime=0)
