"""Runs very many short requests and streams whose clients leave through Olla, and watches what it keeps.

What must hold: every request that was not left is answered; memory and file descriptors are flat over the run;
when all clients are gone nothing is in flight, neither at Olla nor at the engine.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MODEL = "soak-model"
CONNECTIONS = 64
STREAM_CONNECTIONS = 64
# Left streams are left before the first token, between tokens, or not at all where they end before.
PACE = {"ttft_ms": 50, "tokens": 40, "tokens_per_second": 100}
CANCEL = ["--cancel-percent", "60", "--cancel-within-ms", "500"]
UNMET = 1_000_000_000

# What counts as flat between the second and the last quarter of the run.
MAX_GROWTH_MIB = 2.0
MAX_GROWTH_DESCRIPTORS = 16
# Connections to the backend that are kept for later: each client that was there may leave one.
MAX_KEPT_DESCRIPTORS = CONNECTIONS + STREAM_CONNECTIONS
# What may stay behind when all is at rest again, compared with after the warm-up.
MAX_KEPT_MIB = 4.0


@dataclass
class Sample:
    seconds: float
    rss_mib: float
    descriptors: int
    in_flight: int


class Server:
    """A running Olla, seen from outside."""

    def __init__(self, pid: int, port: int):
        self.pid, self.url, self.began = pid, f"http://127.0.0.1:{port}", time.monotonic()

    def sample(self) -> Sample:
        status = Path(f"/proc/{self.pid}/status").read_text()
        rss = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        descriptors = len(os.listdir(f"/proc/{self.pid}/fd"))
        endpoints = get(f"{self.url}/internal/status/endpoints")["endpoints"]
        in_flight = sum(endpoint["active_connections"] for endpoint in endpoints)
        return Sample(time.monotonic() - self.began, rss, descriptors, in_flight)


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(*command: str):
    """Runs a program and stops it, and nothing else, at the end."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()


def wait_for(url: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            get(url)
            return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"{url} did not answer within {seconds} s")
            time.sleep(0.05)


def start_engine(stack: ExitStack, binaries: Path) -> str:
    address = f"127.0.0.1:{free_port()}"
    flags = ["--addr", address, "--kind", "openai", "--model", MODEL, "--record-limit", "0"]
    stack.enter_context(process(str(binaries / "olla-sim"), "serve", *flags))
    wait_for(f"http://{address}/v1/models")
    return f"http://{address}"


def start_olla(stack: ExitStack, binaries: Path, work: Path, engine: str) -> Server:
    port = free_port()
    rates = {"global_requests_per_minute": UNMET, "per_ip_requests_per_minute": UNMET, "burst_size": UNMET}
    config = {
        "server": {"host": "127.0.0.1", "port": port, "rate_limits": rates},
        "endpoints": [{"url": engine, "name": "engine", "type": "openai-compatible"}],
    }
    (work / "olla.yaml").write_text(json.dumps(config))
    command = (str(binaries / "olla-server"), "--config", str(work / "olla.yaml"))
    pid = stack.enter_context(process(*command))
    wait_for(f"http://127.0.0.1:{port}/internal/ready")
    return Server(pid, port)


def start_loads(binaries: Path, url: str, requests: int, streams: int) -> list[subprocess.Popen]:
    command = [str(binaries / "olla-sim"), "load", url, "--model", MODEL]
    short = ["--requests", str(requests), "--connections", str(CONNECTIONS)]
    streamed = ["--stream", "--requests", str(streams), "--connections", str(STREAM_CONNECTIONS)]
    streamed += ["--header", f"x-sim: {json.dumps(PACE)}", *CANCEL]
    return [subprocess.Popen(command + flags, stdout=subprocess.PIPE) for flags in (short, streamed)]


def run(server: Server, binaries: Path, requests: int, streams: int, period: float) -> tuple[list[Sample], list[dict]]:
    """Makes both loads at once and samples until they end."""
    loads = start_loads(binaries, server.url, requests, streams)
    samples, deadline = [], time.monotonic() + 900
    while any(load.poll() is None for load in loads):
        samples.append(server.sample())
        if time.monotonic() > deadline:
            for load in loads:
                load.kill()
            sys.exit("the load did not end within 15 minutes")
        time.sleep(period)
    return samples, [json.loads(load.communicate()[0]) for load in loads]


