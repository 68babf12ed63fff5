"""What fillers say: specs of packs to record, ready ones by language, and which texts claim work."""

from .._spec import Line, Spec, read_spec, slug
from ._banks import bank_languages, bank_toml, read_bank
from ._claims import claims_work

__all__ = [
    "Line",
    "Spec",
    "bank_languages",
    "bank_toml",
    "claims_work",
    "read_bank",
    "read_spec",
    "slug",
]
