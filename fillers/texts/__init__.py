"""What fillers say: texts ready to be recorded, by language, and which of them claim work."""

from ._banks import bank_languages, bank_toml, read_bank
from ._claims import claims_work

__all__ = ["bank_languages", "bank_toml", "claims_work", "read_bank"]
