"""Takes samples in rotation, so that what disturbs the machine disturbs everybody."""

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Figures = dict[str, float]

# Takes a sample of a name.
Sampler = Callable[[Any], Figures]


def rotate(names: list[str], rounds: int, sample: Sampler) -> dict[str, Figures]:
    """Samples each name once a round, beginning with another one each time, and returns the medians."""
    return all_medians(take(names, rounds, lambda: nullcontext(sample)))


def take(
    names: list[Any],
    rounds: int,
    begin: Callable[[], AbstractContextManager[Sampler]],
    together: int = 1,
    times: int = 1,
) -> dict[Any, list[Figures]]:
    """Does the same, and returns each sample. `begin` starts what a round needs, in which each name is sampled so many
    times; so many names stand side by side."""
    taken: dict[Any, list[Figures]] = {name: [] for name in names}
    for turn in range(rounds):
        with begin() as sample:
            for time in range(turn, turn + times):
                first = time * together % len(names)
                for name in names[first:] + names[:first]:
                    taken[name].append(sample(name))
    return taken


def paired_ratios(samples: list[Figures], base: list[Figures], figure: str, rounds: int) -> dict[str, float]:
    """Compares one with another that was sampled beside it: the mean of the medians of the rounds, and its standard error."""
    ratios = [one[figure] / other[figure] for one, other in zip(samples, base, strict=True)]
    times = len(ratios) // rounds
    of_rounds = [statistics.median(ratios[n * times : (n + 1) * times]) for n in range(rounds)]
    error = statistics.stdev(of_rounds) / rounds**0.5 if rounds > 1 else float("nan")
    return {"ratio": statistics.mean(of_rounds), "ratio_error": error}


def all_medians(taken: dict[Any, list[Figures]]) -> dict[Any, Figures]:
    return {name: medians(samples) for name, samples in taken.items()}


def medians(samples: list[Figures]) -> Figures:
    return {figure: combine(figure, [sample[figure] for sample in samples]) for figure in samples[0]}


def combine(figure: str, values: list[float]) -> float:
    """Errors add up; of everything else the median counts."""
    return sum(values) if figure == "errors" else statistics.median(values)


def ratio(results: dict[str, Figures], name: str, figure: str, references: set[str]) -> float:
    """Compares one with the best of the references that were measured; NaN where there is none."""
    known = [result[figure] for other, result in results.items() if other in references and result[figure] > 0]
    return results[name][figure] / min(known) if known else float("nan")


def table(columns: list[tuple[str, str]], rows: list[dict[str, Any]]) -> str:
    """Renders rows as Markdown; a column is a heading and a format with the names of figures."""
    lines = ["| " + " | ".join(heading for heading, _ in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(form.format(**row) for _, form in columns) + " |" for row in rows]
    return "\n".join(lines)
