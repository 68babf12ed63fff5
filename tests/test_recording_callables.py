"""Recording through Python callables: what they may return, and what becomes of those that return something else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_rig import a_spec, files, reasons, recorded
from stopgap.fillers import UsageError
from stopgap.fillers.recording import TtsOptions, open_tts

HEAD = """
import asyncio, io, threading, time
import numpy as np
import soundfile
from stopgap.fillers.recording import Speech

RATE = 24_000
SAMPLES = (0.3 * np.sin(np.arange(12_000) * 0.08)).astype(np.float32)
INT = (SAMPLES * 32767).astype(np.int16)

def wav():
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
"""

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """A writer of modules into the current folder; returns what --tts is for their function ``tts``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"tts_{abs(hash(tmp_path))}"

    def write(code: str) -> str:
        (tmp_path / f"{name}.py").write_text(HEAD + code, encoding="utf-8")
        return f"{name}:tts"

    monkeypatch.delitem(sys.modules, name, raising=False)
    return write


FORMS = {
    "bytes": "def tts(text): return wav()",
    "bytearray": "def tts(text): return bytearray(wav())",
    "samples": "def tts(text): return SAMPLES, RATE",
    "float64": "def tts(text): return SAMPLES.astype(float), float(RATE)",
    "list": "def tts(text): return SAMPLES.tolist(), RATE",
    "int16": "def tts(text): return INT, np.int64(RATE)",
    "column": "def tts(text): return SAMPLES[:, None], RATE",
    "row": "def tts(text): return SAMPLES[None, :], RATE",
    "speech": "def tts(text): return Speech(SAMPLES, RATE)",
    "async": "async def tts(text):\n    await asyncio.sleep(0)\n    return SAMPLES, RATE",
    "awaitable": "async def late(): return INT, RATE\ndef tts(text): return late()",
    "generator": "def tts(text):\n    for part in np.split(SAMPLES, 4): yield part, RATE",
    "generator of bytes": "def tts(text):\n    a = wav()\n    yield a[:999]\n    yield a[999:]",
    "async generator": "async def tts(text):\n    for part in np.split(INT, 4):\n        yield part, RATE",
    "async generator of bytes": "async def tts(text):\n    a = wav()\n    yield a[:99]\n    yield a[99:]",
    "awaited generator": "async def parts():\n    yield SAMPLES, RATE\nasync def tts(text): return parts()",
    "sync that returns async generator": "async def parts():\n    yield wav()\ndef tts(text): return parts()",
    "list of chunks": "def tts(text): return [(SAMPLES[:6000], RATE), (SAMPLES[6000:], RATE)]",
    "object": "class Tts:\n    def __call__(self, text): return wav()\ntts = Tts()",
    "async object": "class Tts:\n    async def __call__(self, text): return wav()\ntts = Tts()",
    "method": "class Tts:\n    async def say(self, text): return wav()\ntts = Tts().say",
    "async that blocks": "async def tts(text):\n    time.sleep(0.01)\n    return wav()",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(module: Module, tmp_path: Path, form: str) -> None:
    """All of them are half a second of the same tone."""
    result = recorded(a_spec("Um"), module(FORMS[form]), tmp_path / "en")
    assert reasons(result) == []
    samples, rate = soundfile.read(result.takes[0].original, dtype="float32")
    assert (samples.shape, rate) == ((12_000,), 24_000)
    np.testing.assert_allclose(samples, 0.3 * np.sin(np.arange(12_000) * 0.08), atol=1e-4)


@pytest.mark.parametrize(("values", "subtype"), [("SAMPLES", "FLOAT"), ("INT", "PCM_16")])
def test_arrays_are_kept_exactly(module: Module, tmp_path: Path, values: str, subtype: str) -> None:
    """As WAV of their own type, with all channels."""
    tts = module(f"def tts(text): return np.stack([{values}, {values}], 1), RATE")
    (take,) = recorded(a_spec("Um"), tts, tmp_path / "en").takes
    assert (soundfile.info(take.original).subtype, soundfile.info(take.original).channels) == (subtype, 2)


def test_word_ends(module: Module, tmp_path: Path) -> None:
    """They are kept beside the audio."""
    tts = module("def tts(text): return Speech(SAMPLES, RATE, (120, 480.123))")
    for cached in (False, True):
        (take,) = recorded(a_spec("Um er"), tts, tmp_path / "en").takes
        assert (take.word_ends_ms, take.cached) == ((120.0, 480.12), cached)
    assert len(files(tmp_path / "en")) == 2


RETURNED = {
    "return None": "the function returned nothing; return the bytes of an audio file, (samples, rate), Speech, or",
    "return 'um.wav'": "the function returned a str; return",
    "return SAMPLES": "the function returned samples without their rate; return (samples, rate)",
    "return RATE, SAMPLES": "the function returned (rate, samples); return (samples, rate)",
    "return SAMPLES, RATE, 1": "the function returned a tuple of 3; return (samples, rate)",
    "return SAMPLES, None": "the function returned a rate that is nothing; return (samples, rate) with Hz",
    "return SAMPLES, 24": "the function returned the rate 24; it lies from 8000 to 192000 Hz",
    "return INT.astype(float), RATE": "the function returned float samples far above 1; divide them by 32768",
    "return INT.astype(np.int64), RATE": "the function returned int64 samples; return float32 from -1 to 1, or int16",
    "return SAMPLES.reshape(10, 10, 120), RATE": "the function returned samples of shape (10, 10, 120)",
    "return SAMPLES * np.nan, RATE": "what the function returned holds NaN or infinite samples",
    "return SAMPLES * 0, RATE": "what the function returned is silent",
    "return SAMPLES[:0], RATE": "what the function returned holds no audio",
    "return [0.1, 0.2]": "the function returned chunks of a float; return",
    "return [(SAMPLES, RATE), (SAMPLES, 8000)]": "the function changed its rate from 24000 to 8000 Hz between chunks",
    "return [(SAMPLES, RATE), (INT, RATE)]": "the function changed the type or the channels of its samples",
    "return [(SAMPLES, RATE), b'abc']": "the function returned chunks of bytes and of samples",
    "return []": "the function returned nothing",
    "return b''": "the function returned nothing",
    "return b'<html><title>No</title>'": 'the function returned HTML ("No"), not audio',
    "return Speech(SAMPLES, RATE, (300, 200))": "the function returned word_ends_ms that are not positive, ascending",
    "return Speech(SAMPLES, RATE, (300, 900))": "the function says that a word ends after the recording",
    "raise ValueError('no\\nmodel')": "the function raised ValueError: no model",
    "raise SystemExit(1)": "the function raised SystemExit: 1",
    "raise asyncio.CancelledError": "the function raised CancelledError",
}


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("code", RETURNED)
def test_wrong_returns(module: Module, tmp_path: Path, code: str, kind: str) -> None:
    """One sentence for each; the run goes on."""
    tts = module(f"{kind} tts(text):\n    if text == 'Um': return SAMPLES, RATE\n    {code}")
    result = recorded(a_spec("Er", "Um"), tts, tmp_path / "en")
    (found,) = reasons(result)
    assert found.startswith(f"'Er': {RETURNED[code]}")
    assert len(result.takes) == 1


@pytest.mark.parametrize(
    "code",
    [
        "def tts(text):\n    if text == 'Er': free.wait(60)\n    return wav()",
        "async def tts(text):\n    if text == 'Er': await asyncio.sleep(60)\n    return wav()",
        "def tts(text):\n    while text == 'Er':\n        yield b'0'\n        time.sleep(0.01)\n    yield wav()",
    ],
)
def test_hanging_callable(module: Module, tmp_path: Path, code: str) -> None:
    """The run goes on with the next text."""
    tts = module(f"free = threading.Event()\n{code}")
    try:
        result = recorded(a_spec("Er", "Um"), tts, tmp_path / "en", timeout_s=0.5)
        assert reasons(result) == ["'Er': the function did not end within 0.5 s"]
        assert len(result.takes) == 1
    finally:
        getattr(sys.modules[tts.partition(":")[0]], "free").set()  # noqa: B009 - mypy knows no such module


@pytest.mark.parametrize("code", ["def tts(text): time.sleep(600)", "async def tts(text): time.sleep(600)"])
def test_hanging_callable_lets_the_process_end(module: Module, tmp_path: Path, code: str) -> None:
    """Not even one that blocks its loop keeps it."""
    tts = module(code)
    program = (
        "from pathlib import Path; from speech_rig import a_spec, recorded, reasons\n"
        f"print(reasons(recorded(a_spec('Um'), {tts!r}, Path('en'), timeout_s=0.3)))"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == "[\"'Um': the function did not end within 0.3 s\"]\n"
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("tts", "message"),
    [
        ("no_such_module_here:tts", "no_such_module_here cannot be imported (ModuleNotFoundError: No module named"),
        ("json:no.such", "json has no 'no.such'; give package.module:function"),
        ("math:pi", "math:pi is of type float; give a function that takes a text"),
    ],
)
def test_callable_that_is_not_there(tts: str, message: str) -> None:
    """It is told before anything is called."""
    with pytest.raises(UsageError) as caught:
        open_tts(tts)
    assert message in str(caught.value)


def test_format_is_refused() -> None:
    """A callable says itself what it returns."""
    with pytest.raises(UsageError, match="--tts-format is for endpoints and commands"):
        open_tts("json:dumps", TtsOptions(format="mp3"))
