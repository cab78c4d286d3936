"""Tables of the pages in docs/."""

from collections.abc import Iterable, Sequence


def markdown(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is set to the left, the others, numbers, to the right."""
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
