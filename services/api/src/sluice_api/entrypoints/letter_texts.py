"""Dead letters as text: a line for each, or all of one."""

from datetime import datetime, timedelta

from sluice_api.domain.dead_letters import FiledLetter, ReplayState

_MAX_REASON = 120
"""Characters of a reason in a line."""
_MAX_SHOWN = 20_000
"""Bytes of a value that are shown."""


def line_of(filed: FiledLetter, at: datetime) -> str:
    """Return a letter as one line: id, age, topic, place, key, reason, and what became of it."""
    content = filed.letter.content
    place = f"{content.source_topic} {content.partition}@{content.offset}"
    line = f"{filed.letter.letter_id}  {age(at - content.occurred_at)}  {place}  {_text(content.key)}"
    return f"{line}  {_text(content.reason.encode())[:_MAX_REASON]}{_state(filed, at)}\n"


def full_text(filed: FiledLetter, at: datetime) -> str:
    """Return all of a letter."""
    content = filed.letter.content
    value = content.value or b""
    cut = f"\n… {len(value) - _MAX_SHOWN} bytes more" if len(value) > _MAX_SHOWN else ""
    return (
        f"id      {filed.letter.letter_id}{_state(filed, at)}\n"
        f"topic   {content.source_topic}, partition {content.partition}, offset {content.offset}\n"
        f"key     {_text(content.key)}\n"
        f"since   {content.occurred_at.isoformat(timespec='seconds')}, {age(at - content.occurred_at)}\n"
        f"reason  {_text(content.reason.encode())}\n"
        f"{_text(None if content.value is None else value[:_MAX_SHOWN])}{cut}\n\n"
    )


def age(passed: timedelta) -> str:
    """Return a duration in its largest unit."""
    seconds = max(0, int(passed.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _state(filed: FiledLetter, at: datetime) -> str:
    if filed.state is ReplayState.NEW or filed.state_at is None:
        return ""
    return f"  [{filed.state.value} {age(at - filed.state_at)} ago]"


def _text(value: bytes | None) -> str:
    """Return bytes of strangers as something that a terminal can be shown."""
    if value is None:
        return "-"
    text = value.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
