"""Which version a request goes to by the shares of a rollout: sticky by a key, and as few keys as possible move when
shares change. Pure; the rollouts slice lays the shares out, serving reads them.

Keys are spread over a line of a billion parts by a hash of the model's name and the key, and of nothing else. Every
challenger holds ranges of parts, the champion the rest; a rollout that changes shares starts from the ranges of the one
before. So the keys that move are exactly as many as the shares that change hands, which no layout can undercut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from review.rules.sampling import unit

#: Parts of the line; the finest share.
PARTS: Final = 1_000_000_000
Ranges = list[list[int]]


def part_of(model: str, key: str) -> int:
    """Where a key lies on the line of a model.

    >>> part_of("m", "board-17") == part_of("m", "board-17"), part_of("m", "a") == part_of("other", "a")
    (True, False)
    """
    return int(unit(0, f"share:{model}:{key}") * PARTS)


def holds(ranges: Sequence[Sequence[int]], part: int) -> bool:
    """Whether a part lies in one of the ranges; a range does not hold its end."""
    return any(low <= part < high for low, high in ranges)


def lay_out(
    champion: str | None,
    shares: Mapping[str, float],
    old_champion: str | None = None,
    old: Mapping[str, Ranges] | None = None,
) -> dict[str, Ranges]:
    """The ranges of every challenger, from those of the rollout before. Shares beyond 1 in sum find no more parts.

    Each keeps what it had, and gives up first what it got last. What grows takes first what others gave up.

    >>> small = lay_out("v1", {"v2": 0.05})
    >>> lay_out("v1", {"v3": 0.1, "v2": 0.2}, "v1", small)
    {'v3': [[50000000, 150000000]], 'v2': [[0, 50000000], [150000000, 300000000]]}
    """
    before = {name: [list(one) for one in ranges] for name, ranges in (old or {}).items()}
    if old_champion is not None:
        before[old_champion] = _without([[0, PARTS]], [one for ranges in before.values() for one in ranges])
    sizes = {name: round(share * PARTS) for name, share in shares.items()}
    found = {name: _first(before.get(name, []), size) for name, size in sizes.items()}
    free = _without([[0, PARTS]], [one for ranges in found.values() for one in ranges])
    given_up = _without(free, before.get(champion or "", []))
    free = given_up + _without(free, given_up)
    for name, size in sizes.items():
        more = _first(free, size - sum(high - low for low, high in found[name]))
        found[name] += more
        free = _without(free, more)
    return found


def ranges_of(challengers: Sequence[Mapping[str, Any]], champion: str | None = None) -> dict[str, Ranges]:
    """The ranges of the canary and A/B challengers of a stored rollout; laid out anew where it has none yet."""
    live = [one for one in challengers if one.get("mode") in ("canary", "ab")]
    if all("parts" in one for one in live):
        return {str(one["version"]): [list(part) for part in one["parts"]] for one in live}
    return lay_out(champion, {str(one["version"]): float(one.get("share", 1.0)) for one in live})


def _without(ranges: Ranges, taken: Ranges) -> Ranges:
    """What is left of ranges without others."""
    left = []
    for start, end in ranges:
        at = start
        for low, high in sorted(taken):
            if high <= at or low >= end:
                continue
            if low > at:
                left.append([at, low])
            at = high
        if at < end:
            left.append([at, end])
    return left


def _first(ranges: Ranges, size: int) -> Ranges:
    """The first `size` parts of ranges."""
    found = []
    for low, high in ranges:
        n = min(high - low, size)
        if n > 0:
            found.append([low, low + n])
            size -= n
    return found


def answering(
    champion: str | None, challengers: Iterable[Mapping[str, Any]], sticky_key: str | None
) -> tuple[Any, ...]:
    """Who answers callers in a rollout: shadows, the level and where on the line shares lie do not count.

    >>> answering("v1", [{"version": "v2", "mode": "shadow", "share": 1.0}], None) == answering("v1", [], None)
    True
    """
    names = ("version", "mode", "share", "segments")
    others = [tuple(one.get(name) for name in names) for one in challengers if one["mode"] != "shadow"]
    return champion, others, sticky_key if others else None
