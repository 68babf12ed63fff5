"""JSON bodies: read and checked only once it is known who sends them, and that they may."""

from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from ._problems import refused

MOST_JSON = 1_300_000
"""Bytes. The longest message that is allowed has 100,000 characters, and JSON may need 12 bytes for one."""
M = TypeVar("M", bound=BaseModel)


async def parsed_json(request: Request, model: type[M], *, most: int = MOST_JSON) -> M:
    """Return the body of *request*, of at most *most* bytes, as a *model*.

    Not as a parameter of the endpoint: FastAPI reads those before anybody has looked at the credentials.

    Raises:
        HTTPException: 413 or 422.
        RequestValidationError: if the body is not of that form (422).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise refused(422, "the body is no JSON; send it with Content-Type: application/json")
    data = await _read(request, most)
    try:
        return model.model_validate_json(data)
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in found]) from None


async def _read(request: Request, most: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():  # to its end, too large or not: most clients read no answer before that
        if len(data) <= most:
            data += chunk
    if len(data) > most:
        raise refused(413, f"the body is larger than {most} bytes, which JSON may have")
    return bytes(data)
