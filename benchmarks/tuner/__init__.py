"""The tuner: a trace's waits, two policies side by side, and the sound of any turn, in a local web page."""

from ._address import bound
from ._serve import serve, server_of
from ._settings import Tuned
from ._web import Saving, tuner_app
from ._workbench import MOST_TURNS, Workbench

__all__ = ["MOST_TURNS", "Saving", "Tuned", "Workbench", "bound", "serve", "server_of", "tuner_app"]
