"""Child processes: start on a free port, wait until ready, stop by pid."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

STOP_SECONDS = 15.0


def free_port() -> int:
    """Returns a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child process that answers HTTP, with its output in a file."""

    def __init__(self, command: list[str], url: str, ready_path: str, log: Path, *,
                 env: dict[str, str] | None = None, cwd: Path | None = None):
        self.command, self.url, self.ready_path, self.log = command, url, ready_path, log
        self.env, self.cwd = env, cwd
        self.child: subprocess.Popen | None = None

    def start(self) -> "Process":
        """Starts the child without waiting for it."""
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command, env=self.env, cwd=self.cwd,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
        return self

    def wait_ready(self, seconds: float) -> "Process":
        """Waits until the ready path answers 200; fails with the child's output otherwise."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise AssertionError(f"{self.command[0]} exited {self.child.returncode}\n{self.tail()}")
            try:
                if httpx.get(self.url + self.ready_path, timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{self.command[0]} not ready in {seconds} s\n{self.tail()}")

    def stop(self) -> int | None:
        """Sends SIGTERM and returns the exit code; a child that does not stop is killed."""
        if self.child is None or self.child.poll() is not None:
            return self.child.returncode if self.child else None
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self) -> None:
        """Sends SIGKILL: the process gets no chance to finish a response."""
        self.child.kill()
        self.child.wait()

    def tail(self) -> str:
        """Returns the end of the child's output."""
        return self.log.read_text(errors="replace")[-4000:]


def eventually(seconds: float, condition):
    """Returns the first truthy result of `condition`, polled; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds} s: {condition}")
        time.sleep(0.1)
