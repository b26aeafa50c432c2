"""Scenarios in which each connection sends its next request when it has its answer: CPU time counts."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import engine, proxies
from .bench import REFERENCES, Bench
from .engine import Upstream
from .load import Load, Sample
from .rounds import Figures, Sampler, all_medians, medians, paired_ratios, ratio, table, take

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


def compare(
    bench: Bench, load: Load, parts: int, upstream: Callable[[ExitStack, Path], Upstream] | None = None
) -> dict[str, Figures]:
    """Measures the proxies in rotation, warmed up, and each round with processes of its own: of one binary, one process
    may take a twentieth more than the next, by where its memory happens to lie."""
    warm_up = Load(max(load.requests // 4, load.connections), load.connections, load.body_bytes, pace=load.pace)

    @contextmanager
    def begin() -> Iterator[Sampler]:
        with bench.stage() as stage:
            front = upstream(*stage) if upstream else engine.start(*stage, bench.sim)
            running = proxies.start_all(*stage, bench.starters, front)
            for proxy in running.values():
                bench.generator.run(proxy.url, warm_up)
            yield lambda name: figures(bench.generator.measure(running[name], load), parts)

    return all_medians(take(list(bench.starters), bench.rounds, begin))


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
    return show(compare(bench, load, load.requests))


def prompt_of_32_kib(bench: Bench) -> str:
    """A prompt of 32 KiB, 64 keep-alive connections"""
    load = Load(bench.scaled(20_000, 200), body_bytes=32 * 1024)
    return show(compare(bench, load, load.requests))


def prompt_of_1_mib(bench: Bench) -> str:
    """A prompt of 1 MiB, 16 keep-alive connections"""
    load = Load(bench.scaled(1_500, 20), connections=16, body_bytes=1024 * 1024)
    return show(compare(bench, load, load.requests))


def unpaced_streams(bench: Bench) -> str:
    """Streams of 200 chunks without delay, 64 at once"""
    load = lambda requests, **pace: Load(bench.scaled(requests, 64), pace={"tokens": 200, **pace})
    joined, apart = load(6_000), load(3_000, apart=True)
    shown = []
    for load, title in ((joined, "The engine sends a stream in one piece:"), (apart, "A write for each chunk:")):
        shown.append(f"{title}\n\n" + show(compare(bench, load, load.requests * 200), per="chunk"))
    return "\n\n".join(shown)


def tls_upstream(bench: Bench) -> str:
    """A small chat request to an engine behind TLS, 64 keep-alive connections"""
    load = Load(bench.scaled(30_000, 500))
    behind_tls = lambda *stage: engine.behind_tls(*stage, engine.start(*stage, bench.sim))
    return show(compare(bench, load, load.requests, behind_tls))


def growth(bench: Bench) -> str:
    """A small chat request: 1, 10 and 200 endpoints, 10 and 10,000 models"""
    load = Load(bench.scaled(4_000, 300))
    setups = ((1, 10), (10, 10), (200, 10), (1, 10_000))

    @contextmanager
    def begin() -> Iterator[Sampler]:
        with bench.stage() as (stack, work):
            known = {models for _, models in setups}
            engines = {models: engine.start(stack, directory(work), bench.sim, models) for models in known}
            running = {}
            for count, models in setups:
                started = proxies.start_all(stack, work, bench.starters, engine.many(engines[models], count))
                running |= {(name, count, models): proxy for name, proxy in started.items()}
            # Each goes by most of its endpoints.
            for proxy in [*running.values()] * 3:
                bench.generator.run(proxy.url, load)
            yield lambda key: figures(bench.generator.measure(running[key], load), load.requests)

    # Those that are compared stand side by side, and are sampled briefly and often: it is a few percent that count, and a
    # neighbour may disturb the machine for some of a round only.
    names = sorted((name, count, models) for name in bench.starters for count, models in setups)
    taken = take(names, bench.rounds, begin, together=len(setups), times=bench.scaled(8, 1))
    shown = [
        {"name": name, "endpoints": count, "models": models, **medians(samples)}
        | paired_ratios(samples, taken[name, 1, 10], "cpu_us", bench.rounds)
        for (name, count, models), samples in taken.items()
    ]
    name, *rest = COLUMNS
    ratio_to_first = ("ratio to 1 endpoint, 10 models", "{ratio:.3f} ± {ratio_error:.3f}")
    rest = [ratio_to_first if heading == "ratio" else (heading, form) for heading, form in rest]
    return table([name, ("endpoints", "{endpoints}"), ("models", "{models}"), *rest], shown)


def directory(work: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=work))
