"""Runs the load generator, and reads the proxy's CPU time and memory around it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine
from .engine import MODEL
from .proxies import Running

# A run that takes longer has hung.
LONGEST = 300


@dataclass(frozen=True)
class Load:
    """What to ask of a proxy: flags of `olla-sim load`, beginning with the requests they add up to."""

    requests: int
    connections: int = 64
    body_bytes: int = 256
    rate: int | None = None
    pace: dict[str, Any] | None = None
    path: str = ""

    def flags(self) -> list[str]:
        flags = ["--model", MODEL, "--requests", str(self.requests), "--connections", str(self.connections)]
        flags += ["--body-size", str(self.body_bytes)]
        flags += ["--rate", str(self.rate)] if self.rate else []
        flags += ["--stream", "--header", f"x-sim: {json.dumps(self.pace)}"] if self.pace else []
        return flags


@dataclass(frozen=True)
class Sample:
    """One run against one proxy: what the generator reports, and what the proxy used."""

    report: dict[str, Any]
    cpu: machine.Cpu
    rss_kib: int

    @property
    def errors(self) -> int:
        return sum(self.report["errors"].values())


class Generator:
    """The load generator."""

    def __init__(self, sim: Path) -> None:
        self.sim = sim

    def run(self, url: str, load: Load, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Makes the load and returns the report; `meanwhile` is called once it has begun."""
        command = [str(self.sim), "load", url + load.path, *load.flags()]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        meanwhile()
        try:
            out, err = running.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            running.kill()
            sys.exit(f"{url} did not finish within {LONGEST} s: {load}")
        if not out:
            sys.exit(f"the load generator failed: {err}")
        report = json.loads(out)
        if report["errors"]:
            print(f"{url}: {report['errors']} of {report['requests']} requests with {load}", file=sys.stderr)
        return report

    def measure(self, proxy: Running, load: Load, look_after: float | None = None) -> Sample:
        """Runs a load; memory is read that many seconds after its start, or else at its end."""
        rss: list[int] = []

        def look() -> None:
            if look_after is not None:
                time.sleep(look_after)
                rss.append(machine.rss_kib(proxy.pid))

        before = machine.cpu(proxy.pid)
        report = self.run(proxy.url, load, look)
        cpu = machine.cpu(proxy.pid).since(before)
        return Sample(report, cpu, rss[0] if rss else machine.rss_kib(proxy.pid))
