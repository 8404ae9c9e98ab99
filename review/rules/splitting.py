"""Which split of a dataset a subject belongs to: decided by a hash, so it never changes as data grows. Pure."""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")


def split_of(subject_id: str, held_out_share: float = 0.2, salt: str = "") -> Split:
    """The split of a subject: `held_out` for about `held_out_share` of all ids, always the same for one id.

    A larger share only moves subjects from train to held_out, never back. `salt` gives another draw (one per model,
    so that a subject which two models judge is drawn twice).

    >>> split_of("board-17"), split_of("board-17", 0.999)
    ('train', 'held_out')
    """
    if not 0.0 <= held_out_share < 1.0:
        raise ValueError("held_out_share must be at least 0 and below 1")
    digest = hashlib.sha256(f"{salt}\0{subject_id}".encode("utf-8", "surrogatepass")).digest()
    return "held_out" if int.from_bytes(digest[:8], "big") / 2**64 < held_out_share else "train"
