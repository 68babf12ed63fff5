"""An agent of your own in asyncio, with a slow fake model, tool and voice: no keys, no framework.

    python examples/asyncio_fake.py                  # on your loudspeaker
    python examples/asyncio_fake.py --out heard.wav  # into a file, with the user's silence before it

Prints what the user heard, and when.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator

import numpy as np
import stopgap

RATE = 24_000


async def model(question: str) -> AsyncIterator[str]:
    """Stand in for a streaming language model that thinks for 1.6 s."""
    await asyncio.sleep(1.6)
    for token in f"The answer to {question!r} is forty-two.".split():
        yield token
        await asyncio.sleep(0.03)


async def voice(text: str) -> AsyncIterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Stand in for a streaming TTS: 0.2 s to the first chunk, then a murmur as long as *text*."""
    await asyncio.sleep(0.2)
    t = np.arange(round(0.06 * len(text) * RATE)) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 4 * t), 0, None)
    sound = (0.25 * syllables * np.sin(2 * np.pi * (140 + 20 * np.sin(3 * t)) * t)).astype(np.float32)
    for at in range(0, len(sound), RATE // 10):
        yield sound[at : at + RATE // 10]


async def answer(session: stopgap.Session, question: str, slow_tool: bool) -> stopgap.Turn:
    """Answer one question. The lines with `turn` are all that stopgap needs."""
    with session.begin(agent="fake-model") as turn:  # the user has just stopped speaking; a failure ends the turn
        if slow_tool:
            with turn.tool("lookup"):
                await asyncio.sleep(2.8)
        text = " ".join([token async for token in turn.watch_llm(model(question))])
        await turn.watch(voice(text), RATE)
    return turn


async def main(out: str | None) -> None:
    with stopgap.FillerManager.from_config({"output": {"file": out}} if out else None) as manager:
        async with manager.session() as session:
            for question, slow_tool in (("six times seven", False), ("my order", True)):
                turn = await answer(session, question, slow_tool)
                await asyncio.sleep(3.0)  # the answer is heard, and the user thinks
                show(turn.record)


def show(record: stopgap.TurnRecord) -> None:
    for sound in record.sounds:
        print(f"{sound.start_s:5.2f} s  {sound.kind:<10}  {sound.text or ''}")
    delay_ms = 1000 * (record.reply_delay_s or 0.0)
    print(f"{record.reply_heard_s:5.2f} s  the answer  (held back by {delay_ms:.0f} ms)\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", metavar="FILE.wav", help="write there instead of playing")
    asyncio.run(main(parser.parse_args().out))
