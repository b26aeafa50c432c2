"""What translation adds: clients of Anthropic's dialect before an engine that speaks it, and the same one in chats."""

import json
import urllib.request
from functools import partial

from . import engine, proxies
from .bench import REFERENCES, Bench
from .load import Load
from .rounds import Figures, rotate, table
from .timed import DIRECT, added, ask

# A kind that speaks both dialects, so that all ways lead to the same engine.
KIND = "vllm"
PER_SECOND = 200
PACE = {"ttft_ms": 5, "tokens": 32, "tokens_per_second": 400}
NEVER_PASSED_ON = {"anthropic": {"passthrough_enabled": False}}


def first_token(bench: Bench) -> str:
    """The first token of an Anthropic stream, passed on and translated: 200 requests/s, open loop, 64 connections"""
    # The second is as long as the first request of a coding agent.
    return "\n\n".join(of_size(bench, size) for size in (1 << 10, 48 << 10))


def of_size(bench: Bench, body_bytes: int) -> str:
    """All ways are open at once and measured in rotation."""
    load = Load(
        bench.scaled(4_000, 100), rate=PER_SECOND, body_bytes=body_bytes, pace=PACE, path="/v1/messages"
    )
    with bench.stage() as stage:
        upstream = engine.start(*stage, bench.sim, kind=KIND)
        running = proxies.start_all(*stage, ways(bench), upstream)

        def measure(name: str) -> Figures:
            report, rest = ask(bench, running.get(name), upstream, load)
            ttft = {quantile: report["ttft_ms"][quantile] for quantile in ("p50", "p99")}
            return {**ttft, **rest}

        for name, proxy in running.items():
            bench.generator.run(proxy.url, load)
            expect_only(name, proxy)
        results = rotate([DIRECT, *running], bench.rounds, measure)
    return f"{body_bytes >> 10} KiB:\n\n" + table(
        [
            ("way", "{name}"),
            ("TTFT p50 ms", "{p50:.2f}"),
            ("p99 ms", "{p99:.2f}"),
            ("added p50 ms", "{added_p50:.3f}"),
            ("added p99 ms", "{added_p99:.3f}"),
            ("CPU µs/stream", "{cpu_us:.0f}"),
            ("errors", "{errors:.0f}"),
        ],
        added(results, ["p50", "p99"]),
    )


def ways(bench: Bench) -> dict[str, proxies.Starter]:
    """Returns each Olla twice: once it passes messages on, once it translates them into chats."""
    ollas = {name: start for name, start in bench.starters.items() if name not in REFERENCES}
    passed_on = {f"{name}, passed on": partial(start, kind=KIND) for name, start in ollas.items()}
    translated = {
        f"{name}, translated": partial(start, kind=KIND, translators=NEVER_PASSED_ON) for name, start in ollas.items()
    }
    return passed_on | translated


def expect_only(name: str, proxy: proxies.Running) -> None:
    """Stops the run where requests did not take the way that the name says."""
    with urllib.request.urlopen(f"{proxy.url}/internal/stats/translators", timeout=10) as answer:
        [row] = json.load(answer)["translators"]
    other = "passthrough_requests" if name.endswith("translated") else "translation_requests"
    if row[other] or not row["total_requests"]:
        raise SystemExit(f"{name}: {row}")
