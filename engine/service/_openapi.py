"""The description of the API, and what FastAPI does not see of it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from ._events import AnyEvent

BEARER, BASIC, ISSUER = "Bearer-Authorization", "Basic", "Bearer-Authorization-Organization"
"""Names of the security schemes."""
_SCHEMES = {
    BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    BASIC: {
        "type": "http", "scheme": "basic", "description": "User name {org_id}_{user_id}, the token as password."
    },
}  # fmt: skip
_SECURITY: list[dict[str, list[str]]] = [
    {BEARER: []}, {BASIC: []}, {BEARER: [], ISSUER: []}, {BASIC: [], ISSUER: []},
]  # fmt: skip


class _AsSent(GenerateJsonSchema):
    """Of what is sent, where fields are there whether or not they have a default."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True


_PARTS = "x-schemas"
"""Where an endpoint's description keeps the schemas that its body refers to, until all are put in one place."""


def body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a body that FastAPI does not read, for an endpoint's *openapi_extra*."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs", {})
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}, _PARTS: parts}


def description(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of *app*: with the events, and who may ask for what."""
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    event = TypeAdapter[Any](AnyEvent).json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization", schema_generator=_AsSent
    )
    schemas = found["components"]["schemas"]
    found["components"]["securitySchemes"].update(_SCHEMES)
    schemas.update(event.pop("$defs"))
    schemas["Event"] = event
    for path in found["paths"].values():
        for operation in path.values():
            for name, part in operation.pop(_PARTS, {}).items():
                schemas.setdefault(name, part)
            if "security" in operation:  # FastAPI knows of the header with the issuer; who that is is not enough
                operation["security"] = _SECURITY
    return found
