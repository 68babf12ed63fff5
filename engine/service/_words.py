"""Text of agents, which may come in pieces that are no text by themselves."""


def clean(text: str) -> str:
    """Return *text* with pairs of surrogates joined, and half ones replaced: JSON and databases hold no such thing."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Pieces:
    """Joins a character that was split over two pieces."""

    def __init__(self) -> None:
        self._half = ""

    def take(self, text: str) -> str:
        """Return what of the text so far is whole."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return clean(text[: len(text) - len(self._half)])

    def finish(self) -> str:
        """Return what is left: half a character, replaced."""
        half, self._half = self._half, ""
        return clean(half)
