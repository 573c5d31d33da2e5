"""What the tests share that need a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import crossentropy as ce

PACKAGE = Path(ce.__file__).parent


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a fresh interpreter that finds the package where this one does."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
