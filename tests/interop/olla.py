"""The Olla under test: finds the binary, writes its configuration, runs it."""

import os
from pathlib import Path

import httpx
import openai
import yaml

from processes import Process, free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0


def binary() -> Path:
    """Returns the server binary: `OLLA_SERVER`, else the release build, else the debug build."""
    named = os.environ.get("OLLA_SERVER")
    # A relative name is meant from the top of the repository, like the defaults.
    candidates = [named] if named else ["target/release/olla-server", "target/debug/olla-server"]
    for candidate in candidates:
        if (ROOT / candidate).is_file():
            return ROOT / candidate
    raise FileNotFoundError(f"no olla-server at {', '.join(candidates)}: build it or set OLLA_SERVER")


class Olla(Process):
    """One Olla process with a given configuration, on a free port of its own."""

    def __init__(self, directory: Path, settings: dict, env: dict[str, str] | None = None):
        port = free_port()
        # Tests send more requests from one address than the default limits allow.
        limits = {"global_requests_per_minute": 0, "per_ip_requests_per_minute": 0}
        server = {"host": "127.0.0.1", "port": port, "rate_limits": limits}
        file = directory / "olla.yaml"
        file.write_text(yaml.safe_dump({"server": server, **settings}, sort_keys=False))
        own = {name: value for name, value in os.environ.items() if not name.startswith("OLLA_")}
        super().__init__(
            [str(binary()), "--config", str(file)],
            f"http://127.0.0.1:{port}", "/internal/ready", directory / "olla.log",
            env={**own, **(env or {})}, cwd=directory,
        )
        self.port = port

    def openai(self, base: str = "/v1", api_key: str = "sk-of-the-client") -> openai.OpenAI:
        """Returns an SDK client for one of Olla's base paths. It does not retry: a failure is a failure."""
        return openai.OpenAI(base_url=self.url + base, api_key=api_key, max_retries=0, timeout=30)

    def get(self, path: str, **options) -> httpx.Response:
        """Sends a GET."""
        return httpx.get(self.url + path, timeout=30, **options)

    def post(self, path: str, body: dict, **options) -> httpx.Response:
        """Sends a POST with a JSON body."""
        return httpx.post(self.url + path, json=body, timeout=30, **options)

    def endpoint(self, name: str) -> dict:
        """Returns what the status page says about one endpoint."""
        endpoints = self.get("/internal/status/endpoints").json()["endpoints"]
        return next(entry for entry in endpoints if entry["name"] == name)


def static(*endpoints: dict, **settings) -> dict:
    """Returns a configuration with these endpoints and further top-level settings."""
    return {"discovery": {"type": "static", "static": {"endpoints": list(endpoints)}}, **settings}


def endpoint(name: str, kind: str, url: str, **more) -> dict:
    """Returns one endpoint entry."""
    return {"url": url, "name": name, "type": kind, **more}
