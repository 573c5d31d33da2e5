"""Finding and loading the C library."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

# In the wheel a copy of the file, in a checkout a link to it, so that there is one number.
VERSION = (_PACKAGE / "VERSION").read_text().strip()

NAME = "libcrossentropy.so.0"


def _places() -> list[tuple[str, str]]:
    """Where the library may be, in the order of trying: a path or name, and why it is tried."""
    chosen = os.environ.get("CROSSENTROPY_LIBRARY")
    if chosen:
        # Falling back to another library than the one asked for would hide a mistake.
        return [(chosen, "the environment variable CROSSENTROPY_LIBRARY; no other place is tried")]
    return [
        (str(_PACKAGE / "lib" / NAME), "where `make build` and `pip install .` put it"),
        (NAME, "the system's loader: `make install`, LD_LIBRARY_PATH, ldconfig"),
    ]


def _load() -> tuple[ctypes.CDLL, str]:
    """The library and the place it came from, or an ImportError that lists every place tried."""
    tried = []
    for place, reason in _places():
        try:
            return ctypes.CDLL(place), place
        except OSError as error:
            tried.append(f"  {place}\n    {reason}\n    {error}")
    if "CROSSENTROPY_LIBRARY" not in os.environ:
        tried.append("  the environment variable CROSSENTROPY_LIBRARY\n    not set")
    raise ImportError(
        f"crossentropy {VERSION} did not find its C library. Places searched:\n"
        + "\n".join(tried)
        + "\nIn a checkout, `make build` makes it."
    )


def _check_version(library: ctypes.CDLL, path: str) -> None:
    """Refuses a library of another major or minor version: its structs may differ from ours."""
    try:
        number = library.ce_version()
    except AttributeError:
        raise ImportError(f"{path} is not the crossentropy library: it has no ce_version") from None
    major, minor, patch = number // 10000, number // 100 % 100, number % 100
    if [str(major), str(minor)] != VERSION.split(".")[:2]:
        raise ImportError(
            f"crossentropy's Python package is version {VERSION}, but the library {path} is "
            f"version {major}.{minor}.{patch}: their major and minor numbers must agree"
        )


library, PATH = _load()
_check_version(library, PATH)
