"""How a held position is called when it stands in the way of another."""

from datetime import UTC, datetime, timedelta

from risk.core.contracts import Holding


def describe(held: Holding) -> str:
    """Direction and market, or direction, asset and epoch window.

    >>> from decimal import Decimal
    >>> describe(Holding(
    ...     market=1, event=1, category="crypto", outcome_index=1, shares=Decimal(9),
    ...     exposure=Decimal(4), asset="btc", epoch=1_750_000_500.0, window_s=900.0))
    'Down position on BTC 2025-06-15 15:15–15:30 UTC'
    """
    if held.asset and held.epoch is not None:
        direction = ("Up", "Down")[held.outcome_index]
        return f"{direction} position on {held.asset.upper()} {_window(held.epoch, held.window_s)}"
    direction = ("YES", "NO")[held.outcome_index]
    return f"{direction} position on {held.label or f'market {held.market}'}"


def _window(epoch: float, window_s: float | None) -> str:
    start = datetime.fromtimestamp(epoch, UTC)
    if window_s is None:
        return f"{start:%Y-%m-%d %H:%M} UTC"
    return f"{start:%Y-%m-%d %H:%M}–{start + timedelta(seconds=window_s):%H:%M} UTC"
