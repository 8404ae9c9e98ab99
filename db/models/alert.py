"""Alert rules, their states and incidents, silences, channels, and the outbox of messages."""

from __future__ import annotations
