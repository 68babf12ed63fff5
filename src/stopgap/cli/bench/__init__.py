"""``stopgap bench``."""

from ._app import bench_app

__all__ = ["bench_app"]
