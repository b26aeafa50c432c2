"""Takes samples in rotation, so that what disturbs the machine disturbs everybody."""

import statistics
from collections.abc import Callable
from typing import Any

Figures = dict[str, float]


def rotate(names: list[str], rounds: int, sample: Callable[[str], Figures]) -> dict[str, Figures]:
    """Samples each name once a round, beginning with another one each time, and returns the medians."""
    return {name: medians(samples) for name, samples in take(names, rounds, sample).items()}


def take(
    names: list[Any], rounds: int, sample: Callable[[Any], Figures], together: int = 1
) -> dict[Any, list[Figures]]:
    """Does the same, and returns each sample. So many names stand side by side in every round."""
    taken: dict[Any, list[Figures]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn * together % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(sample(name))
    return taken


def paired_ratio(samples: list[Figures], base: list[Figures], figure: str) -> float:
    """Compares one with another that was sampled beside it, round by round."""
    return statistics.median(one[figure] / other[figure] for one, other in zip(samples, base, strict=True))


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
