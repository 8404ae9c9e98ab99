"""How large a difference is, in one unit for every distance: the shift, in standard deviations, of a normal
distribution that would give the same distance. And what n rows can see. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from backend.drift import special
from backend.drift.evidence import noise

Floats = npt.NDArray[np.float64]
#: The chance with which a shift that is called visible is found.
POWER = 0.8
#: Shifts beyond this many sigma are all the same to a reader.
MAX_SHIFT = 12.0


def distance_of(name: str, shift: npt.ArrayLike) -> Floats:
    """The distance `name` between N(0, 1) and N(shift, 1), continuous.

    >>> [round(float(distance_of(name, 0.5)), 4) for name in ("psi", "js", "hellinger", "ks", "auc")]
    [0.25, 0.1741, 0.1754, 0.1974, 0.6382]
    """
    return np.asarray(_FORWARD[name](np.asarray(shift, dtype=np.float64)))


def shift_of(name: str, distance: npt.ArrayLike) -> Floats:
    """The shift in sigma that gives this distance; the inverse of `distance_of`. NaN stays NaN.

    >>> round(float(shift_of("hellinger", 0.3428)), 3)
    1.0
    """
    value = np.asarray(distance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = _INVERSE[name](value)
    return np.asarray(np.where(np.isnan(value), np.nan, np.clip(found, 0.0, MAX_SHIFT)))


def true_shift(psi: npt.ArrayLike, df: npt.ArrayLike, n: npt.ArrayLike, m: npt.ArrayLike) -> Floats:
    """The shift behind a PSI of samples: what chance alone gives, df (1/n + 1/m), is taken off first."""
    by_chance = np.asarray(df, dtype=np.float64) * np.minimum(noise(n, m), 1e9)
    excess = np.asarray(psi, dtype=np.float64) - by_chance
    return shift_of("psi", np.where(np.isnan(excess), np.nan, np.maximum(excess, 0.0)))


def visible_shift(n: npt.ArrayLike, m: npt.ArrayLike, df: int, alpha: float, power: float = POWER) -> Floats:
    """The smallest shift in sigma that n current and m reference rows find with this power at level alpha."""
    return shift_of("psi", noncentrality(df, alpha, power) * noise(n, m))


def rows_needed(shift: float, m: int, df: int, alpha: float, power: float = POWER) -> int | None:
    """How many current rows see a shift of this many sigma; None when the reference itself is too small for it."""
    room = float(distance_of("psi", shift)) / noncentrality(df, alpha, power) - (1 / m if m else np.inf)
    return int(np.ceil(1 / room)) if room > 1e-9 else None


@lru_cache(maxsize=4096)
def noncentrality(df: int, alpha: float, power: float = POWER) -> float:
    """The noncentrality with which a chi-square of `df` exceeds its alpha critical value with chance `power`."""
    df = max(1, df)
    critical = float(special.chdtri(df, alpha))
    low, high = 0.0, 4 * (critical + df + 50)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if special.chndtr(critical, df, middle) > 1 - power else (low, middle)
    return high


@lru_cache(maxsize=1)
def _js_table() -> tuple[Floats, Floats]:
    """Shifts and their Jensen-Shannon distances, by the trapezoid rule (exact to 1e-9 for smooth densities)."""
    shifts = np.concatenate([np.linspace(0, 1, 101), np.linspace(1.02, MAX_SHIFT, 300)])
    x = np.linspace(-10, 10 + MAX_SHIFT, 3201)
    p = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    q = np.exp(-((x[None, :] - shifts[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(p > 0, p * np.log(p / middle), 0) + np.where(q > 0, q * np.log(q / middle), 0)
    divergence = np.maximum(np.trapezoid(parts, x, axis=-1) / 2, 0)
    divergence[0] = 0.0
    return shifts, np.sqrt(divergence)


def _js(shift: Floats) -> Floats:
    return np.asarray(np.interp(shift, *_js_table()))


def _js_inverse(distance: Floats) -> Floats:
    shifts, distances = _js_table()
    return np.asarray(np.interp(distance, distances, shifts))


_FORWARD: dict[str, Callable[[Floats], Floats]] = {
    "psi": lambda d: d * d,
    "js": _js,
    "hellinger": lambda d: np.sqrt(-np.expm1(-d * d / 8)),
    "tvd": lambda d: 2 * special.ndtr(d / 2) - 1,
    "wasserstein": lambda d: d,
    "ks": lambda d: 2 * special.ndtr(d / 2) - 1,
    "auc": lambda d: special.ndtr(d / np.sqrt(2)),
}
_INVERSE: dict[str, Callable[[Floats], Floats]] = {
    "psi": lambda v: np.sqrt(np.maximum(v, 0)),
    "js": _js_inverse,
    "hellinger": lambda v: np.sqrt(-8 * np.log1p(-(np.minimum(v, 1) ** 2))),
    "tvd": lambda v: 2 * special.ndtri((1 + np.minimum(v, 1)) / 2),
    "wasserstein": lambda v: v,
    "ks": lambda v: 2 * special.ndtri((1 + np.minimum(v, 1)) / 2),
    "auc": lambda v: np.sqrt(2) * special.ndtri(np.clip(np.maximum(v, 1 - v), 0.5, 1)),
}
