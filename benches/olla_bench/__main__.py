"""Command line: which scenarios, how thoroughly, and which builds of Olla."""

import argparse
import os
import time
from pathlib import Path

from . import closed_loop, machine, proxies, timed, translated
from .bench import Bench
from .load import Generator

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

# By the letters of `--only`; the title of each is its doc string.
SCENARIOS = {
    "a": closed_loop.small_chat,
    "b": closed_loop.prompt_of_32_kib,
    "c": closed_loop.prompt_of_1_mib,
    "d": closed_loop.unpaced_streams,
    "e": timed.paced_streams,
    "f": timed.open_loop,
    "g": closed_loop.tls_upstream,
    "h": closed_loop.growth,
    "i": timed.at_rest,
    "j": translated.first_token,
}


def named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)


def arguments() -> argparse.Namespace:
    listing = "\n".join(f"  {letter}  {scenario.__doc__}" for letter, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="benches/run", epilog="scenarios:\n" + listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--only", metavar="a,d", default=",".join(SCENARIOS), help="run these scenarios")
    parser.add_argument("--rounds", type=int, help="samples of each proxy, in rotation (default: 5)")
    parser.add_argument(
        "--olla", type=named, action="append", metavar="NAME=BINARY", help="compare these builds of Olla; may be repeated"
    )
    parser.add_argument("--without", metavar="haproxy", default="", help="leave these proxies out")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    ollas = dict(asked.olla or [("olla", TARGET / "olla-server")])
    starters = proxies.starters(ollas)
    starters = {name: start for name, start in starters.items() if name not in asked.without.split(",")}
    rounds = asked.rounds or (1 if asked.smoke else 5)
    bench = Bench(starters, Generator(TARGET / "olla-sim"), rounds, asked.smoke)
    print(f"{machine.description()}; medians of {rounds}", flush=True)
    for letter in asked.only.split(","):
        scenario, begun = SCENARIOS[letter.strip()], time.monotonic()
        shown = scenario(bench)
        print(f"\n## ({letter}) {scenario.__doc__}\n\n{shown}\n\n({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
