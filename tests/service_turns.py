"""Turns as agents that run elsewhere post them, whose figures are known."""

from typing import Any


def a_record(session: str, number: int = 1, *, dead_air_s: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Return the record of a turn that was silent for so long, then answered; turns are 20 s apart."""
    return {
        "id": f"{session}-{number}", "session": session, "agent": "a", "language": "en-US", "outcome": "replied",
        "speech_ended_at": 20.0 * number, "began_s": 0.0, "ended_s": dead_air_s + 2.0, "cancel_reason": None,
        "policy": "predictive", "prediction": {"q50_s": 1.0, "q80_s": 2.0, "q95_s": 3.0},
        "milestones": [{"name": "speech_ended", "at_s": 0.0, "tool": None}],
        "waits": [{"began_s": 0.0, "available_s": dead_air_s, "heard_s": dead_air_s, "held_back_s": 0.0}],
        "sounds": [], "prompt_tokens": None, "notes": [], "cut_off_s": None, "owns_reply": True, "behavior": None,
        "assigned": [], "user_spoke": [], **changes,
    }  # fmt: skip


def a_row(session: str, number: int = 1, *, ready_ms: float | None = 1000.0, **changes: Any) -> dict[str, Any]:
    """Return a row of a log of turns: answered after so long, or (None) cancelled after 500 ms."""
    return {
        "turn_id": f"{session}-{number}", "conversation_id": session, "started_at": 20.0 * number, "agent": "a",
        "tool": None, "tool_started_ms": None, "tool_ended_ms": None, "user_words": None, "reply_ready_ms": ready_ms,
        "cancelled_ms": 500.0 if ready_ms is None else None, "composed": 0, "source": "stopgap turn log",
        "prompt_tokens": 700, "milestones": "[]", **changes,
    }  # fmt: skip
