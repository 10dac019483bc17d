"""The gate: hard checks that deny, caps that shrink. All run; every reason is returned.

Unsure means denied: an unknown rule of the market, a number that is not one, a book, forecast or
snapshot that is old. A sale only ever gives up shares that are held, so what limits entries
(money, counts, rates, cooldown, drawdown short of a halt) leaves it alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from config.kernel.units import ONE, ZERO
from risk.core import drawdown, soundness
from risk.core.caps import CAPS, SHARE_STEP, inventory
from risk.core.contracts import (
    Denial,
    DenialReason,
    LimitsConfig,
    OrderIntent,
    PortfolioSnapshot,
    State,
    Verdict,
)
from risk.core.positions import describe

BPS = Decimal(10_000)

Test = Callable[[OrderIntent, PortfolioSnapshot, LimitsConfig], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """A hard check: `test` says in a sentence why not, or None. `entries`: sales pass unasked.

    `reads_numbers` keeps it from running on an intent whose figures make no sense.
    """

    reason: DenialReason
    test: Test
    entries: bool = True
    reads_numbers: bool = True

    def run(
        self, intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
    ) -> Denial | None:
        """The denial, or None."""
        message = self.test(intent, portfolio, limits)
        return None if message is None else Denial(reason=self.reason, message=message)


def evaluate(intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> Verdict:
    """The largest size up to `intent.wanted` that every rule admits, or every reason against."""
    unsound = soundness.complaints(intent, portfolio, limits)
    denials = [
        denial
        for check in CHECKS
        if (intent.is_buy or not check.entries) and not (unsound and check.reads_numbers)
        if (denial := check.run(intent, portfolio, limits)) is not None
    ]
    denials += [Denial(reason=DenialReason.UNKNOWN_RULES, message=text) for text in unsound]
    if unsound:
        return Verdict(approved_shares=ZERO, denials=tuple(denials))
    rooms = {
        cap.reason: cap.room(intent, portfolio, limits)
        for cap in CAPS
        if intent.is_buy or not cap.entries
    }
    return _fit(intent, rooms, denials)


def _fit(intent: OrderIntent, rooms: dict[DenialReason, Decimal], denials: list[Denial]) -> Verdict:
    """Shrink to the smallest room; too small for the venue is a denial with the caps to blame."""
    fits = min(intent.wanted, *rooms.values()).quantize(SHARE_STEP, ROUND_FLOOR)
    smallest = max(intent.min_shares or ZERO, SHARE_STEP)
    if fits < smallest:
        room = f"only {fits} shares fit, the venue takes {smallest} or more"
        if intent.is_buy and intent.visible_depth <= ZERO:
            room = f"nothing is offered at {intent.limit_price.normalize():f} or less any more"
        denials.append(Denial(reason=DenialReason.MIN_SIZE, message=room))
        denials += [
            Denial(reason=reason, message=f"admits {max(shares, ZERO):.2f} shares")
            for reason, shares in rooms.items()
            if shares < smallest and reason not in {d.reason for d in denials}
        ]
    if denials:
        return Verdict(approved_shares=ZERO, denials=tuple(denials))
    bound_by = tuple(reason for reason, shares in rooms.items() if shares < intent.wanted)
    return Verdict(approved_shares=fits, bound_by=bound_by)


# --- hard checks ---------------------------------------------------------------------------------


def _halted(_i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    if portfolio.state in {State.ACTIVE, State.LISTEN_ONLY, State.REDUCING}:
        return None
    return f"trading is {portfolio.state or 'in an unknown state'}: only cancels pass"


def _listen_only(_i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    return "no new entries now" if portfolio.state == State.LISTEN_ONLY else None


def _reducing(_i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    return "only orders that shrink exposure now" if portfolio.state == State.REDUCING else None


def _not_placing(_i: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    return None if portfolio.placing_orders else "the switch for placing orders is off"


def _market_closed(intent: OrderIntent, _p: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    return None if intent.accepting_orders else "the market takes no orders"


def _market_ending(intent: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig) -> str | None:
    left = intent.seconds_left
    if left is None or left >= limits.min_seconds_left:
        return None
    return f"{left:.0f} s to the scheduled end, at least {limits.min_seconds_left} s are needed"


def _stale_book(intent: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig) -> str | None:
    return _age("book", intent.book_age_s, limits.max_book_age_s)


def _stale_prediction(
    intent: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    return _age("forecast", intent.prediction_age_s, limits.max_prediction_age_s)


def _stale_equity(
    _i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    return _age("snapshot of the books", portfolio.equity_age_s, limits.max_equity_age_s)


def _age(what: str, age_s: float, at_most_s: int) -> str | None:
    if 0 <= age_s <= at_most_s:
        return None
    return f"the {what} is {age_s:.1f} s old, at most {at_most_s} s are allowed"


def _no_edge_left(intent: OrderIntent, _p: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    if Decimal(repr(float(intent.probability))) > intent.unit_cost:
        return None
    return f"a share may cost {intent.unit_cost} and is worth {intent.probability:.4f}"


def _slippage(intent: OrderIntent, _p: PortfolioSnapshot, limits: LimitsConfig) -> str | None:
    slipped = intent.expected_price - intent.best_price
    slipped_bps = (slipped if intent.is_buy else -slipped) / intent.best_price * BPS
    if slipped_bps > limits.max_slippage_bps:
        return (
            f"it would fill at {intent.expected_price:.4f} on average, {slipped_bps / 100:.2f} % "
            f"worse than the best price of {intent.best_price:.4f}; at most "
            f"{limits.max_slippage_bps / 100:.2f} % may be lost so"
        )
    if not intent.is_buy:
        return None
    fee = intent.unit_cost - intent.limit_price
    edge = Decimal(repr(float(intent.probability))) - intent.best_price - fee
    if slipped <= limits.max_edge_eaten * edge:
        return None
    if edge <= 0:
        return f"nothing of the edge is left at the best price of {intent.best_price:.4f}, fee paid"
    return (
        f"too little is offered at the best price: to fill all of it costs {slipped:.4f} a share "
        f"more, of an edge of {edge:.4f}; at most {limits.max_edge_eaten:.0%} of it may go so"
    )


def _off_tick(intent: OrderIntent, _p: PortfolioSnapshot, _l: LimitsConfig) -> str | None:
    tick = intent.tick or ONE
    if tick <= intent.limit_price <= ONE - tick and intent.limit_price % tick == 0:
        return None
    return f"{intent.limit_price} is not a multiple of {tick} between {tick} and {ONE - tick}"


def _already_held(
    intent: OrderIntent, portfolio: PortfolioSnapshot, _l: LimitsConfig
) -> str | None:
    for held in portfolio.holdings:
        same_epoch = intent.asset and intent.epoch is not None
        same_epoch = same_epoch and (held.asset, held.epoch) == (intent.asset, intent.epoch)
        if held.market == intent.market or same_epoch:
            return f"Already have {describe(held)}"
    return None


def _cooldown(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    rules = (
        ("intent", portfolio.seconds_since_intent, limits.cooldown_s),
        ("exit", portfolio.seconds_since_exit, limits.reentry_s),
    )
    for what, ages, wait in rules:
        age = ages.get(intent.market)
        if age is not None and age < wait:
            return f"{age:.0f} s since the last {what} on this market, wait {wait} s"
    return None


def _position_count(
    _i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    count = len({held.market for held in portfolio.holdings})
    if count < limits.max_positions:
        return None
    return f"{count} markets are held, at most {limits.max_positions} are allowed"


def _asset_count(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    if not intent.asset or not limits.max_per_asset:
        return None
    count = len({held.market for held in portfolio.holdings if held.asset == intent.asset})
    if count < limits.max_per_asset:
        return None
    return f"{count} markets on {intent.asset} are held, at most {limits.max_per_asset} allowed"


def _order_rate(_i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> str | None:
    if portfolio.orders_last_hour < limits.max_orders_per_hour:
        return None
    return f"{portfolio.orders_last_hour} orders in the last hour, the limit is reached"


def _daily_loss(_i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig) -> str | None:
    lost = drawdown.fall(portfolio.risk_equity, portfolio.day_start_equity)
    if lost < limits.daily_loss:
        return None
    return f"{lost:.2%} of the day's opening equity is lost, the limit is {limits.daily_loss:.2%}"


def _drawdown_entry(
    _i: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    fallen = drawdown.fall(portfolio.risk_equity, portfolio.peak)
    if drawdown.grade(fallen, limits) == State.ACTIVE:
        return None
    return (
        f"risk equity is {fallen:.2%} below its peak, entries end at {limits.drawdown_listen:.2%}"
    )


def _drawdown_exit(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    fallen = drawdown.fall(portfolio.risk_equity, portfolio.peak)
    if intent.is_buy or drawdown.grade(fallen, limits) != State.HALTED:
        return None
    return (
        f"risk equity is {fallen:.2%} below its peak, all orders end at {limits.drawdown_halt:.2%}"
    )


def _no_inventory(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> str | None:
    if intent.is_buy or inventory(intent, portfolio, limits) > 0:
        return None
    return f"no share of outcome {intent.outcome_index} is held, so none can be sold"


CHECKS: tuple[Check, ...] = (
    Check(DenialReason.HALTED, _halted, entries=False, reads_numbers=False),
    Check(DenialReason.LISTEN_ONLY, _listen_only, reads_numbers=False),
    Check(DenialReason.REDUCING, _reducing, reads_numbers=False),
    Check(DenialReason.NOT_PLACING, _not_placing, entries=False, reads_numbers=False),
    Check(DenialReason.MARKET_CLOSED, _market_closed, entries=False, reads_numbers=False),
    Check(DenialReason.MARKET_ENDING, _market_ending),
    Check(DenialReason.STALE_BOOK, _stale_book, entries=False),
    Check(DenialReason.STALE_PREDICTION, _stale_prediction),
    Check(DenialReason.STALE_EQUITY, _stale_equity),
    Check(DenialReason.NO_EDGE_LEFT, _no_edge_left),
    Check(DenialReason.SLIPPAGE, _slippage, entries=False),
    Check(DenialReason.OFF_TICK, _off_tick, entries=False),
    Check(DenialReason.ALREADY_HELD, _already_held, reads_numbers=False),
    Check(DenialReason.COOLDOWN, _cooldown),
    Check(DenialReason.POSITION_COUNT, _position_count),
    Check(DenialReason.ASSET_COUNT, _asset_count),
    Check(DenialReason.ORDER_RATE, _order_rate),
    Check(DenialReason.DAILY_LOSS, _daily_loss),
    Check(DenialReason.DRAWDOWN, _drawdown_entry),
    Check(DenialReason.DRAWDOWN, _drawdown_exit, entries=False),
    Check(DenialReason.NO_INVENTORY, _no_inventory, entries=False),
)
