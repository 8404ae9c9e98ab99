"""The process that trains: started by the worker for one run, so that torch never slows or kills the worker."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from PIL import Image

from backend.datasets.snapshot import read_rows
from backend.worker.children import run
from db.artifact_store import ArtifactStore


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a training needs to know; no database."""

    artifacts_uri: str
    dataset_path: str
    parent_sha256: str
    signature: dict[str, Any]
    epochs: int
    learning_rate: float | None
    rng_seed: int
    threads: int
    ok_labels: list[str] | None
    max_image_pixels: int


def main(task: Task, pipe: Connection) -> None:
    """Train and say how it went. Entry of the process."""
    run(lambda: _train(task, pipe), pipe)


def _train(task: Task, pipe: Connection) -> dict[str, Any]:
    from review import training

    store = ArtifactStore(task.artifacts_uri)
    examples, skipped = _load(task, store, pipe)
    labels = list(task.signature["outputs"])

    def tell(progress: training.Progress) -> None:
        pipe.send(("progress", 0.1 + 0.9 * progress.fraction, progress.epoch, progress.row))

    result = training.train(
        examples,
        labels,
        parent_bytes=store.get(task.parent_sha256),
        epochs=task.epochs,
        learning_rate=task.learning_rate,
        rng_seed=task.rng_seed,
        threads=task.threads,
        ok_labels=task.ok_labels,
        on_progress=tell,
    )
    return {
        "artifact_sha256": store.put(result.torchscript),
        "n_bytes": len(result.torchscript),
        "signature": {**task.signature, **result.signature},
        "history": result.history,
        "metrics": {"new": result.metrics, "parent": result.parent_metrics},
        "seconds": result.seconds,
        "n_train": sum(example.split == "train" for example in examples),
        "n_held_out": sum(example.split == "held_out" for example in examples),
        "skipped": dict(skipped),
    }


def _load(task: Task, store: ArtifactStore, pipe: Connection) -> tuple[list[Any], Counter[str]]:
    """The examples of a snapshot; items whose picture or golden sample is absent or broken are counted, not used."""
    from review.training import make_example

    Image.MAX_IMAGE_PIXELS = task.max_image_pixels
    size = {"width": int(task.signature["input"]["width"]), "height": int(task.signature["input"]["height"])}
    examples, skipped, goldens = [], Counter[str](), dict[str, Image.Image]()
    rows = list(read_rows(task.dataset_path))
    for number, row in enumerate(rows):
        if number % 50 == 0:
            pipe.send(("progress", 0.1 * number / len(rows), 0, {}))
        item, golden = row["artifact_sha256"], row["golden_sha256"]
        if not item or not golden:
            skipped["no_golden" if item else "no_artifact"] += 1
            continue
        try:
            if golden not in goldens:
                goldens[golden] = _open(store, golden)
            examples.append(make_example(_open(store, item), goldens[golden], row["label"], row["split"], **size))
        except FileNotFoundError:
            skipped["missing_file"] += 1
        except (OSError, Image.DecompressionBombError):
            skipped["broken_image"] += 1
    for reason, n in sorted(skipped.items()):
        pipe.send(("message", f"{n} items left out: {reason}"))
    return examples, skipped


def _open(store: ArtifactStore, sha256: str) -> Image.Image:
    image = Image.open(io.BytesIO(store.get(sha256)))
    image.load()
    return image
