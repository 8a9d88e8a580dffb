"""Format times for people (42 s, 3:05 min) and for machines (ISO 8601)."""

from __future__ import annotations

from datetime import UTC, datetime


def clock(seconds: float) -> str:
    """Return seconds as 42 s, 3:05 min or 2:10 h."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def utc(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC: 2026-03-01T12:00:00.250Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
