"""Scenarios in which each connection sends its next request when it has its answer: CPU time counts."""

import tempfile
from pathlib import Path

from . import engine, proxies
from .bench import REFERENCES, Bench
from .engine import Upstream
from .load import Load, Sample
from .rounds import Figures, medians, paired_ratio, ratio, rotate, table, take

COLUMNS = [
    ("proxy", "{name}"),
    ("CPU µs/request", "{cpu_us:.1f}"),
    ("of it user", "{user_us:.1f}"),
    ("ratio", "{ratio:.2f}"),
    ("requests/s", "{rps:.0f}"),
    ("p50 ms", "{p50:.2f}"),
    ("p99 ms", "{p99:.2f}"),
    ("p99.9 ms", "{p999:.2f}"),
    ("RSS MiB", "{rss_mib:.1f}"),
    ("errors", "{errors:.0f}"),
]


def figures(sample: Sample, parts: int) -> Figures:
    """`parts` is what the CPU time is divided by: requests, or chunks of streams."""
    latency = sample.report["latency_ms"]
    cpu_us = sample.cpu.seconds / parts * 1e6
    return {
        "cpu_us": cpu_us,
        "user_us": cpu_us * sample.cpu.user_share,
        "rps": sample.report["rps"],
        "p50": latency["p50"],
        "p99": latency["p99"],
        "p999": latency["p999"],
        "rss_mib": sample.rss_kib / 1024,
        "errors": sample.errors,
    }


def compare(bench: Bench, upstream: Upstream, load: Load, parts: int, stage) -> dict[str, Figures]:
    """Starts the proxies, warms them up, and measures them in rotation."""
    running = proxies.start_all(*stage, bench.starters, upstream)
    warm_up = Load(max(load.requests // 4, load.connections), load.connections, load.body_bytes, pace=load.pace)
    for proxy in running.values():
        bench.generator.run(proxy.url, warm_up)
    measure = lambda name: figures(bench.generator.measure(running[name], load), parts)
    return rotate(list(running), bench.rounds, measure)


def rows(results: dict[str, Figures]) -> list[dict]:
    return [
        {"name": name, "ratio": ratio(results, name, "cpu_us", REFERENCES), **result}
        for name, result in results.items()
    ]


def show(results: dict[str, Figures], per: str = "request") -> str:
    columns = [(heading.replace("request", per, 1) if "µs" in heading else heading, form) for heading, form in COLUMNS]
    return table(columns, rows(results))


def small_chat(bench: Bench) -> str:
    """A small chat request, 64 keep-alive connections"""
    load = Load(bench.scaled(60_000, 500))
    with bench.stage() as stage:
        return show(compare(bench, engine.start(*stage, bench.sim), load, load.requests, stage))


def prompt_of_32_kib(bench: Bench) -> str:
    """A prompt of 32 KiB, 64 keep-alive connections"""
    load = Load(bench.scaled(20_000, 200), body_bytes=32 * 1024)
    with bench.stage() as stage:
        return show(compare(bench, engine.start(*stage, bench.sim), load, load.requests, stage))


def prompt_of_1_mib(bench: Bench) -> str:
    """A prompt of 1 MiB, 16 keep-alive connections"""
    load = Load(bench.scaled(1_500, 20), connections=16, body_bytes=1024 * 1024)
    with bench.stage() as stage:
        return show(compare(bench, engine.start(*stage, bench.sim), load, load.requests, stage))


def unpaced_streams(bench: Bench) -> str:
    """Streams of 200 chunks without delay, 64 at once"""
    load = lambda requests, **pace: Load(bench.scaled(requests, 64), pace={"tokens": 200, **pace})
    joined, apart = load(6_000), load(3_000, apart=True)
    shown = []
    for load, title in ((joined, "The engine sends a stream in one piece:"), (apart, "A write for each chunk:")):
        with bench.stage() as stage:
            results = compare(bench, engine.start(*stage, bench.sim), load, load.requests * 200, stage)
            shown.append(f"{title}\n\n" + show(results, per="chunk"))
    return "\n\n".join(shown)


def tls_upstream(bench: Bench) -> str:
    """A small chat request to an engine behind TLS, 64 keep-alive connections"""
    load = Load(bench.scaled(30_000, 500))
    with bench.stage() as stage:
        upstream = engine.behind_tls(*stage, engine.start(*stage, bench.sim))
        return show(compare(bench, upstream, load, load.requests, stage))


def growth(bench: Bench) -> str:
    """A small chat request: 1, 10 and 200 endpoints, 10 and 10,000 models"""
    load = Load(bench.scaled(30_000, 300))
    with bench.stage() as (stack, work):
        running = {}
        few, many = (engine.start(stack, directory(work), bench.sim, models) for models in (10, 10_000))
        setups = ((few, 1, 10), (few, 10, 10), (few, 200, 10), (many, 1, 10_000))
        for upstream, count, models in setups:
            started = proxies.start_all(stack, work, bench.starters, engine.many(upstream, count))
            running |= {(name, count, models): proxy for name, proxy in started.items()}
        for proxy in running.values():
            bench.generator.run(proxy.url, Load(bench.scaled(8_000, 300)))
        measure = lambda key: figures(bench.generator.measure(running[key], load), load.requests)
        # Those that are compared stand side by side: a neighbour may disturb the machine for some of a round only.
        taken = take(sorted(running), bench.rounds, measure, together=len(setups))
    shown = [
        {"name": name, "endpoints": count, "models": models, **medians(samples)}
        | {"ratio": paired_ratio(samples, taken[name, 1, 10], "cpu_us")}
        for (name, count, models), samples in taken.items()
    ]
    columns = [(heading.replace("ratio", "ratio to 1 endpoint, 10 models"), form) for heading, form in COLUMNS]
    return table([columns[0], ("endpoints", "{endpoints}"), ("models", "{models}"), *columns[1:]], shown)


def directory(work: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=work))
