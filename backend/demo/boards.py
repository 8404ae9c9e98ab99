"""Generated circuit boards: a layout of pads, vias and routed traces, kept as points on a grid. Pure, seeded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

#: A board is a square of this many grid cells; everything below is measured in cells.
N_CELLS = 24
Point = tuple[int, int]
_AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True, slots=True)
class Pad:
    """A piece of bare copper: round with a hole, or a rectangle that a part is soldered on."""

    x: float
    y: float
    width: float
    height: float
    is_round: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """A routed connection: grid points from pad to pad, and its width in cells."""

    points: tuple[Point, ...]
    width: float


@dataclass(slots=True)
class Layout:
    """One board design. `parts` are outlines printed in white: (x0, y0, x1, y1, name)."""

    name: str
    style: str
    pads: list[Pad] = field(default_factory=list)
    vias: list[Point] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    parts: list[tuple[float, float, float, float, str]] = field(default_factory=list)


def make_layout(name: str, style: str, seed: int) -> Layout:
    """A board design that is always the same for one seed."""
    rng = np.random.default_rng(seed)
    board = Layout(name, style)
    taken = np.zeros((N_CELLS, N_CELLS), dtype=bool)
    terminals: list[Point] = []
    _place_header(board, taken, terminals, rng)
    for number in range(int(rng.integers(2, 4))):
        _place_chip(board, taken, terminals, rng, number + 1)
    for number in range(int(rng.integers(5, 8))):
        _place_passive(board, taken, terminals, rng, number + 1)
    for _ in range(int(rng.integers(5, 9))):
        _place_via(board, taken, terminals, rng)
    _route(board, taken, terminals, rng)
    return board


def _is_free(taken: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> bool:
    inside = x0 >= 1 and y0 >= 1 and x1 <= N_CELLS - 1 and y1 <= N_CELLS - 1
    return inside and not taken[y0:y1, x0:x1].any()


def _place_header(board: Layout, taken: np.ndarray, terminals: list[Point], rng: np.random.Generator) -> None:
    n_pins = int(rng.integers(6, 10))
    start = int(rng.integers(2, N_CELLS - 2 * n_pins - 1))
    for pin in range(n_pins):
        x, y = start + 2 * pin, 2
        board.pads.append(Pad(x, y, 1.3, 1.3, True))
        taken[y - 1 : y + 2, x - 1 : x + 2] = True
        terminals.append((x, y))
    board.parts.append((start - 1.0, 1.0, start + 2 * n_pins - 1.0, 3.0, "J1"))


def _place_chip(
    board: Layout, taken: np.ndarray, terminals: list[Point], rng: np.random.Generator, number: int
) -> None:
    n_pins, half = int(rng.integers(3, 6)), int(rng.integers(2, 4))
    for _ in range(40):
        x, y = (int(v) for v in rng.integers(4, N_CELLS - 4, 2))
        x0, x1, y0, y1 = x - half - 1, x + half + 2, y - n_pins, y + n_pins + 1
        if not _is_free(taken, x0, y0, x1, y1):
            continue
        for pin in range(n_pins):
            py = y - n_pins + 1 + 2 * pin
            for px in (x - half, x + half):
                board.pads.append(Pad(px, py, 1.5, 0.8, False))
                terminals.append((px, py))
        taken[y0:y1, x0:x1] = True
        board.parts.append((x - half + 1.0, y - n_pins + 0.2, x + half - 1.0, y + n_pins - 1.2, f"U{number}"))
        return


def _place_passive(
    board: Layout, taken: np.ndarray, terminals: list[Point], rng: np.random.Generator, number: int
) -> None:
    for _ in range(40):
        x, y = (int(v) for v in rng.integers(3, N_CELLS - 4, 2))
        is_flat = bool(rng.random() < 0.5)
        dx, dy = (2, 0) if is_flat else (0, 2)
        if not _is_free(taken, x - 1, y - 1, x + dx + 2, y + dy + 2):
            continue
        for px, py in ((x, y), (x + dx, y + dy)):
            board.pads.append(Pad(px, py, 1.0, 1.1, False) if is_flat else Pad(px, py, 1.1, 1.0, False))
            terminals.append((px, py))
        taken[y - 1 : y + dy + 2, x - 1 : x + dx + 2] = True
        name = f"{'RC'[number % 2]}{number}"
        board.parts.append((x - 0.8, y - 0.8, x + dx + 0.8, y + dy + 0.8, name))
        return


def _place_via(board: Layout, taken: np.ndarray, terminals: list[Point], rng: np.random.Generator) -> None:
    for _ in range(40):
        x, y = (int(v) for v in rng.integers(2, N_CELLS - 2, 2))
        if _is_free(taken, x - 1, y - 1, x + 2, y + 2):
            board.vias.append((x, y))
            taken[y - 1 : y + 2, x - 1 : x + 2] = True
            terminals.append((x, y))
            return


def _route(board: Layout, taken: np.ndarray, terminals: list[Point], rng: np.random.Generator) -> None:
    """Connect near pairs of terminals one after the other; what finds no way stays unconnected."""
    blocked = taken.copy()
    waiting = [terminals[i] for i in rng.permutation(len(terminals))]
    while len(waiting) > 1:
        start = waiting.pop()
        near = sorted(waiting, key=lambda p: abs(p[0] - start[0]) + abs(p[1] - start[1]))
        for goal in near[2:7]:
            path = _find_way(blocked, start, goal)
            if path and len(path) > 3:
                board.traces.append(Trace(tuple(path), float(rng.choice([0.42, 0.5, 0.62]))))
                for x, y in path:
                    blocked[y, x] = True
                waiting.remove(goal)
                break


def _find_way(blocked: np.ndarray, start: Point, goal: Point) -> list[Point]:
    """The shortest way over free cells (eight directions, no diagonal through a blocked corner), or []."""
    came: dict[Point, Point] = {start: start}
    queue = deque([start])
    while queue:
        x, y = queue.popleft()
        if (x, y) == goal:
            break
        for dx, dy in _AROUND:
            step = (x + dx, y + dy)
            if step in came or not (1 <= step[0] < N_CELLS - 1 and 1 <= step[1] < N_CELLS - 1):
                continue
            near_end = max(abs(step[0] - goal[0]), abs(step[1] - goal[1])) <= 1
            near_start = max(abs(step[0] - start[0]), abs(step[1] - start[1])) <= 1
            if blocked[step[1], step[0]] and not near_end and not near_start:
                continue
            if dx and dy and blocked[y, x + dx] and blocked[y + dy, x] and not (near_end or near_start):
                continue
            came[step] = (x, y)
            queue.append(step)
    if goal not in came:
        return []
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]
