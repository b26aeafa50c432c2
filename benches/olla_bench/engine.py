"""The simulated engine that all proxies forward to, and TLS in front of it."""

import json
import subprocess
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .machine import free_port, process, wait_for, wait_until_open

MODEL = "bench-model"
TOKENS = 16


@dataclass(frozen=True)
class Upstream:
    """Where a proxy forwards to: one or more addresses, all of the same engine."""

    addresses: tuple[str, ...]
    tls: bool = False


def start(stack: ExitStack, work: Path, sim: Path, models: int = 1, kind: str = "openai") -> Upstream:
    """Starts an engine that listens on every address of 127.0.0.0/8."""
    port = free_port()
    flags = ["--kind", kind, "--model", MODEL, "--tokens", str(TOKENS), "--record-limit", "0"]
    stack.enter_context(process(str(sim), "serve", "--addr", f"0.0.0.0:{port}", *flags, log=work / "engine.log"))
    wait_for(f"http://127.0.0.1:{port}/v1/models")
    if models > 1:
        names = [MODEL] + [f"Org/Model-{n}-Instruct" for n in range(1, models)]
        body = json.dumps(names).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/sim/models", data=body, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()
    return Upstream((f"127.0.0.1:{port}",))


def many(upstream: Upstream, count: int) -> Upstream:
    """Returns the same engine under many addresses."""
    port = upstream.addresses[0].rsplit(":", 1)[1]
    return Upstream(tuple(f"127.0.0.{n}:{port}" for n in range(1, count + 1)))


def behind_tls(stack: ExitStack, work: Path, upstream: Upstream) -> Upstream:
    """Starts an nginx that speaks TLS and forwards to the engine."""
    key, certificate, port = work / "key.pem", work / "cert.pem", free_port()
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *new_key, *subject, *files], check=True, capture_output=True)
    (work / "tls.conf").write_text(
        f"""daemon off;
pid {work}/tls.pid;
error_log {work}/tls.err;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {work}/tls_body;
  proxy_temp_path {work}/tls_proxy;
  fastcgi_temp_path {work}/tls_fastcgi;
  uwsgi_temp_path {work}/tls_uwsgi;
  scgi_temp_path {work}/tls_scgi;
  upstream engine {{ server {upstream.addresses[0]}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""
    )
    stack.enter_context(process("nginx", "-c", str(work / "tls.conf"), log=work / "tls.log"))
    # Who finds nobody there at first waits before it looks again.
    wait_until_open(port)
    return Upstream((f"127.0.0.1:{port}",), tls=True)
