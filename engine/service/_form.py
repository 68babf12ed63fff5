"""The form that carries a message of the user."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from ._agents import ExternalEvent, MessageType
from ._problems import refused

MOST_EVENTS = 100
MOST_TEXT = 100_000
"""Characters of a message, or of an external event."""
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["initial_message_type", "recorded_message"],
    "properties": {
        "initial_message_type": {"type": "string", "enum": ["user-message", "external-event", "skip"]},
        "recorded_message": {
            "type": "string",
            "format": "binary",
            "description": "Text (UTF-8) or audio; empty for `skip`, and only then.",
        },
        "external_event_message_content": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "maxItems": MOST_EVENTS,
        },
        "external_event_message_timestamp": {
            "type": "array",
            "items": {"type": "string", "format": "date-time"},
            "description": "When each of them happened: in the past, in order.",
            "maxItems": MOST_EVENTS,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What the form holds."""

    message_type: MessageType
    text: str | None
    audio: bytes | None
    external_events: tuple[ExternalEvent, ...]


async def parsed_form(request: Request, *, speech: bool) -> Sent:
    """Return the form in *request*.

    Args:
        request: Its body is bounded already.
        speech: Whether ``recorded_message`` is audio.

    Raises:
        HTTPException: 400 or 422, naming the field.
    """
    try:
        async with request.form(max_files=1, max_fields=2 * MOST_EVENTS + 8, max_part_size=1 << 20) as form:
            return await _sent(form, speech)
    except (MultiPartException, UnicodeDecodeError) as exc:
        raise refused(422, "the body is no multipart/form-data") from exc
    except HTTPException as exc:  # what Starlette makes of a form that is none
        raise refused(exc.status_code if exc.status_code != 400 or exc.detail in _OURS else 422, exc.detail) from exc


_EMPTY = "recorded_message is empty; only skips have no message"
_NOT_PAST = "external_event_message_timestamp must lie in the past, in order"
_OURS = (_EMPTY, _NOT_PAST)


async def _sent(form: FormData, speech: bool) -> Sent:
    message_type = form.get("initial_message_type")
    if message_type not in ("user-message", "external-event", "skip"):
        raise refused(422, "initial_message_type must be user-message, external-event or skip")
    recorded = form.get("recorded_message")
    if recorded is None:
        raise refused(422, "recorded_message is missing")
    data = await recorded.read() if isinstance(recorded, UploadFile) else recorded.encode()
    events = _events(form)
    if message_type == "skip":
        if data or events:
            raise refused(422, "a skip has neither a recorded_message nor external events")
        return Sent("skip", None, None, ())
    kind: MessageType = "user-message" if message_type == "user-message" else "external-event"
    if speech:
        if not data:
            raise refused(400, _EMPTY)
        return Sent(kind, None, data, events)
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise refused(422, "recorded_message is not UTF-8 text; for audio write request_format=voice") from None
    if not text:
        raise refused(400, _EMPTY)
    if len(text) > MOST_TEXT:
        raise refused(422, f"recorded_message has more than {MOST_TEXT} characters")
    return Sent(kind, text, None, events)


def _events(form: FormData) -> tuple[ExternalEvent, ...]:
    contents = [str(value).strip() for value in _list(form, "external_event_message_content")]
    times = [_time(str(value)) for value in _list(form, "external_event_message_timestamp")]
    if len(contents) != len(times):
        raise refused(422, "external_event_message_content and external_event_message_timestamp differ in length")
    if len(contents) > MOST_EVENTS or any(not 0 < len(content) <= MOST_TEXT for content in contents):
        raise refused(422, f"external events: at most {MOST_EVENTS}, none empty, none above {MOST_TEXT} characters")
    if times != sorted(times) or any(time > datetime.now(UTC) for time in times):
        raise refused(400, _NOT_PAST)
    return tuple(ExternalEvent(content, time) for content, time in zip(contents, times, strict=True))


def _list(form: FormData, name: str) -> list[UploadFile | str]:
    """Return a list's values, written ``name`` or ``name[]``."""
    return [*form.getlist(name), *form.getlist(f"{name}[]")]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise refused(422, "external_event_message_timestamp is no ISO time") from None
    if time.tzinfo is None:
        raise refused(422, "external_event_message_timestamp has no time zone")
    return time
