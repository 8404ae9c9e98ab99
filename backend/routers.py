"""All routers of the API, in the order of the documentation."""

from __future__ import annotations

from fastapi import APIRouter

from backend.status.router import router as status

ALL: tuple[APIRouter, ...] = (status,)
