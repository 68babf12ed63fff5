"""Errors as answers: the status, and one sentence."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from ...fillers import UsageError
from ._speech import AudioFormatError
from ._workers import OverloadedError
from .identity import ForbiddenError, NotAuthenticatedError
from .storage import (
    BusyError,
    DatabaseError,
    FinishedError,
    FullError,
    LeaseLostError,
    NoInteractionsError,
    NotFailedError,
    NotFoundError,
    NotNextError,
    TakenError,
)

STATUS: Mapping[type[Exception], int] = {
    NotAuthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    BusyError: 409,
    FinishedError: 409,
    LeaseLostError: 409,
    TakenError: 409,
    NotFailedError: 409,
    NoInteractionsError: 400,
    NotNextError: 400,
    FullError: 400,
    AudioFormatError: 415,
    UsageError: 422,
    OverloadedError: 503,
    DatabaseError: 503,
}
MOST_ERRORS = 20
"""Parts of a request of which an answer tells what is wrong."""
MOST_NAME = 100
"""Characters of a part's name that an answer repeats."""
_SOON_S = 2
"""s after which to try again where there was too much to do."""
RATE_HEADERS: dict[str, Any] = {
    "X-RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Requests a minute."},
    "X-RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "Requests that would be allowed at once."},
    "X-RateLimit-Reset": {"schema": {"type": "integer"}, "description": "s since the epoch."},
}
"""Of every success, and of 429."""


class FieldProblem(BaseModel):
    """What is wrong with one part of a request."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """Why a request was refused."""

    message: str
    error_code: int
    errors: list[FieldProblem] = []
    """Of a request that is not well formed."""


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI descriptions of the errors that an endpoint may answer with."""
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _MEANING[status]} for status in statuses
    }
    if 429 in told:
        told[429]["headers"] = {**RATE_HEADERS, "Retry-After": {"schema": {"type": "integer"}, "description": "s."}}
    return told


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> HTTPException:
    """Return the exception that answers so."""
    return HTTPException(status, message, dict(headers or {}))


def answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(message=message, error_code=status).model_dump(), status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Have *app* answer every error in that form."""

    def handler(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
        async def handle(request: Request, exc: Exception) -> JSONResponse:
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
            if isinstance(exc, OverloadedError):
                headers = {"Retry-After": str(_SOON_S)}
            message = "the database does not answer; try again later" if isinstance(exc, DatabaseError) else str(exc)
            return answer(status, message, headers)

        return handle

    for kind, status in STATUS.items():
        app.add_exception_handler(kind, handler(status))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)


async def _refused(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    headers = dict(exc.headers or {})
    methods = _methods(request) if exc.status_code == 405 else []
    if methods:
        headers["Allow"] = ", ".join(methods)
    return answer(exc.status_code, str(exc.detail), headers)


def _methods(request: Request) -> list[str]:
    """Return the methods that there are at a request's path: Starlette names only those of the first endpoint there."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    path = request.scope["path"]
    return sorted({m.upper() for at, found in paths.items() if compile_path(at)[0].match(path) for m in found})


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    errors = [
        FieldProblem(loc=[_short(part) for part in e["loc"]], msg=e["msg"], type=e["type"])
        for e in exc.errors()[:MOST_ERRORS]
    ]
    first = ".".join(map(str, errors[0].loc)) if errors else "request"
    message = f"{first}: {errors[0].msg}" if errors else "the request is not well formed"
    return JSONResponse(Problem(message=message, error_code=422, errors=errors).model_dump(), 422)


async def _failed(request: Request, exc: Exception) -> JSONResponse:
    return answer(500, "the service failed; its log says how")


def _short(part: str | int) -> str | int:
    """Return the name of a part as an answer repeats it: the caller may have made it up, as long as they liked."""
    return part if isinstance(part, int) or len(part) <= MOST_NAME else f"{part[:MOST_NAME]}…"


_MEANING = {
    400: "the request cannot be granted as things stand",
    401: "credentials missing or invalid",
    403: "a permission is missing",
    404: "no such organization, service, conversation, interaction, behavior set, metric or rule",
    408: "the body did not come in time",
    409: "the conversation is busy or finished, the name is in use, or the delivery has not failed",
    413: "the body is too large",
    415: "the audio format is not supported",
    422: "path, query or body are not well formed",
    429: "too many requests",
    500: "the service failed",
    503: "temporary maintenance, or too much to do",
}
