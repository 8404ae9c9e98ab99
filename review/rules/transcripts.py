"""How far a transcript is from a reference: word error rate. Pure; the bench counts the same in the browser."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[^\w']+")


def words_of(text: str) -> list[str]:
    """Words as they are compared: composed letters, no case, no punctuation but the apostrophe.

    >>> words_of("Xin chào, it's ONE!")
    ['xin', 'chào', "it's", 'one']
    """
    plain = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")
    return [word for word in _SEPARATORS.split(plain) if word.strip("'_")]


def word_error_rate(reference: str, hypothesis: str) -> float | None:
    """Substitutions, insertions and deletions over the words of the reference; None when that has no words.

    Levenshtein distance over words; may exceed 1.

    >>> word_error_rate("one two three four", "one too three")
    0.5
    """
    wanted, said = words_of(reference), words_of(hypothesis)
    if not wanted:
        return None
    before = list(range(len(said) + 1))
    for row, word in enumerate(wanted, start=1):
        now = [row]
        for column, other in enumerate(said, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1] / len(wanted)
