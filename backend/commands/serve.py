"""`soi up`, `soi api`, `soi app`, `soi worker`: the processes of Soi, alone or together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvicorn

from backend.commands.context import Failed, opened, settings_of, stdout
from backend.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

#: What is accepted is finished within this time after a stop is asked for.
GRACE_S = 10
_WORKER_STOP_S = 20
#: A worker that ends by itself is started again after this time, doubled each time.
_RESTART_S = 1.0
Host = Annotated[str | None, typer.Option(help="Address to bind to (SOI_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (SOI_PORT).")]
GrpcPort = Annotated[
    int | None, typer.Option(help="Also serve the Open Inference Protocol over gRPC on this port (SOI_GRPC_PORT).")
]


def up(ctx: typer.Context, host: Host = None, port: Port = None, grpc_port: GrpcPort = None) -> None:
    """Prepare the database, then serve API and screens in one process with a worker beside it."""
    serve_all(settings_of(ctx, host=host, port=port, grpc_port=grpc_port))


def serve_all(settings: Settings) -> None:
    """Everything on this machine, until SIGINT or SIGTERM."""
    hand_on(settings)
    _prepare(settings, with_token=True)
    with _stopped_by_signals(), _worker_process(), _told_when_ready(settings):
        _serve(settings, ui=True)


def api(
    ctx: typer.Context,
    host: Host = None,
    port: Port = None,
    grpc_port: GrpcPort = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes; more than one needs PostgreSQL.")] = 1,
) -> None:
    """Serve the API alone, without screens and without a worker."""
    settings = settings_of(ctx, host=host, port=port, grpc_port=grpc_port)
    if workers > 1 and settings.database_url.startswith("sqlite"):
        raise Failed("several API processes need PostgreSQL (SOI_DATABASE_URL); SQLite has one writer")
    hand_on(settings)
    _prepare(settings, with_token=True)
    if workers == 1:
        with _stopped_by_signals():
            _serve(settings, ui=False)
        return
    os.environ["SOI_UI"], os.environ["SOI_GRPC_SHARED_PORT"] = "false", "true"
    uvicorn.run("backend.commands.serve:create_api", factory=True, workers=workers, **_options(settings))


def app(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve the screens alone; SOI_API_URL says where the API is."""
    settings = settings_of(ctx, host=host, port=port)
    if not settings.api_url:
        raise Failed("SOI_API_URL is empty: the screens need the address of the API, like http://127.0.0.1:8300")
    from backend.ui_mount import create_ui_app

    with _stopped_by_signals():
        uvicorn.Server(uvicorn.Config(create_ui_app(settings), **_options(settings))).run()


def worker(
    ctx: typer.Context,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input is closed.")
    ] = False,
) -> None:
    """Run the background work: triage, sealing, retention and jobs."""
    settings = settings_of(ctx)
    from backend.worker.main import run_worker

    _prepare(settings, with_token=False)
    os.nice(settings.worker_niceness)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    run_worker(settings, stop)


def hand_on(settings: Settings) -> None:
    """Child processes read their settings from the environment; give them what was said on the command line."""
    for name in ("data_dir", "host", "port", "grpc_port"):
        os.environ[f"SOI_{name.upper()}"] = str(getattr(settings, name))


def _prepare(settings: Settings, *, with_token: bool) -> None:
    with opened(settings, upgrade=True) as database:
        database.check_durability()
        if not with_token:
            return
        from backend.auth.bootstrap import ensure_bootstrap_token

        token = ensure_bootstrap_token(database, settings)
    if token and not settings.bootstrap_token:
        console = stdout()
        console.print("Nobody can sign in yet. Make the first account on the sign-in page with this one-time token:")
        console.print(f"  {token}", style="bold", soft_wrap=True)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "log_level": "warning" if settings.log_level == "info" else settings.log_level,
        "access_log": False,
        "timeout_graceful_shutdown": GRACE_S,
        "ws_ping_interval": 20,
        "ws_ping_timeout": 20,
        "ws_max_size": 64 * 2**20,
    }


def _serve(settings: Settings, *, ui: bool) -> None:
    from backend.main import create_app

    made = create_app(settings, ui=True) if ui else create_api(settings)
    uvicorn.Server(uvicorn.Config(made, **_options(settings))).run()


def create_api(settings: Settings | None = None) -> FastAPI:
    """The API without screens, in a process that needs no pandas."""
    from backend import memory
    from backend.main import create_app

    memory.keep_pandas_out()
    return create_app(settings, ui=False)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Uvicorn raises its signal again after a clean stop; it ends the block instead of killing the process."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _worker_process() -> Iterator[None]:
    """A worker beside the server: started again when it ends by itself, ended with the server."""
    stop = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(stop,), name="worker-keeper")
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def _keep_worker(stop: threading.Event) -> None:
    wait_s = _RESTART_S
    while not stop.is_set():
        begun = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "worker", "--with-parent"], stdin=subprocess.PIPE
        )
        while child.poll() is None and not stop.wait(0.2):
            pass
        if stop.is_set():
            _end(child)
            return
        if time.monotonic() - begun > 60:
            wait_s = _RESTART_S
        stdout().print(f"the worker ended with code {child.returncode}; starting it again in {wait_s:.0f} s")
        stop.wait(wait_s)
        wait_s = min(60.0, wait_s * 2)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_WORKER_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _watch_parent(stop: threading.Event) -> None:
    # The bare descriptor: a thread inside Python's buffered reader would break the interpreter's end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()


@contextmanager
def _told_when_ready(settings: Settings) -> Iterator[None]:
    """Print the address as soon as the server answers."""
    done = threading.Event()

    def wait() -> None:
        import httpx

        address = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{settings.port}"
        while not done.wait(0.1):
            try:
                if httpx.get(f"{address}/healthz", timeout=1, trust_env=False).is_success:
                    stdout().print(f"Soi is at [bold]{settings.public_url}[/] (Ctrl-C ends it)", soft_wrap=True)
                    sys.stdout.flush()
                    return
            except httpx.HTTPError:
                continue

    teller = threading.Thread(target=wait, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
