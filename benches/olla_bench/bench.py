"""What every scenario is given."""

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .load import Generator
from .proxies import Starter

REFERENCES = {"nginx", "haproxy"}


@dataclass(frozen=True)
class Bench:
    """The parts of a run: what is compared, with what, and how thoroughly."""

    starters: dict[str, Starter]
    generator: Generator
    rounds: int
    smoke: bool

    @property
    def sim(self) -> Path:
        return self.generator.sim

    def scaled(self, full: int, smoke: int) -> int:
        """Returns a number of requests: few where only the harness is tested."""
        return smoke if self.smoke else full

    @contextmanager
    def stage(self):
        """A directory for a scenario, and a stack of what it starts; both are gone at its end."""
        with tempfile.TemporaryDirectory(prefix="olla-bench-") as directory, ExitStack() as stack:
            Path(directory).chmod(0o755)
            yield stack, Path(directory)
