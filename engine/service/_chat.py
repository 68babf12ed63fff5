"""An agent behind an OpenAI-compatible chat endpoint."""

from collections.abc import AsyncGenerator

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from ._agents import AgentRequest, Answer, Milestone

OPENING = "Begin the conversation: greet the user in one short sentence, and ask what you can do for them."
"""Said to the endpoint where there is nothing else to say: an empty list of messages is an error to it."""
_ROLES = {"user": "user", "agent": "assistant"}


class ChatAgent:
    """Streams the endpoint's text. It hears nothing and does not speak.

    Args:
        url: Base URL, such as ``http://127.0.0.1:8000/v1``.
        model: Model asked for.
        instructions: System prompt; empty: none, but for `OPENING` where nobody has said anything yet.
        api_key: Key; endpoints on one's own machine mostly want none.
    """

    def __init__(self, url: str, model: str, instructions: str, api_key: str) -> None:
        self._client = AsyncOpenAI(base_url=url, api_key=api_key, max_retries=1)
        self._model = model
        self._instructions = instructions

    async def __call__(self, request: AgentRequest) -> AsyncGenerator[Answer, None]:
        """Yield the answer's text as it comes."""
        if request.audio is not None:
            raise ValueError("an agent behind a chat endpoint does not hear: send text")
        yield Milestone("llm_started")
        stream = await self._client.chat.completions.create(
            model=self._model, messages=self._messages(request), stream=True
        )
        async with stream:
            async for chunk in stream:
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    yield text

    def _messages(self, request: AgentRequest) -> list[ChatCompletionMessageParam]:
        rule = None if request.behavior is None else request.behavior.rule
        instructions = [] if rule is not None and rule.overrides_instructions else [self._instructions]
        instructions += [] if rule is None else [rule.instruction or ""]
        said = [("system", text) for text in instructions if text]
        said += [(_ROLES[message.role], message.text) for message in request.history]
        said += [("system", f"{event.at.isoformat()}: {event.content}") for event in request.external_events]
        if request.text:
            said.append(("system" if request.message_type == "external-event" else "user", request.text))
        if not said:
            said = [("system", OPENING)]
        return [{"role": role, "content": text} for role, text in said]  # type: ignore[misc]
