"""scipy.special, loaded when a function is first called: 27 MB that a logging door without questions does without."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    import scipy.special

    return getattr(scipy.special, name)
