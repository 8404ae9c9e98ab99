"""A small HTTP load generator over loopback: keep-alive connections that send prepared requests one after another."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """What came back: answers by status, the seconds that each took, and the processor time of this client."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)

    def quantile_ms(self, q: float) -> float:
        """A quantile of the waiting times in milliseconds."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000 if ordered else float("nan")


def request_bytes(path: str, key: str, content_type: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection; `send` resolves with the status of the answer."""

    def __init__(self) -> None:
        self.buffer = b""
        self.waiting: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or self.waiting is None:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) >= length:
            self.buffer = b""
            waiting, self.waiting = self.waiting, None
            waiting.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(exc or ConnectionError("closed"))

    def send(self, request: bytes) -> asyncio.Future[int]:
        assert self.transport is not None
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.waiting


async def _run(port: int, queues: list[list[bytes]], max_seconds: float) -> Report:
    loop = asyncio.get_running_loop()
    report = Report()
    connections = [(await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in queues]
    begin, cpu_begin = time.perf_counter(), time.process_time()

    async def client(connection: _Connection, requests: list[bytes]) -> None:
        for request in requests:
            at = time.perf_counter()
            if at - begin > max_seconds:
                return
            status = await connection.send(request)
            report.waits.append(time.perf_counter() - at)
            report.statuses[status] = report.statuses.get(status, 0) + 1

    await asyncio.gather(*(client(one, mine) for one, mine in zip(connections, queues, strict=True)))
    report.seconds, report.cpu_s = time.perf_counter() - begin, time.process_time() - cpu_begin
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
    return report


def drive(port: int, requests: list[bytes], *, clients: int, max_seconds: float = 20) -> Report:
    """Send the requests over `clients` connections at once, for at most `max_seconds`."""
    queues = [requests[place::clients] for place in range(clients)]
    return asyncio.run(_run(port, [queue for queue in queues if queue], max_seconds))


async def _run_at(port: int, requests: list[bytes], rate: float, clients: int) -> Report:
    loop = asyncio.get_running_loop()
    report, free = Report(), asyncio.Queue[_Connection]()
    connections = [(await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(clients)]
    for connection in connections:
        free.put_nowait(connection)
    begin, cpu_begin = time.perf_counter(), time.process_time()

    async def send(request: bytes, due: float) -> None:
        connection = await free.get()
        status = await connection.send(request)
        report.waits.append(time.perf_counter() - due)
        report.statuses[status] = report.statuses.get(status, 0) + 1
        free.put_nowait(connection)

    sending = []
    for number, request in enumerate(requests):
        due = begin + number / rate
        while (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        sending.append(asyncio.create_task(send(request, due)))
    await asyncio.gather(*sending)
    report.seconds, report.cpu_s = time.perf_counter() - begin, time.process_time() - cpu_begin
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
    return report


def drive_at(port: int, requests: list[bytes], *, rate: float, clients: int) -> Report:
    """Send requests by the clock, `rate` a second, over at most `clients` connections; waits count from when due."""
    return asyncio.run(_run_at(port, requests, rate, clients))
