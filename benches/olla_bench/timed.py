"""Scenarios in which the load has a clock of its own: what counts is what a proxy adds to it."""

import socket
import time

from . import engine, machine, proxies
from .bench import Bench
from .engine import Upstream
from .load import Load, Sample
from .proxies import Running
from .rounds import Figures, rotate, table

DIRECT = "direct"


def added(results: dict[str, Figures], figures: list[str]) -> list[dict]:
    """Returns a row for each proxy, with `added_…` over the way without one."""
    direct = results[DIRECT]
    return [
        {"name": name, **result, **{f"added_{figure}": result[figure] - direct[figure] for figure in figures}}
        for name, result in results.items()
    ]


def ask(bench: Bench, proxy: Running | None, upstream: Upstream, load: Load) -> tuple[dict, Figures]:
    """Asks a proxy, or the engine itself; returns the report, and what every row has besides its latencies."""
    if proxy is None:
        report, cpu_us = bench.generator.run(f"http://{upstream.addresses[0]}", load), 0.0
    else:
        sample = bench.generator.measure(proxy, load)
        report, cpu_us = sample.report, sample.cpu.seconds / load.requests * 1e6
    return report, {"cpu_us": cpu_us, "errors": sum(report["errors"].values())}


def open_loop(bench: Bench) -> str:
    """A small chat request at a fixed rate: 3,000 requests/s, open loop, 64 connections"""
    load = Load(bench.scaled(15_000, 300), rate=3_000)
    with bench.stage() as stage:
        upstream = engine.start(*stage, bench.sim)
        running = proxies.start_all(*stage, bench.starters, upstream)

        def measure(name: str) -> Figures:
            report, rest = ask(bench, running.get(name), upstream, load)
            latency = {quantile: report["latency_ms"][quantile] * 1e3 for quantile in ("p50", "p90", "p99", "p999")}
            return {**latency, **rest}

        for proxy in running.values():
            bench.generator.run(proxy.url, load)
        results = rotate([DIRECT, *running], bench.rounds, measure)
    return table(
        [
            ("proxy", "{name}"),
            ("p50 µs", "{p50:.0f}"),
            ("p99 µs", "{p99:.0f}"),
            ("p99.9 µs", "{p999:.0f}"),
            ("added p50 µs", "{added_p50:.0f}"),
            ("added p99 µs", "{added_p99:.0f}"),
            ("CPU µs/request", "{cpu_us:.1f}"),
            ("errors", "{errors:.0f}"),
        ],
        added(results, ["p50", "p99"]),
    )


def paced_streams(bench: Bench) -> str:
    """Streams that keep a pace: 1,000 of 20 tokens/s and 5,000 of 4 tokens/s"""
    if bench.smoke:
        return streams(bench, count=50, per_second=20, tokens=20)
    return "\n\n".join(
        [streams(bench, count=1_000, per_second=20, tokens=160), streams(bench, count=5_000, per_second=4, tokens=40)]
    )


def streams(bench: Bench, count: int, per_second: int, tokens: int) -> str:
    """All are opened within a second or two; memory is read when they are all open, and before."""
    pace = {"tokens": tokens, "tokens_per_second": per_second, "early_head": True}
    load = Load(count, connections=count, rate=2_500, pace=pace)
    opened_after = count / 2_500 + 1

    def measure(name: str) -> Figures:
        with bench.stage() as stage:
            upstream = engine.start(*stage, bench.sim)
            if name == DIRECT:
                return of_streams(Sample(bench.generator.run(f"http://{upstream.addresses[0]}", load), machine.Cpu(), 0), 0)
            # A new process each time: one that has had many streams open keeps some of their memory.
            proxy = proxies.start_all(*stage, {name: bench.starters[name]}, upstream)[name]
            bench.generator.run(proxy.url, Load(64, connections=8))
            rest = machine.rss_kib(proxy.pid)
            return of_streams(bench.generator.measure(proxy, load, look_after=opened_after), rest)

    def of_streams(sample: Sample, rest_kib: int) -> Figures:
        report = sample.report
        return {
            "cpu_us": sample.cpu.seconds / (count * tokens) * 1e6,
            "rest_mib": rest_kib / 1024,
            "stream_kib": (sample.rss_kib - rest_kib) / count,
            "ttft": report["ttft_ms"]["p50"],
            "ttft99": report["ttft_ms"]["p99"],
            "gap": report["inter_chunk_ms"]["p50"],
            "gap99": report["inter_chunk_ms"]["p99"],
            "whole": report["latency_ms"]["p50"] / 1e3,
            "errors": sample.errors,
        }

    results = rotate([DIRECT, *bench.starters], bench.rounds, measure)
    return f"{count:,} streams, {per_second} tokens/s each, {tokens} tokens:\n\n" + table(
        [
            ("proxy", "{name}"),
            ("CPU µs/chunk", "{cpu_us:.1f}"),
            ("at rest MiB", "{rest_mib:.1f}"),
            ("KiB/stream", "{stream_kib:.1f}"),
            ("added TTFT p50 ms", "{added_ttft:.2f}"),
            ("added TTFT p99 ms", "{added_ttft99:.2f}"),
            ("added between chunks p50 ms", "{added_gap:.2f}"),
            ("p99 ms", "{added_gap99:.2f}"),
            ("whole stream s", "{whole:.2f}"),
            ("errors", "{errors:.0f}"),
        ],
        added(results, ["ttft", "ttft99", "gap", "gap99"]),
    )


def at_rest(bench: Bench) -> str:
    """Start-up and rest: time to listening and to the first answer, memory, CPU time and wake-ups"""
    seconds = bench.scaled(10, 1)

    def measure(name: str) -> Figures:
        with bench.stage() as stage:
            upstream = engine.start(*stage, bench.sim)
            begun = time.monotonic()
            proxy = bench.starters[name](*stage, upstream)
            listening = listens_after(proxy, begun)
            machine.wait_for(f"{proxy.url}/v1/models")
            answers = time.monotonic() - begun
            time.sleep(seconds / 5)
            cpu, wakes = machine.cpu(proxy.pid), machine.wake_ups(proxy.pid)
            time.sleep(seconds)
            used = machine.cpu(proxy.pid).since(cpu).seconds
            return {
                "listening": listening * 1e3,
                "answers": answers * 1e3,
                "rss_mib": machine.rss_kib(proxy.pid) / 1024,
                "cpu_us": used * 1e6 / seconds,
                "wakes": (machine.wake_ups(proxy.pid) - wakes) / seconds,
            }

    results = rotate(list(bench.starters), bench.rounds, measure)
    return table(
        [
            ("proxy", "{name}"),
            ("ms to listening", "{listening:.1f}"),
            ("ms to the first answer", "{answers:.1f}"),
            ("RSS MiB", "{rss_mib:.1f}"),
            ("CPU µs a second", "{cpu_us:.0f}"),
            ("wake-ups a second", "{wakes:.1f}"),
        ],
        [{"name": name, **result} for name, result in results.items()],
    )


def listens_after(proxy: Running, begun: float) -> float:
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", proxy.port)) == 0:
                return time.monotonic() - begun
        if time.monotonic() - begun > 30:
            raise SystemExit("a proxy did not listen within 30 s")
        time.sleep(0.0005)
