"""Channels: where messages go."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.alert import Channel


def list_channels(session: Session, *, only_enabled: bool = False, limit: int = 200) -> list[Channel]:
    """Channels by name."""
    query = select(Channel).order_by(Channel.name).limit(limit)
    if only_enabled:
        query = query.where(Channel.is_enabled.is_(True))
    return list(session.scalars(query))


def get_channel(session: Session, channel_id: str) -> Channel | None:
    return session.get(Channel, channel_id)


def find_channel(session: Session, name: str) -> Channel | None:
    return session.scalars(select(Channel).where(Channel.name == name)).one_or_none()


def add_channel(session: Session, channel: Channel) -> Channel:
    session.add(channel)
    session.flush()
    return channel
