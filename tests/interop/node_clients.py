"""Clients for Node.js: runs one of the `.mjs` files and returns what it saw."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# Where `run` has installed their packages.
INSTALLED = os.environ.get("OLLA_INTEROP_NODE")

needed = pytest.mark.skipif(INSTALLED is None, reason="no clients from npm: they need npm and Node.js 20")


def seen(script: str, *arguments: str) -> dict:
    """Runs a script with these arguments; it prints one JSON document."""
    # An import is looked for beside the script, not in the working directory.
    beside = shutil.copy(HERE / script, Path(INSTALLED) / script)
    ran = subprocess.run(["node", beside, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)
