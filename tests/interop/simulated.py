"""Simulated engines, for servers that cannot be had as packages."""

import os
from pathlib import Path

import olla
from processes import Process, free_port

START_SECONDS = 15.0


def binary() -> Path:
    """Returns the simulator: `OLLA_SIM`, else what stands beside the server binary."""
    named = os.environ.get("OLLA_SIM")
    candidate = olla.ROOT / named if named else olla.binary().parent / "olla-sim"
    if not candidate.is_file():
        raise FileNotFoundError(f"no olla-sim at {candidate}: build it or set OLLA_SIM")
    return candidate


class Engine(Process):
    """One simulated engine on a free port."""

    def __init__(self, name: str, kind: str, models: list[str], directory: Path):
        port = free_port()
        models = [argument for model in models for argument in ("--model", model)]
        super().__init__(
            [str(binary()), "serve", "--addr", f"127.0.0.1:{port}", "--name", name, "--kind", kind, *models],
            f"http://127.0.0.1:{port}", "/sim/stats", directory / f"{name}.log",
        )
