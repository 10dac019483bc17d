"""What the columns of recorded history may hold: one foreign value refuses the whole folder."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from markets.adapters.history_files import COLUMNS, SIDES, BadHistory

FIRST = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
PLAIN = "^[a-z0-9_]{1,40}$"
LONGEST_KEY = 200  # characters that a row of the database holds
LONGEST_STEP = 2**31 - 1  # seconds that a row of the database holds


class BadValue(BadHistory):
    """A file is of the format, but what it holds cannot be true or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a column may hold, in the words of its refusal; null is free unless `required`."""

    good: Callable[[pl.Expr], pl.Expr]
    wrong: str
    remedy: str
    required: bool = False

    def broken(self, column: str) -> pl.Expr:
        """Whether a row breaks the rule; never null."""
        if self.required:
            return ~self.good(pl.col(column)).fill_null(value=False)
        return (~self.good(pl.col(column))).fill_null(value=False)


def _times(*, unit: int, required: bool) -> Rule:
    name = {1: "seconds", 1000: "milliseconds"}[unit]
    return Rule(
        good=lambda c: c.is_between(FIRST * unit, LAST * unit),
        wrong=f"no moment between 2000 and 2100 in epoch {name}",
        remedy=f"write moments as whole epoch {name} of UTC",
        required=required,
    )


# Comparisons, not subtractions: NaN counts as larger than every number and fails them.
PROBABILITY = Rule(
    good=lambda c: c.is_between(0, 1),
    wrong="no price between 0 and 1",
    remedy="write prices in dollars a share (cents divided by 100) and leave unknown ones empty",
)
AMOUNT = Rule(
    good=lambda c: (c >= 0) & c.cast(pl.Float64).is_finite(),
    wrong="no finite amount of 0 or more",
    remedy="leave unknown amounts empty",
)
TRADED = Rule(good=AMOUNT.good, wrong=AMOUNT.wrong, remedy="drop such trades", required=True)
POSITIVE = Rule(
    good=lambda c: (c > 0) & c.cast(pl.Float64).is_finite(),
    wrong="no finite price above 0",
    remedy="leave unknown prices empty",
)
ANSWER = Rule(
    good=lambda c: c.is_between(0, 1),
    wrong="no answer: 1 means that the first outcome won, 0 that the second did",
    remedy="write 0 or 1 and leave unknown answers empty",
)
STEP = Rule(
    good=lambda c: c.is_between(1, LONGEST_STEP),
    wrong="no length of 1 second or more",
    remedy="write how many seconds a window or bar lasts",
    required=True,
)
KEY = Rule(
    good=lambda c: c.str.len_chars().is_between(1, LONGEST_KEY),
    wrong=f"no key of 1 to {LONGEST_KEY} characters",
    remedy="give every row the key of its market and event, or drop it",
    required=True,
)
WORD = Rule(
    good=lambda c: c.str.contains(PLAIN),
    wrong="no plain word",
    remedy="use 1 to 40 of the characters a-z, 0-9 and _",
    required=True,
)
MOMENT, MAYBE = _times(unit=1, required=True), _times(unit=1, required=False)
MILLISECOND = _times(unit=1000, required=True)
_COLUMNS_OF = (
    (PROBABILITY, "price bid ask last up_bid up_ask dn_bid dn_ask up_last"),
    (PROBABILITY, "best_bid best_ask freeze_price"),
    (AMOUNT, "volume volume24h up_bid_depth up_ask_depth fee_rate"),
    (POSITIVE, "open high low close ref_open"),
    (STEP, "window_s interval_s"),
    (ANSWER, "outcome outcome_up"),
    (KEY, "market_key epoch_key group_key"),
    (WORD, "venue dataset exchange"),
    (MOMENT, "ts end_ts"),
    (MAYBE, "start_ts closed_ts close_ref_ts"),
    (MILLISECOND, "ts_ms"),
    (TRADED, "size"),
)
RULES: Mapping[str, Rule] = {
    name: rule for rule, names in _COLUMNS_OF for name in names.split()
} | {
    f"{side}_{level}": PROBABILITY if "_px_" in side else AMOUNT
    for side in SIDES
    for level in range(1, 6)
}
# The tables whose rules differ from those of the same column elsewhere.
EXCEPTIONS: Mapping[tuple[str, str], Rule | None] = {
    ("updown_epochs.parquet", "start_ts"): MOMENT,
    ("trades.parquet", "outcome"): None,  # a token's name
    ("trades.parquet", "price"): Rule(
        good=PROBABILITY.good, wrong=PROBABILITY.wrong, remedy="drop such trades", required=True
    ),
}


def rules(file: str) -> dict[str, Rule]:
    """The rules of a file's columns."""
    found = {c: EXCEPTIONS.get((file, c), RULES.get(c)) for c in COLUMNS[file]}
    return {column: rule for column, rule in found.items() if rule is not None}


def check(path: Path, files: Mapping[str, pl.LazyFrame]) -> None:
    """Raise `BadValue` where a file holds what cannot be true; every column used is read once.

    The message names each wrong column, how many rows, one of them, and the remedy.
    """
    found: list[str] = []
    for name, frame in files.items():
        with legible(path / name):
            found += _broken(path / name, frame)
    if found:
        raise BadValue("; ".join(found))


@contextmanager
def legible(path: Path) -> Iterator[None]:
    """Turn the errors of reading what `check` could not foresee into one sentence."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as failure:
        raise BadValue(
            f"{path}: a file or column cannot be read ({_reason(failure)}); fetch the files again"
        ) from failure
    except OSError as failure:
        raise BadValue(
            f"{path}: cannot be read, or its rows cannot be stored ({_reason(failure)}); see that "
            "the files are whole and that the archive may be written and has room"
        ) from failure


def _reason(failure: BaseException) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0]


def _broken(file: Path, frame: pl.LazyFrame) -> Iterator[str]:
    known = rules(file.name)
    schema = frame.collect_schema()
    # A column of nothing but nulls has no type that a rule could read.
    typed = {c: rule for c, rule in known.items() if schema[c] != pl.Null}
    counts = frame.select(
        pl.len().alias("rows"),
        *(rule.broken(c).sum().alias(c) for c, rule in typed.items()),
        *(pl.col(c).null_count().alias(c) for c in COLUMNS[file.name] if c not in typed),
    ).collect()
    rows = counts["rows"].item()
    for column, rule in known.items():
        number = counts[column].item()
        if not number or (column not in typed and not rule.required):
            continue
        row, example = None, None
        if column in typed:
            wrong = frame.select(pl.col(column)).with_row_index("row").filter(rule.broken(column))
            row, example = wrong.head(1).collect().row(0)
        yield (
            f"{file}, column {column}: {number:,} of {rows:,} rows hold {rule.wrong}, "
            f"e.g. {_told(example)} in row {(row or 0) + 1:,}; {rule.remedy}"
        )


def _told(value: object) -> str:
    return "nothing" if value is None else repr(value)[:60]
