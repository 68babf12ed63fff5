"""How long the sink's lead holds a reply back, told to its turn."""

from ..._turn import Turn


def reply_follows(turn: Turn, behind_s: float) -> None:
    """Take in that the reply of *turn* is there, and is heard behind what the sink holds of a filler: *behind_s* on."""
    if not behind_s:
        turn.reply_started()
        return
    with turn._line.lock:
        now = turn._line.sync()
        if turn._passes_by(now):
            turn.reply_heard(now + behind_s, behind_s)


def account_for_lead(turn: Turn) -> None:
    """Have the record say by how much the reply of *turn* was held back in all.

    The mixer, which is ahead of the ear by the lead, knows only by how much it was beyond that.
    """
    with turn._line.lock:
        wait = turn._state.wait
        if wait.available_at is not None and wait.heard_at is not None:
            wait.held_back_s = max(wait.held_back_s or 0.0, wait.heard_at - wait.available_at)
