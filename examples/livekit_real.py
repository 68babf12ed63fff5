"""A voice agent in LiveKit Agents, with real services: run it, and talk to it in the playground or the console.

    pip install 'stopgap[livekit]'
    LIVEKIT_URL=... LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... python examples/livekit_real.py console
    LIVEKIT_URL=... LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... python examples/livekit_real.py dev

The models are LiveKit's own inference; put yours in their places. The agent may look up the weather, which takes a
while; what you hear meanwhile is stopgap's, on the agent's own track.
"""

import asyncio

import stopgap
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobProcess, RunContext, cli, function_tool
from stopgap.livekit import LiveKitFillers


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You are on the phone. Answer in one or two short sentences.")

    @function_tool
    async def weather(self, context: RunContext[None], town: str) -> str:
        """Ask for the weather in a town, now.

        Args:
            town: Where.
        """
        await asyncio.sleep(3.0)  # a slow service; put your own here
        return f"Light rain in {town}, 12 degrees."


server = AgentServer()


def prewarm(process: JobProcess) -> None:
    """Load the clips before the first call comes."""
    process.userdata["fillers"] = stopgap.FillerManager.from_config()  # or "stopgap.toml"


server.setup_fnc = prewarm


@server.rtc_session()
async def entrypoint(context: JobContext) -> None:
    session: AgentSession[None] = AgentSession(stt="deepgram/nova-3", llm="openai/gpt-4.1-mini", tts="cartesia/sonic-3")
    fillers = LiveKitFillers(context.proc.userdata["fillers"], on_turn=report)
    fillers.attach(session)
    await session.start(Assistant(), room=context.room)


def report(record: stopgap.TurnRecord) -> None:
    """Tell what the user heard; log it, or send it where your metrics go."""
    print(f"first sound after {record.first_sound_s} s, answer after {record.reply_heard_s} s: {record.filler_text}")


if __name__ == "__main__":
    cli.run_app(server)
