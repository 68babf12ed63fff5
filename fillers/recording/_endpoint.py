"""A TTS behind an OpenAI-compatible speech endpoint."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from .._errors import UsageError
from ._address import is_local, is_openai, read_key, shown_address, speech_address
from ._options import TtsOptions
from ._received import MOST_BYTES, error_message, raw_as_wav, refuse_text, shortened
from ._speech import Spoken
from ._trouble import NotSpoken, OutOfOrder, TryLater

if TYPE_CHECKING:
    import httpx

_WHO = "the endpoint"
_REMOTE_PER_MINUTE = 60.0
_CONNECT_S = 10.0
_LATER = (408, 425, 429)
_MOST_ERROR_BYTES = 65_536


class EndpointTts:
    """Posts each text to ``/v1/audio/speech``.

    Args:
        url: The server's; its path is completed.
        options: What to ask for.

    Raises:
        UsageError: if the URL, the key or the voice is wrong or missing, or httpx is not installed.
    """

    who = _WHO
    parallel = 2

    def __init__(self, url: str, options: TtsOptions) -> None:
        try:
            import httpx
        except ImportError:
            raise UsageError("speech endpoints need httpx: pip install 'stopgap[pack]'") from None
        self._address = speech_address(url)
        if options.voice is None:
            raise UsageError("--tts-voice is missing; name the voice that your agent speaks with")
        self._key = read_key(options.key_env, self._address)
        self._options = options
        local, model = is_local(self._address), options.model
        if model is None:
            model = "gpt-4o-mini-tts" if is_openai(self._address) else "tts-1"
        asked = {
            "model": model,
            "voice": options.voice,
            "response_format": options.format,
            "instructions": options.instructions,
            "speed": options.speed,
        }
        self._asked = {name: value for name, value in asked.items() if value is not None}
        self._local = local
        self.per_minute = None if local else _REMOTE_PER_MINUTE
        self.identity = json.dumps(["endpoint", self._address, self._asked, options.rate], sort_keys=True)
        self.label = f"{model}, voice {options.voice}, at {urlsplit(self._address).hostname}"
        self._client: httpx.AsyncClient | None = None

    async def speak(self, text: str, take: int, folder: Path) -> Spoken:
        import httpx

        try:
            audio = await self._received(text)
        except httpx.ConnectError as exc:
            told = f"{shown_address(self._address)} cannot be reached ({self._shown(str(exc))})"
            raise TryLater(told, for_all=True) from exc
        except httpx.RemoteProtocolError as exc:
            raise TryLater(f"{_WHO} cut the connection before all was there") from exc
        except httpx.TransportError as exc:
            raise TryLater(f"the connection to {_WHO} failed ({type(exc).__name__} {self._shown(str(exc))})") from exc
        except httpx.HTTPError as exc:
            raise NotSpoken(f"{_WHO} returned what cannot be decoded ({self._shown(str(exc))})") from exc
        try:
            if self._options.format == "pcm":
                audio = raw_as_wav(audio, self._options.rate or 0, _WHO)
            refuse_text(audio, _WHO)
        except NotSpoken as exc:
            raise NotSpoken(self._without_key(str(exc))) from None
        return Spoken(audio)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _received(self, text: str) -> bytes:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={} if self._key is None else {"Authorization": f"Bearer {self._key}"},
                timeout=httpx.Timeout(None, connect=_CONNECT_S),  # who calls sets the limit for all of it
                follow_redirects=False,  # wherever they lead, the key was not meant for that place
                trust_env=not self._local,  # a proxy does not know this machine's ports
            )
        async with self._client.stream("POST", self._address, json={**self._asked, "input": text}) as response:
            if response.is_success:
                return await _body(response)
            raise self._refusal(response, (await _beginning(response)).decode(errors="replace"))

    def _refusal(self, response: "httpx.Response", body: str) -> NotSpoken:
        """Return why there is no audio."""
        status = response.status_code
        message = error_message(body)
        told = self._shown(message if message else "" if body.lstrip().startswith("<") else body)
        said = f' and said "{told}"' if told else ""
        if response.is_redirect:
            where = shown_address(urljoin(self._address, response.headers["location"]))
            return OutOfOrder(f"{_WHO} redirects to {self._shown(where)}, which is not followed; give that address")
        if status in (401, 403):
            key = "no key was sent: name its variable with --tts-key-env" if self._key is None else "check the key"
            return OutOfOrder(f"{_WHO} refused access (HTTP {status}){said}; {key}")
        if status == 429 and "insufficient_quota" in body:
            return OutOfOrder(f"{_WHO} has no quota left for this key (HTTP 429){said}")
        if status in _LATER or status >= 500:
            return TryLater(f"{_WHO} answered HTTP {status}{said}", _retry_after_s(response))
        return NotSpoken(f"{_WHO} answered HTTP {status}{said}")

    def _shown(self, text: str) -> str:
        return shortened(self._without_key(text))

    def _without_key(self, text: str) -> str:
        return text if self._key is None else text.replace(self._key, "(key)")


async def _body(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            raise NotSpoken(f"{_WHO} returned more than {MOST_BYTES // 1_000_000} MB")
    return bytes(body)


async def _beginning(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MOST_ERROR_BYTES:
            break
    return bytes(body[:_MOST_ERROR_BYTES])


def _retry_after_s(response: "httpx.Response") -> float | None:
    """Return how long the server asks to wait: it gives seconds, or a date by its own clock."""
    told: Any = response.headers.get("retry-after", "").strip()
    if told.replace(".", "", 1).isdigit():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
        now = parsedate_to_datetime(response.headers["date"]) if "date" in response.headers else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
