"""Keeps the process small and its pauses short: few heaps, memory that goes back, a collector with little to walk."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys

import pyarrow as pa

_ARENA_MAX = -8  # mallopt's M_ARENA_MAX
_HEAPS = 2
_is_settled = False


def bound_heaps() -> None:
    """Before threads start: two heaps for all of them, and Arrow's columns in those too.

    Every thread with a heap of its own, and Arrow's allocator beside them, keep 60 MB more while bodies are read.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have no such thing
        if mallopt is not None:
            mallopt(_ARENA_MAX, _HEAPS)


def settle_garbage() -> None:
    """After start: what was loaded stays, so the collector need not walk it, which took 100 ms at a time."""
    global _is_settled
    if not _is_settled:
        _is_settled = True
        freeze()
        gc.set_threshold(20_000, 20, 20)


def freeze() -> None:
    """Take all that is alive out of the collector's sight, until the process ends: modules must see their end."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
