"""Trains and fine-tunes the inspection network: the only module that imports torch for training.

Called by the worker (retraining runs) and by the demonstration (its first two versions). The network sees an item
beside its golden sample, `[n, 2, height, width]` in 0..1 as `review.rules.image_input` prepares them, and answers
one logit per label. It is stored as TorchScript, so serving needs none of this code.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from review.rules.classification import score_classes
from review.rules.image_input import prepare

#: Boards larger than this are pooled before the first convolution, keeping the strongest difference in each cell.
_FINEST_SIDE = 136
#: Channels and stride of each convolution: its last cell sees 47 pixels, the size of a defect with its surroundings.
_BLOCKS = ((16, 2), (32, 2), (48, 2), (64, 1), (64, 1))


class UnfitParent(ValueError):
    """The parent version's network is not the one that is trained here, so its weights cannot be taken over."""


class NothingToLearn(ValueError):
    """There are no examples to train on, or all of them have one label."""


class Stopped(RuntimeError):
    """The training was asked to stop."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled item: `pixels` is uint8 `[2, height, width]` (item, golden sample); `split` is train or held_out."""

    pixels: NDArray[np.uint8]
    label: str
    split: str = "train"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained network with how it got there.

    `signature` is what serving needs (`ModelVersion.signature`); `metrics` are of the held-out examples, and
    `parent_metrics` are the parent's on the same ones.
    """

    torchscript: bytes
    signature: dict[str, Any]
    history: list[dict[str, float]]
    metrics: dict[str, Any]
    parent_metrics: dict[str, Any] | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What `on_progress` gets: after every few batches, and with `epoch_done` after every epoch."""

    epoch: int
    epochs: int
    fraction: float
    loss: float
    epoch_done: bool = False
    row: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Size:
    """An image specification for `prepare`: grey item beside grey golden sample, scaled to 0..1 and no further."""

    width: int
    height: int
    channels: int = 2
    with_golden: bool = True
    mean: float = 0.0
    std: float = 1.0


def make_example(item: Image.Image, golden: Image.Image, label: str, split: str, *, width: int, height: int) -> Example:
    """An example from pictures of any size, prepared exactly as serving prepares them."""
    scaled = prepare([item, golden], _Size(width, height))
    return Example(np.rint(scaled * 255.0).astype(np.uint8), label, split)


def describe(labels: Sequence[str], *, width: int, height: int) -> dict[str, Any]:
    """The signature of the versions trained here."""
    size = {"kind": "image", "width": width, "height": height, "channels": 2, "with_golden": True}
    return {"input": {**size, "mean": 0.0, "std": 1.0}, "outputs": list(labels), "activation": "softmax"}


class InspectionNet(nn.Module):  # type: ignore[misc]
    """A small convolutional network over (item, golden, missing copper, extra copper)."""

    def __init__(self, n_labels: int, shrink: int) -> None:
        super().__init__()
        self.shrink = shrink
        blocks, n_in = [], 4
        for n_out, stride in _BLOCKS:
            blocks.append(_block(n_in, n_out, stride))
            n_in = n_out
        self.features = nn.Sequential(*blocks)
        self.head = nn.Linear(2 * n_in, n_labels)

    def forward(self, x: Tensor) -> Tensor:
        item, golden = x[:, 0:1], x[:, 1:2]
        less, more = _unmatched(golden, item), _unmatched(item, golden)
        if self.shrink > 1:
            item = nn.functional.avg_pool2d(item, self.shrink)
            golden = nn.functional.avg_pool2d(golden, self.shrink)
            less = nn.functional.max_pool2d(less, self.shrink)
            more = nn.functional.max_pool2d(more, self.shrink)
        seen = self.features(torch.cat([item - 0.5, golden - 0.5, 3.0 * less, 3.0 * more], dim=1))
        strongest = seen.amax(dim=(2, 3))
        return self.head(torch.cat([strongest, seen.mean(dim=(2, 3))], dim=1))


def _unmatched(brighter: Tensor, darker: Tensor) -> Tensor:
    """How much `brighter` exceeds everything within one pixel in `darker`: a shift of one pixel leaves nothing."""
    smooth = nn.functional.avg_pool2d(brighter, 3, 1, 1)
    around = nn.functional.max_pool2d(nn.functional.avg_pool2d(darker, 3, 1, 1), 3, 1, 1)
    return nn.functional.relu(smooth - around)


