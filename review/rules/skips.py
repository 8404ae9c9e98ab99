"""Why a person skipped an item: a reason of a fixed set, and what they wrote beside it. Pure."""

from __future__ import annotations

from typing import Literal, get_args

#: unclear: the item does not say enough. damaged: missing, wrong or broken. not_mine: somebody else's field.
SkipReason = Literal["unclear", "damaged", "not_mine", "other"]
SKIP_REASONS: tuple[SkipReason, ...] = get_args(SkipReason)

#: Benches of earlier releases wrote these words in front of the comment; a journal may hold such an answer for long.
_WORDS: dict[str, SkipReason] = {
    "The picture does not show enough": "unclear",
    "The item does not say enough": "unclear",
    "Ảnh không đủ rõ": "unclear",
    "Mẫu không đủ rõ": "unclear",
    "Picture missing, wrong or damaged": "damaged",
    "Item missing, wrong or damaged": "damaged",
    "Ảnh thiếu, sai hoặc hỏng": "damaged",
    "Mẫu thiếu, sai hoặc hỏng": "damaged",
    "Not my field": "not_mine",
    "Không thuộc chuyên môn của tôi": "not_mine",
    "Another reason": "other",
    "Lý do khác": "other",
}


def read_skip(reason: SkipReason | None, comment: str | None) -> tuple[SkipReason | None, str | None]:
    """(reason, comment) of a skip; one that came without a reason may have it as the first words of its comment.

    >>> read_skip(None, "Not my field: ask the welders")
    ('not_mine', 'ask the welders')
    >>> read_skip("other", "Not my field"), read_skip(None, "black")
    (('other', 'Not my field'), (None, 'black'))
    """
    if reason is not None or comment is None:
        return reason, comment
    words, _, rest = comment.partition(": ")
    return (_WORDS[words], rest or None) if words in _WORDS else (None, comment)
