"""What pyproject.toml cannot say: the wheel contains a library that `make build` makes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
LIBRARY = ROOT / "python" / "crossentropy" / "lib" / "libcrossentropy.so.0"


class BuildWithLibrary(build_py):
    """Builds the library, so that it is there to be collected as package data."""

    def run(self) -> None:
        try:
            subprocess.run(["make", "build"], cwd=ROOT, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(self._explanation(error)) from None
        if not LIBRARY.exists():
            raise SystemExit(f"`make build` ended well, but did not leave {LIBRARY}.")
        super().run()

    @staticmethod
    def _explanation(error: Exception) -> str:
        swift = os.environ.get("SWIFT", "swift")  # as in the Makefile
        for tool, what in (("make", "GNU make"), (swift, "a Swift 6.2 toolchain")):
            if shutil.which(tool) is None:
                return (
                    "crossentropy's library is written in Swift and built by `make build`, which "
                    f"needs {what}: there is no `{tool}` in PATH. Install it, or put it into PATH, "
                    "and try again."
                )
        return f"crossentropy's library could not be built; the reason stands above ({error})."


class PlatformWheel(bdist_wheel):
    """One wheel for every Python 3 of a platform: the library knows nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class DistributionWithLibrary(Distribution):
    """A distribution that counts as binary although it has no extension module."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel},
    distclass=DistributionWithLibrary,
)
