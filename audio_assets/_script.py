"""What the clips say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spoken:
    """A clip with words."""

    id: str
    kind: str
    text: str
    """As users of the pack read it."""

    claims_work: bool = False
    """Whether the line promises that work is being done."""

    order: int | None = None
    """Progress only: 1 first line, 2 second, 3 thanks for holding."""

    rate: float = 1.0
    """Speed of the voice, 1.0 is its own; smaller is slower."""

    weight: float = 1.0
    say: str | None = None
    """What Festival reads, where `text` would not come out right."""


@dataclass(frozen=True)
class DemoLine:
    """A line of the demo: a caller's question, or the reply to one."""

    id: str
    text: str
    tool: str | None = None
    """User only: the lookup the question needs."""

    answers: str | None = None
    """Reply only: the id of the question."""

    @property
    def role(self) -> str:
        """Who says it."""
        return "reply" if self.answers else "user"


SPOKEN = [
    Spoken("mm-hm", "backchannel", "Mm-hm"),
    Spoken("uh-huh", "backchannel", "Uh-huh"),
    Spoken("okay", "backchannel", "Okay"),
    Spoken("right", "backchannel", "Right", rate=0.9),
    Spoken("i-see", "backchannel", "I see"),
    Spoken("sure", "backchannel", "Sure"),
    Spoken("um", "hesitation", "Um", rate=0.65),
    Spoken("uh", "hesitation", "Uh", rate=0.6),
    Spoken("hmm", "hesitation", "Hmm"),
    Spoken("so", "hesitation", "So", rate=0.8),
    Spoken("well", "hesitation", "Well", rate=0.8),
    Spoken("lets-see", "hesitation", "Let's see", say="lets see"),  # "let" and "'s" are two words to Festival
    Spoken("check-that", "phrase", "Let me check that for you.", claims_work=True),
    Spoken("look-that-up", "phrase", "Let me look that up.", claims_work=True),
    Spoken("looking-into-that", "phrase", "I'm looking into that now.", claims_work=True),
    Spoken("pull-that-up", "phrase", "Let me pull that up.", claims_work=True),
    Spoken("checking-that", "phrase", "Checking that for you.", claims_work=True),
    Spoken("find-that", "phrase", "Give me a moment to find that.", claims_work=True, rate=1.1),
    Spoken("one-moment", "phrase", "One moment, please."),
    Spoken("just-a-moment", "phrase", "Just a moment."),
    Spoken("bear-with-me", "phrase", "Bear with me.", rate=0.9),
    Spoken("give-me-a-second", "phrase", "Give me a second."),
    Spoken("good-question", "phrase", "Good question.", weight=0.5),
    Spoken("one-second", "phrase", "One second."),
    Spoken("still-looking", "progress", "Still looking into that for you.", claims_work=True, order=1),
    Spoken("little-longer", "progress", "This is taking a little longer.", claims_work=True, order=1),
    Spoken("bearing-with-me", "progress", "Thanks for bearing with me.", order=1),
    Spoken("still-checking", "progress", "I'm still checking on that.", claims_work=True, order=2),
    Spoken("sorry-waiting", "progress", "Sorry to keep you waiting.", order=2),
    Spoken("thanks-for-holding", "progress", "Thank you for holding.", order=3),
    Spoken("thanks-for-patience", "progress", "Thanks for your patience.", order=3),
]

DEMO = [
    DemoLine("hours", "What are your opening hours?"),
    DemoLine("dog", "Can I bring my dog?"),
    DemoLine("password", "How do I change my password?"),
    DemoLine("order", "Can you tell me where my order is?", tool="track_order"),
    DemoLine("flight", "Is my flight on time?", tool="flight_status"),
    DemoLine("balance", "What is my account balance?", tool="account_balance"),
    DemoLine("hours-reply", "We are open from nine to six, every day.", answers="hours"),
    DemoLine("dog-reply", "Yes, dogs are welcome here.", answers="dog"),
    DemoLine("password-reply", "Open your settings, and choose change password.", answers="password"),
    DemoLine("order-reply", "It is on its way, and arrives on Friday.", answers="order"),
    DemoLine("flight-reply", "Yes, it leaves at ten fifteen.", answers="flight"),
    DemoLine("balance-reply", "Your balance is forty two dollars.", answers="balance"),
]
