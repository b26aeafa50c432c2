"""The proxies that are compared, each set up as its users would for this traffic."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .engine import Upstream
from .machine import free_port, process, wait_for

# Beyond what any run reaches.
UNMET = 1_000_000_000


@dataclass(frozen=True)
class Running:
    """A proxy that forwards."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


# Starts a proxy in front of an upstream; it is listening soon, but perhaps not yet.
Starter = Callable[[ExitStack, Path, Upstream], Running]


def olla(
    binary: Path, stack: ExitStack, work: Path, upstream: Upstream, *, kind: str = "openai-compatible", **settings: Any
) -> Running:
    """Everything is on that a user has on; the rate limits are only set too high to be met."""
    port = free_port()
    scheme = "https" if upstream.tls else "http"
    endpoints = [
        {"url": f"{scheme}://{address}", "name": f"engine-{n}", "type": kind}
        | ({"tls": {"insecure_skip_verify": True}} if upstream.tls else {})
        for n, address in enumerate(upstream.addresses)
    ]
    limits = ("global_requests_per_minute", "per_ip_requests_per_minute", "burst_size")
    server = {"host": "127.0.0.1", "port": port, "rate_limits": {limit: UNMET for limit in limits}}
    (work / "olla.yaml").write_text(json.dumps({"server": server, "endpoints": endpoints, **settings}))
    command = (str(binary), "--config", str(work / "olla.yaml"))
    return Running(stack.enter_context(process(*command, log=work / "olla.log")), port)


def nginx(stack: ExitStack, work: Path, upstream: Upstream) -> Running:
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "\n".join(f"  {kind}_temp_path {work}/{kind};" for kind in kinds)
    servers = " ".join(f"server {address};" for address in upstream.addresses)
    (work / "nginx.conf").write_text(
        f"""daemon off;
worker_processes {os.cpu_count()};
worker_rlimit_nofile 20000;
pid {work}/nginx.pid;
error_log {work}/nginx.err;
events {{ worker_connections 16384; }}
http {{
  access_log off;
{scratch}
  keepalive_requests {UNMET};
  client_max_body_size 100m;
  upstream engine {{ {servers} keepalive 512; keepalive_requests {UNMET}; }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{
      proxy_pass {"https" if upstream.tls else "http"}://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""
    )
    pid = stack.enter_context(process("nginx", "-c", str(work / "nginx.conf"), log=work / "nginx.log"))
    return Running(pid, port)


def haproxy(stack: ExitStack, work: Path, upstream: Upstream) -> Running:
    port = free_port()
    tls = "ssl verify none" if upstream.tls else ""
    servers = "\n".join(f"  server engine-{n} {address} {tls}" for n, address in enumerate(upstream.addresses))
    (work / "haproxy.cfg").write_text(
        f"""global
  nbthread {os.cpu_count()}
  maxconn 8000
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend back
backend back
{servers}
"""
    )
    command = ("haproxy", "-db", "-f", str(work / "haproxy.cfg"))
    return Running(stack.enter_context(process(*command, log=work / "haproxy.log")), port)


def starters(ollas: dict[str, Path]) -> dict[str, Starter]:
    """Returns what is compared, by name; the first is the one that ratios are about."""
    return {name: partial(olla, binary) for name, binary in ollas.items()} | {"nginx": nginx, "haproxy": haproxy}


def start_all(stack: ExitStack, work: Path, starters: dict[str, Starter], upstream: Upstream) -> dict[str, Running]:
    """Starts proxies, each in a directory of its own, and waits until they forward."""
    running = {}
    for name, start in starters.items():
        directory = work / f"{name}-{free_port()}"
        directory.mkdir()
        # nginx's workers are another user and must reach their scratch directories.
        directory.chmod(0o777)
        running[name] = start(stack, directory, upstream)
    for one in running.values():
        wait_for(f"{one.url}/v1/models")
    return running
