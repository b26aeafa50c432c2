"""Processes and ports, and what /proc tells of them."""

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cpu:
    """CPU time of a process and its descendants: exact, and as sampled in either mode, in ticks."""

    seconds: float = 0.0
    user: int = 0
    system: int = 0

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(self.seconds - before.seconds, self.user - before.user, self.system - before.system)

    @property
    def user_share(self) -> float:
        return self.user / max(self.user + self.system, 1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(*command: str, log: Path):
    """Runs a program and stops it, and nothing else, at the end."""
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until_open(port: int) -> None:
    """Waits until somebody listens on a port."""

    def is_open() -> bool:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True

    wait_until(is_open, f"nobody listens on port {port}")


def wait_for(url: str) -> None:
    """Waits until a URL answers 200."""

    def answers() -> bool:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200

    wait_until(answers, f"{url} did not answer")


def wait_until(holds: Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    """Waits until something holds that fails as long as nobody is there, or exits with what is said otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.02)


def family(pid: int) -> list[int]:
    """Returns a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [one for child in children for one in family(int(child))]


def threads(pid: int) -> list[Path]:
    return [thread for one in family(pid) for thread in Path(f"/proc/{one}/task").iterdir()]


def cpu(pid: int) -> Cpu:
    """Returns the CPU time since the processes were started."""

    def ticks(one: int) -> tuple[int, int]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    user, system = (sum(column) for column in zip(*map(ticks, family(pid))))
    nanos = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads(pid))
    return Cpu(nanos / 1e9, user, system)


def rss_kib(pid: int) -> int:
    def of(one: int) -> int:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())
        return int(found[1]) if found else 0

    return sum(map(of, family(pid)))


def wake_ups(pid: int) -> int:
    """Returns how often the threads of a process have gone to sleep, and so have been woken."""

    def of(thread: Path) -> int:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text(), re.M)[1])

    return sum(map(of, threads(pid)))


def description() -> str:
    """Says on what was measured."""

    def first_line(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout or done.stderr).splitlines()[0].split(" - ")[0].strip()

    cpu_name = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return ", ".join(
        [
            f"{os.cpu_count()} cores ({cpu_name[1] if cpu_name else platform.machine()})",
            f"Linux {platform.release()}",
            first_line("nginx", "-v"),
            first_line("haproxy", "-v"),
            f"load average {os.getloadavg()[0]:.2f}",
        ]
    )
