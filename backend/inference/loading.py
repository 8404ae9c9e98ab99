"""Model files to callables. The only serving code that imports torch, and only when a version is first used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.inference.answers import Answer, build_input, read_output
from backend.inference.signature import ImageInput, Signature

Array = npt.NDArray[np.float32]


class LoadFailed(RuntimeError):
    """A version cannot be loaded or does not do what its signature says."""


class LoadedVersion:
    """A version in memory: float32 [1, ...] in, raw outputs [n] out. Safe to call from several threads."""

    def __init__(self, path: Path, kind: str, signature: Signature, *, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self.signature = signature
        try:
            self._network = _load(torch, path, kind)
            self.run(self._example())
        except LoadFailed:
            raise
        except Exception as error:
            raise LoadFailed(f"the model file cannot be used: {str(error)[:300]}") from error

    def prepare(self, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int) -> Array:
        """The network's input for one thing; BadInput when it does not fit."""
        return build_input(self.signature, inputs, pictures, max_pixels)

    def read(self, raw: Array) -> Answer:
        """Raw outputs as an answer; BadOutput when they are none."""
        return read_output(self.signature, raw)

    def close(self) -> None:
        """Nothing is held beside memory."""

    def run(self, inputs: Array) -> Array:
        """Raw outputs for one item."""
        with self._torch.inference_mode():
            answer = self._network(self._torch.from_numpy(inputs[None]))
        if isinstance(answer, tuple | list):
            answer = answer[0]
        raw: Array = answer.detach().to(self._torch.float32).cpu().numpy().reshape(-1)
        return raw

    def _example(self) -> Array:
        wanted = self.signature.input
        if isinstance(wanted, ImageInput):
            return np.zeros((wanted.channels, wanted.height, wanted.width), dtype=np.float32)
        return np.zeros(len(wanted.features), dtype=np.float32)


def _load(torch: Any, path: Path, kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "torchscript":
            return torch.jit.load(str(path), map_location="cpu").eval()
        if kind == "pt2":
            return torch.export.load(str(path)).module()
    raise LoadFailed(f"a version of kind {kind!r} does not answer here: it only logs")
