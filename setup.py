"""The compiled parts, optional: without a compiler the install succeeds and the numpy reference serves."""

import os
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

WINDOWS = os.name == "nt"
# none of these changes a result: the numpy reference computes the same, without fused operations
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# set by whoever publishes or tests: a part that does not build must fail there
OPTIONAL = os.environ.get("STOPGAP_NATIVE") != "require"


def compiled(module, folder, sources, headers):
    from cffi import FFI

    ffi, root = FFI(), Path(folder)
    lines = (root / headers[0]).read_text(encoding="utf-8").splitlines()
    ffi.cdef("\n".join(line for line in lines if not line.startswith("#")))
    ffi.set_source(
        module,
        f'#include "{headers[0]}"',
        include_dirs=[root.as_posix()],
        sources=[(root / name).as_posix() for name in sources],
        depends=[(root / name).as_posix() for name in headers],
        extra_compile_args=["/std:c11", "/experimental:c11atomics"] if WINDOWS else FLAGS,
        libraries=[] if WINDOWS else ["m"],
        optional=OPTIONAL,
    )
    return ffi


def mixer():  # cffi runs this file again, as "__cffi__"
    sources = ["clock.c", "core.c", "mix.c", "port.c", "schedule.c"]
    return compiled("stopgap.engine.mixer._native", "engine/mixer/core", sources, ["core.h", "state.h"])


def probe():  # what `stopgap bench output` measures with
    return compiled("stopgap.benchmarks._probe", "benchmarks", ["_probe.c"], ["_probe.h"])


class BuildExt(build_ext):
    def run(self):
        """Forget what was not built: a strict editable install would link to it."""
        super().run()
        self.extensions = [e for e in self.extensions if Path(self.build_lib, self.get_ext_filename(e.name)).exists()]


if __name__ == "__main__":
    # free-threaded Python up to 3.14 refuses the limited API
    abi3 = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp311"}
    modules = ["setup.py:mixer"] if WINDOWS else ["setup.py:mixer", "setup.py:probe"]
    setup(cffi_modules=modules, cmdclass={"build_ext": BuildExt}, options={"bdist_wheel": abi3})
