"""Reports for people who do not sign in, and when they are made."""

from __future__ import annotations
