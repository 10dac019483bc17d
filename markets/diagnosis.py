"""Why markets are (not) followed: counts by profile and reason, what-if, and one market in full."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from markets import universe
from markets.core import universe as core
from markets.core.contracts import IngestConfig
from markets.core.universe import BOOK_RULES, CATALOGUE_RULES, Rule
from markets.models import IngestSettings, Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """What one rule alone keeps out of a profile.

    `alone` markets break this rule and no other of its stage. For a rule with a number, `nearest`
    is the value closest to the bound among them, `half` the bound at which half of them would pass.
    """

    profile: str
    code: str
    alone: int
    bound: str
    column: str
    nearest: float | None
    half: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The open markets by (profile, reason), largest first, and what each rule alone costs.

    The empty reason counts the followed, the empty profile the markets that fit none.
    """

    as_of: datetime
    open: int
    followed: int
    counts: list[tuple[str, str, int]]
    relaxed: list[Relaxed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One rule on one market: what it saw, its bound, and the verdict (None = not reached)."""

    code: str
    column: str
    value: Any
    bound: str
    passed: bool | None


def diagnose(*, as_of: datetime) -> Diagnosis:
    """Judge all open markets as the universe does, by the books we hold; writes nothing."""
    frame, config = _judged(as_of=as_of)
    grouped = (
        frame.group_by("fits", "reason").len().sort(["fits", "len", "reason"], descending=True)
    )
    judged = frame.filter(pl.col("reason").is_in([*_codes(BOOK_RULES), "", core.OVER_LIMIT]))
    relaxed = _relaxed(frame, CATALOGUE_RULES, config) + _relaxed(
        judged.filter(pl.col("spread").is_not_null()), BOOK_RULES, config
    )
    return Diagnosis(
        as_of=as_of,
        open=len(frame),
        followed=len(frame.filter(pl.col("reason") == "")),
        counts=[(profile, reason, n) for profile, reason, n in grouped.iter_rows()],
        relaxed=sorted(relaxed, key=lambda r: (-r.alone, r.profile, r.code)),
    )


def explain(market_id: int, *, as_of: datetime) -> tuple[str, str, list[Judged]]:
    """(profile, reason, rule by rule) of one market; raises `LookupError` for one not open."""
    frame, config = _judged(as_of=as_of)
    row = frame.filter(pl.col("id") == market_id)
    if row.is_empty():
        known = Market.objects.filter(pk=market_id).first()
        remedy = "it is closed or imported, and those are not judged" if known else "no such market"
        raise LookupError(f"market {market_id}: {remedy}")
    on_paper = _on(row, CATALOGUE_RULES, config)
    # Books are looked at only where paper says nothing against the market.
    reached = all(judged.passed for judged in on_paper)
    by_book = _on(row, BOOK_RULES, config, reached=reached)
    return row["fits"].item(), row["reason"].item(), on_paper + by_book


def _judged(*, as_of: datetime) -> tuple[pl.DataFrame, IngestConfig]:
    config = IngestSettings.objects.current(as_of=as_of).as_config()
    frame = universe.on_paper(config, as_of=as_of)
    return universe.by_books(frame, config, since=as_of, as_of=as_of), config


def _codes(rules: tuple[Rule, ...]) -> list[str]:
    return [rule.code for rule in rules]


def _relaxed(frame: pl.DataFrame, rules: tuple[Rule, ...], config: IngestConfig) -> list[Relaxed]:
    flags = core.broken(frame, rules, config)
    only_one = flags.sum_horizontal() == 1
    found = []
    for rule in rules:
        rows = frame.filter(flags[rule.code] & only_one)
        for (profile,), group in rows.group_by("fits"):
            values = group[rule.column] if rule.higher is not None else None
            found.append(
                Relaxed(
                    profile=str(profile),
                    code=rule.code,
                    alone=len(group),
                    bound=rule.bound(config),
                    column=rule.column,
                    nearest=None if values is None else _nearest(values, higher=bool(rule.higher)),
                    half=None if values is None else _float(values.median()),
                )
            )
    return found


def _nearest(values: pl.Series, *, higher: bool) -> float | None:
    return _float(values.max() if higher else values.min())


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _on(
    row: pl.DataFrame, rules: tuple[Rule, ...], config: IngestConfig, *, reached: bool = True
) -> list[Judged]:
    flags = core.broken(row, rules, config)
    return [
        Judged(
            code=rule.code,
            column=rule.column,
            value=row[rule.column].item() if rule.column in row.columns else None,
            bound=rule.bound(config),
            passed=not flags[rule.code].item() if reached else None,
        )
        for rule in rules
    ]
