"""The process that encodes: started by the worker for one run, so that torch never slows or kills the worker.

It speaks through a pipe: ("vectors", [(key, bytes, n_dims), ...]), and last ("done", {reason: n left out}) or
("failed", ...). When the worker dies, so does this process within a second.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from db.artifact_store import ArtifactStore

#: Items encoded at once: 32 pictures of 96 x 96 pass the convolutions in some 40 ms.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that encoding needs to know; no database. `items` are (key, sha256 of a file, its text)."""

    artifacts_uri: str
    kind: str
    items: tuple[tuple[str, str | None, str | None], ...]
    threads: int
    max_image_pixels: int


def main(task: Task, pipe: Connection) -> None:
    """Encode and say how it went. Entry of the process."""
    os.nice(10)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        pipe.send(("done", dict(_encode_all(task, pipe))))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here is the run's failure, told to the worker
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """A process whose parent died is handed to another one."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _encode_all(task: Task, pipe: Connection) -> Counter[str]:
    import torch

    torch.set_num_threads(task.threads)
    store, left_out = ArtifactStore(task.artifacts_uri), Counter[str]()
    for first in range(0, len(task.items), BATCH):
        opened: list[tuple[str, Any]] = []
        for key, sha256, text in task.items[first : first + BATCH]:
            try:
                opened.append((key, _open(task, store, sha256, text)))
            except FileNotFoundError:
                left_out["missing_file"] += 1
            except (OSError, ValueError, RuntimeError, TypeError):
                left_out["broken_file"] += 1
        if opened:
            vectors = encode(task.kind, [one for _, one in opened])
            rows = zip((key for key, _ in opened), vectors, strict=True)
            pipe.send(("vectors", [(key, row.astype("<f4").tobytes(), len(row)) for key, row in rows]))
    return left_out


def encode(kind: str, opened: Sequence[Any]) -> Any:
    """Vectors of opened items of one kind."""
    from review import encoding

    if kind == "image":
        return encoding.encode_images(opened)
    return encoding.encode_sounds(opened) if kind == "audio" else encoding.encode_texts(opened)


def _open(task: Task, store: ArtifactStore, sha256: str | None, text: str | None) -> Any:
    if text is not None:
        return text
    data = store.get(sha256 or "")
    if task.kind == "text":
        return data.decode("utf-8")
    if task.kind == "audio":
        import soundfile

        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        if not len(samples) or not np.isfinite(samples).all():
            raise ValueError("no sound")
        return samples, int(rate)
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    if picture.width * picture.height > task.max_image_pixels:
        raise ValueError("too many pixels")
    picture.load()
    return picture
