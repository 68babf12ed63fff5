"""Where an endpoint is, and which key it gets."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from .._errors import UsageError

SPEECH = "/audio/speech"


def speech_address(url: str) -> str:
    """Return *url* with the path of an OpenAI-compatible speech endpoint.

    Raises:
        UsageError: if it is no URL of a server, or holds a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise UsageError("--tts is no URL of a server; write one like https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise UsageError("--tts holds a user or password; put the key into a variable and name it with --tts-key-env")
    path = parts.path.rstrip("/")
    if not path.endswith(SPEECH):
        path = f"{path or '/v1'}{SPEECH}"
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, parts.query, ""))


def shown_address(address: str) -> str:
    """Return *address* without its query, which may hold secrets."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_local(address: str) -> bool:
    """Whether *address* is on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_openai(address: str) -> bool:
    return urlsplit(address).hostname == "api.openai.com"


def read_key(variable: str | None, address: str) -> str | None:
    """Return the key for *address*, or None.

    Args:
        variable: The environment variable that holds it; None: OPENAI_API_KEY, which no other host gets to see.
        address: The endpoint's.

    Raises:
        UsageError: if the variable is not set, or cannot be a key.
    """
    if variable is None and not is_openai(address):
        return None
    name = variable or "OPENAI_API_KEY"
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(f"the environment variable {name} is not set; set it to the key of {shown_address(address)}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the environment variable {name} holds no key: there are characters in it that keys lack")
    return key
