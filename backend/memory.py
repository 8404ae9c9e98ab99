"""Keeps the process small and its pauses short: few heaps, memory that goes back, a collector with little to walk."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from importlib.abc import MetaPathFinder
from typing import Any

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


class _NoPandas(MetaPathFinder):
    """Answers that pandas is not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("kept out for the length of one look", name=fullname)


def keep_pandas_out() -> None:
    """At the start of a process without screens: Arrow makes every array without pandas.

    With the first array made of a list, Arrow looks once whether there is a pandas, and loads all 38 MB of it only to
    ask whether that list is a pandas object. Who imports pandas later gets it, but Arrow's to_pandas() does not work.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


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
