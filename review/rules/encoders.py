"""The names of our own encoders by kind of item. Pure: who asks for vectors need not import torch for their name."""

from __future__ import annotations

#: Whoever changes an encoder gives it a new number, because vectors of two encoders never mix.
ENCODERS = {"image": "soi:image-1", "audio": "soi:audio-1", "text": "soi:text-1"}
