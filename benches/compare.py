"""Measures proxies one after the other, in rotation, against the same simulated engine.

What is compared is CPU time of the proxy's processes per request (utime + stime): on a shared machine
it varies far less than throughput. Each figure is the median over the rounds; ratios are within one run.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MODEL = "bench-model"
TICK = os.sysconf("SC_CLK_TCK")


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


def wait_for(url: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:
                if reply.status == 200:
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(f"{url} did not answer within {seconds} s")
        time.sleep(0.05)


def family(pid: int) -> list[int]:
    """Returns a process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [one for child in children for one in family(int(child))]


def cpu_seconds(pid: int) -> float:
    def of(one: int) -> int:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    return sum(of(one) for one in family(pid)) / TICK


def rss_mib(pid: int) -> float:
    def of(one: int) -> int:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())
        return int(found[1]) if found else 0

    return sum(of(one) for one in family(pid)) / 1024


def start_engine(stack: ExitStack, work: Path) -> str:
    port = free_port()
    flags = ["--kind", "openai", "--model", MODEL, "--ttft-ms", "0", "--tokens", "16", "--record-limit", "0"]
    address = f"127.0.0.1:{port}"
    command = (str(TARGET / "olla-sim"), "serve", "--addr", address, *flags)
    stack.enter_context(process(*command, log=work / "engine.log"))
    wait_for(f"http://{address}/v1/models")
    return address


def start_olla(stack: ExitStack, work: Path, engine: str) -> tuple[int, int]:
    """Everything is on that a user has on; the rate limits are only set too high to be met."""
    port, unmet = free_port(), 1_000_000_000
    config = {
        "server": {
            "host": "127.0.0.1",
            "port": port,
            "rate_limits": {
                "global_requests_per_minute": unmet,
                "per_ip_requests_per_minute": unmet,
                "burst_size": unmet,
            },
        },
        "endpoints": [{"url": f"http://{engine}", "name": "engine", "type": "openai-compatible"}],
    }
    (work / "olla.yaml").write_text(json.dumps(config))
    command = (str(TARGET / "olla-server"), "--config", str(work / "olla.yaml"))
    pid = stack.enter_context(process(*command, log=work / "olla.log"))
    wait_for(f"http://127.0.0.1:{port}/internal/ready")
    return pid, port


def start_nginx(stack: ExitStack, work: Path, engine: str) -> tuple[int, int]:
    port = free_port()
    scratch = "\n".join(
        f"  {kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (work / "nginx.conf").write_text(
        f"""daemon off;
worker_processes {os.cpu_count()};
pid {work}/nginx.pid;
error_log {work}/nginx.err;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{scratch}
  keepalive_requests 1000000000;
  client_max_body_size 100m;
  upstream engine {{ server {engine}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} reuseport;
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
    )
    pid = stack.enter_context(process("nginx", "-c", str(work / "nginx.conf"), log=work / "nginx.log"))
    wait_for(f"http://127.0.0.1:{port}/v1/models")
    return pid, port


def start_haproxy(stack: ExitStack, work: Path, engine: str) -> tuple[int, int]:
    port = free_port()
    (work / "haproxy.cfg").write_text(
        f"""global
  nbthread {os.cpu_count()}
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server engine {engine}
"""
    )
    pid = stack.enter_context(process("haproxy", "-db", "-f", str(work / "haproxy.cfg"), log=work / "haproxy.log"))
    wait_for(f"http://127.0.0.1:{port}/v1/models")
    return pid, port


STARTERS = {"olla": start_olla, "nginx": start_nginx, "haproxy": start_haproxy}


def load(port: int, *flags: str) -> dict:
    """Runs the load generator and returns its report; a failed request is fatal."""
    url = f"http://127.0.0.1:{port}"
    command = [str(TARGET / "olla-sim"), "load", url, "--model", MODEL, *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(f"requests failed at {url}:\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)


def measure(pid: int, port: int, requests: int, *flags: str) -> dict:
    before = cpu_seconds(pid)
    report = load(port, "--requests", str(requests), *flags)
    cpu = (cpu_seconds(pid) - before) / requests * 1e6
    latency = report["latency_ms"]
    return {"cpu_us": cpu, "rps": report["rps"], "p50_ms": latency["p50"], "p99_ms": latency["p99"]}


def compare(proxies: dict, rounds: int, requests: int, *flags: str) -> dict:
    samples = {name: [] for name in proxies}
    for _ in range(rounds):
        for name, (pid, port) in proxies.items():
            samples[name].append(measure(pid, port, requests, *flags))
    return {
        name: {figure: statistics.median(s[figure] for s in taken) for figure in taken[0]}
        for name, taken in samples.items()
    }


def show(title: str, results: dict) -> None:
    best = min(r["cpu_us"] for name, r in results.items() if name != "olla")
    print(f"\n{title}\n")
    print("| proxy | CPU µs/request | ratio to the better of nginx and HAProxy | requests/s | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|")
    for name, r in results.items():
        ratio = r["cpu_us"] / best if best else float("nan")
        print(f"| {name} | {r['cpu_us']:.1f} | {ratio:.2f} | {r['rps']:.0f} | {r['p50_ms']:.2f} | {r['p99_ms']:.2f} |")


def show_memory(proxies: dict, streams: int) -> None:
    """Memory at rest, and while that many paced streams are open, both read from outside."""
    print(f"\nMemory, MiB: at rest, and with {streams} open streams\n")
    print("| proxy | at rest | with streams | KiB per stream |")
    print("|---|---|---|---|")
    for name, (pid, port) in proxies.items():
        rest = rss_mib(pid)
        pace = json.dumps({"tokens": 60, "tokens_per_second": 20, "early_head": True})
        command = [str(TARGET / "olla-sim"), "load", f"http://127.0.0.1:{port}", "--model", MODEL, "--stream"]
        command += ["--connections", str(streams), "--requests", str(streams), "--header", f"x-sim: {pace}"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(2)
        busy = rss_mib(pid)
        output, _ = running.communicate(timeout=60)
        if running.returncode:
            sys.exit(f"streams failed at {name}:\n{output.decode()}")
        print(f"| {name} | {rest:.1f} | {busy:.1f} | {(busy - rest) * 1024 / streams:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")
    smoke = parser.parse_args().smoke
    rounds, requests, streams = (1, 2_000, 50) if smoke else (5, 60_000, 1_000)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        work = Path(directory)
        if os.geteuid() == 0:
            # nginx's workers are another user and must reach their scratch directories.
            shutil.chown(work, "www-data")
            work.chmod(0o755)
        engine = start_engine(stack, work)
        proxies = {name: start(stack, work, engine) for name, start in STARTERS.items()}
        show_memory(proxies, streams)
        compare(proxies, 1, requests // 4, "--connections", "64")  # warms up
        show("Small chat request, 64 keep-alive connections", compare(proxies, rounds, requests, "--connections", "64"))
        print()


if __name__ == "__main__":
    main()
