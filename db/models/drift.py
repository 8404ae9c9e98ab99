"""Frozen references, and counts of features on their edges."""

from __future__ import annotations