def at_rest(server: Server, engine: str) -> tuple[Sample, dict]:
    """Waits until nothing is in flight, but not for long: who has left is gone."""
    deadline = time.monotonic() + 5
    while True:
        sample, stats = server.sample(), get(f"{engine}/sim/stats")
        if sample.in_flight + stats["in_flight"] == 0 or time.monotonic() > deadline:
            return sample, stats
        time.sleep(0.05)


def median(samples: list[Sample], what: str) -> float:
    return statistics.median(getattr(sample, what) for sample in samples)


def show(rows: list[tuple[str, float, float, float]]) -> None:
    print("| | RSS MiB | file descriptors | in flight |")
    print("|---|---|---|---|")
    for name, rss, descriptors, in_flight in rows:
        print(f"| {name} | {rss:.1f} | {descriptors:.0f} | {in_flight:.0f} |")


def judge(quarters: list[list[Sample]], rests: tuple[Sample, Sample], stats: dict, reports: list[dict]) -> list[str]:
    """Returns what must not be."""
    grown = {
        what: median(quarters[3], what) - median(quarters[1], what) for what in ("rss_mib", "descriptors")
    }
    short, streams = reports
    kept = rests[1].descriptors - rests[0].descriptors
    kept_mib = rests[1].rss_mib - rests[0].rss_mib
    checks = [
        (short["ok"] == short["requests"], f"requests failed: {short['errors']}"),
        (not streams["errors"], f"streams failed: {streams['errors']}"),
        (streams["cancelled"] > 0, "no stream was left: nothing has been proved"),
        (grown["rss_mib"] <= MAX_GROWTH_MIB, f"memory grows: {grown['rss_mib']:.1f} MiB"),
        (grown["descriptors"] <= MAX_GROWTH_DESCRIPTORS, f"descriptors grow: {grown['descriptors']:.0f}"),
        (kept <= MAX_KEPT_DESCRIPTORS, f"descriptors are kept: {kept}"),
        (kept_mib <= MAX_KEPT_MIB, f"memory is kept: {kept_mib:.1f} MiB"),
        (rests[1].in_flight == 0, f"in flight at Olla after the end: {rests[1].in_flight}"),
        (stats["in_flight"] == 0, f"in flight at the engine after the end: {stats['in_flight']}"),
    ]
    return [wrong for holds, wrong in checks if not holds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--binaries", type=Path, default=BINARIES, help="where olla-server and olla-sim are")
    arguments = parser.parse_args()
    requests, streams, period = (8_000, 400, 0.05) if arguments.smoke else (1_000_000, 2_000, 0.25)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        engine = start_engine(stack, arguments.binaries)
        server = start_olla(stack, arguments.binaries, Path(directory), engine)
        # Pools, buffers and tables reach the size that the load needs.
        run(server, arguments.binaries, requests // 20, streams // 4, period)
        before, _ = at_rest(server, engine)
        samples, reports = run(server, arguments.binaries, requests, streams, period)
        after, stats = at_rest(server, engine)
    if len(samples) < 8:
        sys.exit(f"only {len(samples)} samples: the run was too short to tell anything")
    size = len(samples) / 4
    quarters = [samples[int(n * size) : int((n + 1) * size)] for n in range(4)]
    short, streamed = reports
    print(f"\n{short['requests']} short requests at {short['rps']:.0f} a second, {short['ok']} answered; "
          f"{streamed['requests']} streams, {streamed['ok']} complete, {streamed['cancelled']} left by their client\n")
    named = [("at rest, warm", [before])]
    named += [(f"quarter {n + 1}, median of {len(part)}", part) for n, part in enumerate(quarters)]
    named += [("at rest, after", [after])]
    show([(name, *(median(part, what) for what in ("rss_mib", "descriptors", "in_flight"))) for name, part in named])
    wrong = judge(quarters, (before, after), stats, reports)
    print("\n" + ("\n".join(wrong) or "nothing grows, nothing is left over"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
