"""Making packs: recordings are copied in, prepared, and written down in a manifest."""

from ._building import Built, Failure, PackHead, build_pack, prepare_pack
from ._folder import PackFolder
from ._source import Source

__all__ = ["Built", "Failure", "PackFolder", "PackHead", "Source", "build_pack", "prepare_pack"]