def _block(n_in: int, n_out: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())


def train(
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    parent_bytes: bytes | None = None,
    epochs: int = 8,
    rng_seed: int = 0,
    threads: int = 1,
    batch_size: int = 32,
    learning_rate: float | None = None,
    ok_labels: Sequence[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Train a network from nothing, or from a parent's weights, and measure it on the held-out examples.

    All examples have the same size. `ok_labels` are those without a defect (default: the first label). Raises
    UnfitParent when the parent has other layers or labels, Stopped when `should_stop` says so, and NothingToLearn
    when fewer than two labels occur.
    """
    begun = time.monotonic()
    torch.set_num_threads(max(1, threads))
    torch.manual_seed(rng_seed)
    learn, held_out = _arrays(examples, labels, "train"), _arrays(examples, labels, "held_out")
    if len(np.unique(learn[1])) < 2:
        raise NothingToLearn("training needs examples of at least two labels")
    height, width = learn[0].shape[2:]
    model = InspectionNet(len(labels), max(1, round(min(height, width) / _FINEST_SIDE)))
    parent_metrics = None
    if parent_bytes is not None:
        _take_over(model, parent_bytes)
        parent_metrics = _measure(model, held_out, labels, ok_labels)
    loop = _Loop(model, learn, held_out, labels, epochs, batch_size, rng_seed, on_progress, should_stop)
    history = loop.run(learning_rate or (1e-3 if parent_bytes is not None else 3e-3))
    return TrainingResult(
        torchscript=to_torchscript(model),
        signature=describe(labels, width=width, height=height),
        history=history,
        metrics=_measure(model, held_out, labels, ok_labels),
        parent_metrics=parent_metrics,
        seconds=time.monotonic() - begun,
    )


class _Loop:
    """The epochs: shuffled batches with flips and quarter turns, label weights, a one-cycle learning rate."""

    def __init__(
        self,
        model: InspectionNet,
        learn: tuple[NDArray[np.uint8], NDArray[np.int64]],
        held_out: tuple[NDArray[np.uint8], NDArray[np.int64]],
        labels: Sequence[str],
        epochs: int,
        batch_size: int,
        rng_seed: int,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.model, self.learn, self.held_out, self.labels = model, learn, held_out, labels
        #: Small sets get small batches, for at least some thirty steps an epoch.
        self.epochs, self.batch_size = epochs, max(8, min(batch_size, len(learn[0]) // 30))
        self.rng = np.random.default_rng(rng_seed)
        self.on_progress, self.should_stop = on_progress, should_stop

    def run(self, learning_rate: float) -> list[dict[str, float]]:
        pixels, targets = self.learn
        n_batches = max(1, -(-len(pixels) // self.batch_size))
        counts = np.bincount(targets, minlength=len(self.labels)).astype(np.float64)
        weights = np.where(counts > 0, np.sqrt(counts.max() / np.maximum(counts, 1)), 0.0)
        loss_of = nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float32), label_smoothing=0.02)
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=learning_rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learning_rate, total_steps=max(10, n_batches * self.epochs + 1), pct_start=0.2
        )
        history: list[dict[str, float]] = []
        for epoch in range(1, self.epochs + 1):
            begun, losses = time.monotonic(), []
            order = self.rng.permutation(len(pixels))
            self.model.train()
            for index in range(n_batches):
                if self.should_stop is not None and self.should_stop():
                    raise Stopped("the training was stopped")
                chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
                if len(chosen) < 2 and index > 0:
                    continue
                loss = loss_of(self.model(_batch(pixels[chosen], self.rng)), torch.from_numpy(targets[chosen]))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(float(loss.detach()))
                if index % 8 == 0:
                    self._tell(Progress(epoch, self.epochs, (epoch - 1 + index / n_batches) / self.epochs, losses[-1]))
            self._settle_statistics()
            row = {"epoch": epoch, "loss": float(np.mean(losses)), "seconds": time.monotonic() - begun}
            if len(self.held_out[0]):
                row["accuracy"] = _measure(self.model, self.held_out, self.labels)["accuracy"]
            history.append(row)
            self._tell(Progress(epoch, self.epochs, epoch / self.epochs, row["loss"], epoch_done=True, row=row))
        return history

    def _settle_statistics(self) -> None:
        """Measure the activations' mean and variance afresh: the running ones lag behind when there are few batches."""
        norms = [module for module in self.model.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
        pixels = self.learn[0]
        order = self.rng.permutation(len(pixels))[: 12 * self.batch_size]
        self.model.train()
        with torch.no_grad():
            for start in range(0, len(order), self.batch_size):
                self.model(_batch(pixels[order[start : start + self.batch_size]], self.rng))
        for norm in norms:
            norm.momentum = 0.1

    def _tell(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)


def to_torchscript(model: nn.Module) -> bytes:
    """The network as a TorchScript file."""
    buffer = io.BytesIO()
    with _quiet():
        torch.jit.save(torch.jit.script(model.eval()), buffer)
    return buffer.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """torch announces that TorchScript will end one day; it is what serving loads, so nobody needs to read that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _load(torchscript: bytes) -> Any:
    with _quiet():
        return torch.jit.load(io.BytesIO(torchscript), map_location="cpu")


def evaluate(
    torchscript: bytes, examples: Sequence[Example], labels: Sequence[str], *, threads: int = 1
) -> dict[str, Any]:
    """Measure a stored network on all given examples (their split is not looked at)."""
    torch.set_num_threads(max(1, threads))
    model = _load(torchscript).eval()
    splits = {example.split for example in examples}
    parts = [_arrays(examples, labels, split) for split in sorted(splits)]
    return _measure(model, (np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])), labels)


def _take_over(model: InspectionNet, parent_bytes: bytes) -> None:
    try:
        weights = _load(parent_bytes).state_dict()
    except RuntimeError as error:
        raise UnfitParent("the parent version is not a TorchScript file that can be read") from error
    ours = model.state_dict()
    for name, value in ours.items():
        if name not in weights:
            raise UnfitParent(f"the parent version has no layer {name!r}: it is another network")
        if weights[name].shape != value.shape:
            found, wanted = list(weights[name].shape), list(value.shape)
            raise UnfitParent(f"layer {name!r} of the parent version is {found}, and {wanted} is needed here")
    model.load_state_dict({name: weights[name] for name in ours})


def _arrays(
    examples: Sequence[Example], labels: Sequence[str], split: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    chosen = [example for example in examples if example.split == split]
    if not chosen:
        return np.zeros((0, 2, 1, 1), np.uint8), np.zeros(0, np.int64)
    order = {label: index for index, label in enumerate(labels)}
    return np.stack([e.pixels for e in chosen]), np.array([order[e.label] for e in chosen], np.int64)


def _batch(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """One batch with random flips, quarter turns, brightness, and a shift of the item against its golden sample."""
    turned = pixels
    if pixels.shape[2] == pixels.shape[3]:
        turned = np.rot90(turned, int(rng.integers(4)), axes=(2, 3))
    if rng.random() < 0.5:
        turned = turned[:, :, :, ::-1]
    batch = torch.from_numpy(np.ascontiguousarray(turned)).float().div_(255.0)
    batch[:, 0] = torch.roll(batch[:, 0], (int(rng.integers(-1, 2)), int(rng.integers(-1, 2))), dims=(1, 2))
    gain = torch.from_numpy(rng.uniform(0.92, 1.08, (len(batch), 1, 1, 1)).astype(np.float32))
    return (batch * gain).clamp_(0.0, 1.0)


def _measure(
    model: nn.Module,
    data: tuple[NDArray[np.uint8], NDArray[np.int64]],
    labels: Sequence[str],
    ok_labels: Sequence[str] | None = None,
) -> dict[str, Any]:
    pixels, targets = data
    model.eval()
    said: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(pixels), 64):
            batch = torch.from_numpy(pixels[start : start + 64]).float().div_(255.0)
            said.extend(model(batch).argmax(dim=1).tolist())
    return score_classes([labels[i] for i in targets], [labels[i] for i in said], labels, ok_labels)
