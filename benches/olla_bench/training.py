"""Traffic for profile-guided optimisation: what an Olla is mostly asked for, in seconds.

python3 -m olla_bench.training OLLA-SERVER OLLA-SIM
"""

import sys
from pathlib import Path

from . import engine, proxies
from .bench import Bench
from .load import Generator, Load

UNPACED = {"tokens": 200, "tokens_per_second": 0}
PACED = {"tokens": 20, "tokens_per_second": 100, "early_head": True}

LOADS = [
    Load(40_000),
    Load(3_000, body_bytes=32 << 10),
    Load(200, connections=8, body_bytes=1 << 20),
    Load(500, pace=UNPACED),
    Load(500, connections=200, pace=PACED),
]


def train(olla: Path, sim: Path) -> None:
    """Asks once in the words of OpenAI, which are passed on, and once in Anthropic's, which are translated."""
    bench = Bench({"olla": proxies.starters({"olla": olla})["olla"]}, Generator(sim), rounds=1, smoke=False)
    for path, scale in [("", 1), ("/v1/messages", 10)]:
        with bench.stage() as stage:
            upstream = engine.start(*stage, sim)
            [proxy] = proxies.start_all(*stage, bench.starters, upstream).values()
            for load in LOADS:
                some = Load(load.requests // scale, load.connections, load.body_bytes, pace=load.pace, path=path)
                bench.generator.run(proxy.url, some)


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]))
