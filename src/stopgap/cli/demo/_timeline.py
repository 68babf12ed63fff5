"""A turn as a line of text: user, fillers, reply and dead air."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from stopgap.benchmarks import Score
from stopgap.engine import TurnRecord
from stopgap.fillers import Kind

LEAD_S = 0.8
"""s shown before the end of the user's speech."""
CELL_S = 0.1
"""s of one character."""
STYLES = {
    "user": ("▒", "blue"),
    "silence": ("·", "dim"),
    "reply": ("█", "green"),
    Kind.BACKCHANNEL: ("b", "bold yellow"),
    Kind.HESITATION: ("u", "bold yellow"),
    Kind.PHRASE: ("p", "bold magenta"),
    Kind.PROGRESS: ("g", "bold magenta"),
    Kind.AMBIENCE: ("~", "cyan"),
    Kind.TONE: ("t", "cyan"),
    Kind.HOLD: ("h", "cyan"),
}


def legend() -> Text:
    """Return what the characters mean."""
    names = [
        ("user", "user"), ("silence", "dead air"), (Kind.HESITATION, "hesitation"), (Kind.BACKCHANNEL, "backchannel"),
        (Kind.PHRASE, "phrase"), (Kind.PROGRESS, "progress"), (Kind.AMBIENCE, "typing"), ("reply", "reply"),
    ]  # fmt: skip
    text = Text("  ")
    for style, name in names:
        text.append(STYLES[style][0], STYLES[style][1])
        text.append(f" {name}   ", "dim")
    return text


def bar(record: TurnRecord, now_s: float, width: int) -> Text:
    """Return *record* as one line, up to *now_s* (s from time 0), at most *width* characters."""
    text = Text()
    heard = record.reply_heard_s
    for cell in range(min(width, int((LEAD_S + max(now_s, 0.0)) / CELL_S) + 1)):
        at = (cell + 0.5) * CELL_S - LEAD_S
        sounding = [s for s in record.sounds if s.start_s <= at < (s.end_s if s.end_s is not None else now_s)]
        spoken = [s.kind for s in sounding if s.kind.spoken]
        if at < 0.0:
            style = STYLES["user"]
        elif heard is not None and at >= heard:
            style = STYLES["reply"]
        elif sounding:
            style = STYLES[spoken[0] if spoken else sounding[0].kind]
        else:
            style = STYLES["silence"]
        text.append(*style)
    return text


def caption(record: TurnRecord) -> str:
    """Return what was heard, in words and seconds."""
    parts = []
    for sound in record.sounds:
        what = f"“{sound.text}”" if sound.text else f"({sound.kind})"
        parts.append(f"{abs(sound.start_s):.2f} s {what}{' (cut)' if sound.cut else ''}")
    if record.reply_heard_s is not None:
        delay_ms = 1000.0 * (record.reply_delay_s or 0.0)
        late = f", held back {delay_ms:.0f} ms" if delay_ms >= 0.5 else ""
        parts.append(f"{record.reply_heard_s:.2f} s reply{late}")
    return "  →  ".join(parts)


def totals(scores: Sequence[tuple[str, Score, Sequence[float]]], played: str) -> Table:
    """Return the same turns under several policies, side by side.

    Args:
        scores: Policy, its figures, and its silent gaps in s over all turns.
        played: The policy that was heard.
    """
    table = Table(title=f"The same turns under each policy (heard: {played})", title_justify="left")
    table.add_column("policy", no_wrap=True)
    for name in ("dead air, s", "longest, s", "first sound, s", "held back, ms", "spoken a turn", "cost a turn"):
        table.add_column(name, justify="right")
    for policy, score, gaps in scores:
        table.add_row(
            policy, f"{sum(gaps):.1f}", f"{max(gaps, default=0.0):.2f}", f"{score.first_sound_p50:.2f}",
            f"{abs(1000 * score.reply_delay_mean):.0f}", f"{score.spoken_per_turn:.1f}", f"{score.cost:.2f}",
            style="bold" if policy == played else None,
        )  # fmt: skip
    return table
