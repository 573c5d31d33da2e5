"""What runs: version, library, instruction set, threads."""

from __future__ import annotations

from typing import SupportsIndex, TypedDict

from ._arguments import thread_count
from ._c_api import calls, library

__all__ = ["Info", "get_num_threads", "info", "set_num_threads"]


class Info(TypedDict):
    """The dictionary that `info` returns, and explains."""

    version: str
    library_version: str
    library: str
    isa: str
    threads: int
    build: str


def info() -> Info:
    """What is running, for bug reports.

    Returns:
        A dictionary: ``version`` of the package; ``library_version`` and ``library``, the file (or
        the name given to the system's loader) that it calls; ``isa``, the instruction set in use,
        "baseline", "avx2", "avx512" or "neon"; ``threads``, the most that a call uses; ``build``,
        how the library was built.

    Examples:
        >>> import crossentropy as ce
        >>> ce.info()["version"] == ce.__version__
        True
    """
    return {
        "version": library.VERSION,
        "library_version": calls.version(),
        "library": library.PATH,
        "isa": calls.isa(),
        "threads": calls.get_num_threads(),
        "build": calls.build_info(),
    }


def set_num_threads(count: SupportsIndex | None) -> None:
    """Sets the most threads that a call of this process uses unless its ``threads`` says otherwise.

    Results do not depend on it. Small calls use fewer.

    Args:
        count: 1 or more; None restores the default: the environment variable
            CROSSENTROPY_NUM_THREADS if it holds a positive number; else OMP_NUM_THREADS, or the
            first number of a list there; else the number of processors that this process may run
            on, and no more than the CPU quota of its control group (a container's limit) pays for.

    Raises:
        ArgumentValueError: a ValueError; ``count`` is 0 or negative.
        ArgumentTypeError: a TypeError; ``count`` is no integer.

    Examples:
        >>> import crossentropy as ce
        >>> ce.set_num_threads(1)
        >>> ce.get_num_threads()
        1
        >>> ce.set_num_threads(None)
    """
    calls.set_num_threads(0 if count is None else thread_count("count", count))


def get_num_threads() -> int:
    """The most threads that a call uses now, at least 1; see `set_num_threads`."""
    return calls.get_num_threads()
