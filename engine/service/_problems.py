"""Errors as answers: the status, and one sentence."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ...fillers import UsageError
from ._speech import AudioFormatError
from .identity import ForbiddenError, NotAuthenticatedError
from .storage import BusyError, DatabaseError, FinishedError, LeaseLostError, NoInteractionsError, NotFoundError

STATUS: Mapping[type[Exception], int] = {
    NotAuthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    BusyError: 409,
    FinishedError: 409,
    LeaseLostError: 409,
    NoInteractionsError: 400,
    AudioFormatError: 415,
    UsageError: 422,
    DatabaseError: 503,
}


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
    return {status: {"model": Problem, "description": _MEANING[status]} for status in statuses}


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
            message = "the database does not answer; try again later" if status == 503 else str(exc)
            return answer(status, message, headers)

        return handle

    for kind, status in STATUS.items():
        app.add_exception_handler(kind, handler(status))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _refused(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    return answer(exc.status_code, str(exc.detail), exc.headers)


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    errors = [FieldProblem(loc=list(e["loc"]), msg=e["msg"], type=e["type"]) for e in exc.errors()]
    first = ".".join(map(str, errors[0].loc)) if errors else "request"
    message = f"{first}: {errors[0].msg}" if errors else "the request is not well formed"
    return JSONResponse(Problem(message=message, error_code=422, errors=errors).model_dump(), 422)


_MEANING = {
    400: "the request cannot be granted as the conversation stands",
    401: "credentials missing or invalid",
    403: "a permission is missing",
    404: "no such organization, service or conversation",
    409: "the conversation is busy or finished",
    413: "the body is too large",
    415: "the audio format is not supported",
    422: "path, query or body are not well formed",
    429: "too many requests",
    503: "temporary maintenance",
}
