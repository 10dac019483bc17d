"""Ask the venue for the whole books that the stream lacks or doubts."""

from collections.abc import Sequence

from config.kernel.units import TokenId
from markets.adapters import clob_data
from markets.core.wire import NotUnderstood
from markets.core.wire_clob import BookRow


def ask(tokens: Sequence[str]) -> tuple[list[BookRow], list[NotUnderstood]]:
    """The books, and the rows that could not be read; raises the adapter's errors."""
    rows: list[BookRow] = []
    refused: list[NotUnderstood] = []
    for found, wrong in clob_data.connect().books([TokenId(token) for token in tokens]):
        rows += found
        refused += wrong
    return rows, refused
