"""Spoken digits through a two-step pipeline (VAD -> recogniser), logged as OpenTelemetry spans through the API; then
one step is broken at a time, and the product is asked which one it was.

Run: python -m benchmarks.pipeline_fsdd --data ../shared/data/fsdd [--traces 600]
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from backend.auth.tokens import hash_token, new_key
from backend.client import ApiError, Client
from backend.main import create_app
from backend.pipelines.trace_schemas import BlameReport
from backend.settings import Settings
from benchmarks.speech_steps import USUAL_DB, Recogniser, Recording, detect, disturb, level_db, load
from db.migrations.runner import upgrade
from db.models.person import ApiKey

PIPELINE = "spoken-digits"
#: The broken VAD takes only what lies this close to the loudest frame as speech, and so cuts into words.
CUTTING_DB = 7.0
#: How strongly the broken recogniser's weights are spoilt.
SPOILT = 0.6
BATCH = 512
#: Nominal seconds of the steps, spread at random, not measured: a shared machine's own times differ from one day's run
#: to the next, and that is a change which the product would rightly find.
TOOK_S = (0.0006, 0.0022)


@dataclass(frozen=True, slots=True)
class Scene:
    """One day: how the VAD is set, and which recogniser answers."""

    name: str
    vad_db: float = USUAL_DB
    spoilt: float = 0.0


SCENES = (
    Scene("reference"),
    Scene("nothing changed"),
    Scene("VAD cuts words", vad_db=CUTTING_DB),
    Scene("recogniser spoilt", spoilt=SPOILT),
)


def register(client: Client) -> None:
    """The two models and the pipeline."""
    client.models.create(
        name="digit-vad",
        item_kind="audio",
        output_kind="number",
        inputs=[{"name": name, "type": "number"} for name in ("duration_s", "level_db")],
        metrics=["edge_db", "kept_share"],
    )
    client.models.create(
        name="digit-recogniser",
        item_kind="audio",
        labels=[{"name": str(digit)} for digit in range(10)],
        inputs=[{"name": name, "type": "number"} for name in ("speech_s", "speech_level_db")],
        segment_keys=["speaker"],
    )
    steps = [{"name": "vad", "model": "digit-vad"}, {"name": "recogniser", "model": "digit-recogniser"}]
    client.pipelines.create(name=PIPELINE, steps=steps, services=["digit-service"])


def teach(recordings: Sequence[Recording], rng: np.random.Generator, takes: int = 4, epochs: int = 12) -> Recogniser:
    """A recogniser trained on several takes of each recording, as the usual VAD cuts them."""
    words, digits = [], []
    for recording in recordings:
        for _ in range(takes):
            take = disturb(recording.sound, rng)
            voice = detect(take)
            if voice is not None:
                words.append(take[voice.begin : voice.end])
                digits.append(recording.digit)
    recogniser = Recogniser()
    recogniser.train(words, digits, epochs)
    return recogniser


def run_scene(
    recordings: Sequence[Recording],
    recogniser: Recogniser,
    scene: Scene,
    start: datetime,
    n: int,
    rng: np.random.Generator,
) -> tuple[list[Any], dict[str, int], float, float]:
    """`n` traces as spans, the truth by subject, and the plain accuracy and share without answer."""
    chosen = [recordings[i] for i in rng.integers(len(recordings), size=n)]
    takes = [disturb(recording.sound, rng) for recording in chosen]
    voices = [detect(take, scene.vad_db) for take in takes]
    words = [take[v.begin : v.end] for take, v in zip(takes, voices, strict=True) if v is not None]
    answers = iter(recogniser.answer(words))
    vad_s, recogniser_s = (mean * rng.lognormal(0, 0.2, n) for mean in TOOK_S)
    spans, truths, said = [], {}, []
    for place, (recording, take, voice) in enumerate(zip(chosen, takes, voices, strict=True)):
        subject = f"{start:%d}-{place}-{recording.name}"
        truths[subject] = recording.digit
        trace = _Trace(int(rng.integers(1, 2**62)), start + timedelta(seconds=60 * place), subject)
        spans.append(trace.span("vad", 0.0, vad_s[place], _vad_attributes(take, voice)))
        digit = None
        if voice is not None:
            digit, score = next(answers)
            attributes = _recogniser_attributes(take[voice.begin : voice.end], recording.speaker, digit, score)
            spans.append(trace.span("recogniser", vad_s[place], recogniser_s[place], attributes))
        said.append(digit)
    accuracy = float(np.mean([a == r.digit for a, r in zip(said, chosen, strict=True)]))
    return spans, truths, accuracy, float(np.mean([digit is None for digit in said]))


def _vad_attributes(take: Any, voice: Any) -> dict[str, Any]:
    found = {"soi.version": "1", "soi.input.duration_s": len(take) / 8000, "soi.input.level_db": level_db(take)}
    if voice is not None:
        found |= {"soi.prediction": voice.seconds, "soi.metric.edge_db": voice.edge_db}
        found["soi.metric.kept_share"] = voice.kept
    return found


def _recogniser_attributes(word: Any, speaker: str, digit: int | None, score: float) -> dict[str, Any]:
    found = {"soi.version": "1", "soi.input.speech_s": len(word) / 8000, "soi.input.speech_level_db": level_db(word)}
    found |= {"soi.score": score, "soi.segment.speaker": speaker}
    return found | ({"soi.prediction": str(digit)} if digit is not None else {})


class _Trace:
    """Makes the spans of one trace."""

    def __init__(self, number: int, start: datetime, subject: str) -> None:
        self.number, self.start, self.subject = number, start, subject
        self._ids = itertools.count(1)

    def span(self, name: str, after_s: float, took_s: float, attributes: dict[str, Any]) -> Any:
        from opentelemetry.proto.trace.v1.trace_pb2 import Span

        begun = int((self.start.timestamp() + after_s) * 1e9)
        span = Span(
            trace_id=self.number.to_bytes(16, "big"),
            span_id=next(self._ids).to_bytes(8, "big"),
            name=name,
            start_time_unix_nano=begun,
            end_time_unix_nano=begun + int(took_s * 1e9),
        )
        for key, value in {**attributes, "soi.subject_id": self.subject}.items():
            pair = span.attributes.add()
            pair.key = key
            setattr(pair.value, "string_value" if isinstance(value, str) else "double_value", value)
        return span


def send(client: Client, spans: Sequence[Any]) -> None:
    """Export spans as an OpenTelemetry exporter does: protobuf, gzip, batches of 512."""
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    for first in range(0, len(spans), BATCH):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        name = group.resource.attributes.add()
        name.key, name.value.string_value = "service.name", "digit-service"
        group.scope_spans.add().spans.extend(spans[first : first + BATCH])
        answer = post(client, gzip.compress(request.SerializeToString(), 1), headers)
        assert answer.content == b"", answer.content  # no partial success: every span was taken


def post(client: Client, body: bytes, headers: dict[str, str], tries: int = 5) -> Any:
    """Send an export, again after a 503, as exporters do; what was stored of it the first time counts once."""
    for left in reversed(range(tries)):
        try:
            return client.transport.request("POST", "/v1/traces", content=body, headers=headers)
        except ApiError as error:
            if error.status != 503 or not left:
                raise
            time.sleep(1)
    return None


def tell_truths(client: Client, truths: dict[str, int]) -> None:
    items = [{"subject_id": subject, "label": str(digit)} for subject, digit in truths.items()]
    for first in range(0, len(items), 1000):
        body = {"model": "digit-recogniser", "truths": items[first : first + 1000]}
        client.transport.request("POST", "/v1/ground-truth", json=body)


@dataclass(frozen=True, slots=True)
class Told:
    """What a scene was really like, and what the product said of it."""

    scene: Scene
    accuracy: float
    null_rate: float
    report: BlameReport | None
    blame_s: float


def play(
    client: Client, learn: Sequence[Recording], test: Sequence[Recording], n: int, *, takes: int = 4, epochs: int = 12
) -> Iterator[Told]:
    """Train, then a day per scene, each but the first compared with the first."""
    rng = np.random.default_rng(5)
    register(client)
    recogniser = teach(learn, rng, takes, epochs)
    kept = {name: value.clone() for name, value in recogniser.net.state_dict().items()}
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=len(SCENES))
    reference = (begin, begin + timedelta(days=1))
    for day, scene in enumerate(SCENES):
        recogniser.net.load_state_dict(kept)
        if scene.spoilt:
            recogniser.degrade(scene.spoilt)
        start = begin + timedelta(days=day)
        spans, truths, accuracy, null_rate = run_scene(test, recogniser, scene, start, n, rng)
        send(client, spans)
        tell_truths(client, truths)
        begun = time.perf_counter()
        window = (start, start + timedelta(days=1))
        report = client.pipelines.blame(PIPELINE, *window, reference=reference) if day else None
        yield Told(scene, accuracy, null_rate, report, time.perf_counter() - begun)


def describe(told: Told) -> str:
    """The scene in a few lines: the figures, then every measure that changed with its shares."""
    lines = [f"{told.scene.name}: accuracy {told.accuracy:.1%}, no answer {told.null_rate:.1%}"]
    if told.report is None:
        return lines[0]
    lines[0] += f"; blame took {told.blame_s:.2f} s"
    for change in told.report.changes:
        if change.verdict != "unchanged" and change.label is None:
            parts = ", ".join(
                f"{share.step or 'what came in'} {share.change:+.3f} ({share.low:+.3f} to {share.high:+.3f})"
                + (" BLAMED" if share.is_blamed else "")
                for share in change.shares
            )
            lines.append(
                f"  {change.measure} {change.reference:.3f} -> {change.current:.3f}: {change.verdict}: {parts}"
            )
    return "\n".join(lines)


def open_client(app: Any, base_url: str) -> Client:
    """A client with a key that may do what this needs."""
    key = new_key()
    scopes = ["models:write", "models:read", "events:write", "events:read", "aggregates:read", "labels:write"]
    scopes.append("labels:read")
    with app.state.services.database.write() as session:
        session.add(ApiKey(name="speech", key_hash=hash_token(key), prefix=key[:10], scopes=scopes))
    return Client(http=TestClient(app, base_url=base_url, headers={"Authorization": f"Bearer {key}"}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fsdd"))
    parser.add_argument("--traces", type=int, default=600)
    asked = parser.parse_args()
    recordings = load(asked.data)
    learn = [one for one in recordings if one.index < 15]
    test = [one for one in recordings if one.index >= 15]
    print(f"Python {platform.python_version()}, torch {version('torch')}, {len(learn)} recordings to learn from, ")
    print(f"{len(test)} others to answer, {asked.traces} traces a day")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), ui=False)
        app = create_app(settings, ui=False)
        upgrade(app.state.services.database)
        with TestClient(app, base_url=settings.public_url):
            for told in play(open_client(app, settings.public_url), learn, test, asked.traces):
                print(describe(told), flush=True)
    print(f"all in {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
