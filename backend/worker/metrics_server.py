"""The worker's own /metrics for Prometheus, on a port of its own when the settings name one.

Only this machine may read it without a key; everybody else needs an API key with the scope metrics:read, and nothing
but GET /metrics is answered.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from backend.auth.service import key_principal
from backend.auth.tokens import hash_token
from backend.settings import Settings
from db.engine import Database
from db.repositories import api_keys

log = structlog.get_logger("soi.metrics")
SCOPE = "metrics:read"


def serve_metrics(settings: Settings, database: Database) -> Callable[[], None]:
    """Start answering, if a port is set; what is returned ends it. A port that is taken is logged, not fatal."""
    if not settings.worker_metrics_port:
        return lambda: None
    try:
        server = ThreadingHTTPServer(
            (settings.worker_metrics_host, settings.worker_metrics_port), make_handler(database)
        )
    except OSError as error:
        log.warning("no metrics", port=settings.worker_metrics_port, error=str(error))
        return lambda: None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="soi-metrics", daemon=True).start()

    def close() -> None:
        server.shutdown()
        server.server_close()

    return close


def make_handler(database: Database) -> type[BaseHTTPRequestHandler]:
    """A handler that knows whom to let in."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
            elif not may_read(database, self.client_address[0], self.headers.get("Authorization")):
                self.send_error(401)
            else:
                body = generate_latest()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE_LATEST)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not worth a line each."""

    return Handler


def may_read(database: Database, address: str, authorization: str | None) -> bool:
    """This machine, or a living key with the scope."""
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return False
    with database.read() as session:
        principal = key_principal(api_keys.find_by_hash(session, hash_token(token.strip())))
    return principal is not None and principal.may(SCOPE)
