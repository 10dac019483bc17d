"""How much of the bankroll a forecast deserves: shrinkage, Kelly, depth.

Kelly (1956); shrinkage of an uncertain probability towards the price after Baker and McHale
(2013). Probabilities and costs are float64 in (0, 1); a cost is what one share takes from cash,
fee included.
"""

import math
from collections.abc import Sequence


def shrink(probability: float, price: float, *, sigma: float, prior_sigma: float) -> float:
    """The probability drawn towards the price as far as its own error demands.

    Parameters
    ----------
    sigma
        Standard error of the probability.
    prior_sigma
        Standard deviation of true minus market probability, estimated out of fold.

    Notes
    -----
    price + τ² / (τ² + σ²) × (probability - price); the price itself where either is unknown.

    >>> shrink(0.60, 0.50, sigma=0.03, prior_sigma=0.03)
    0.55
    """
    evidence, error = prior_sigma**2, sigma**2
    weight = evidence / (evidence + error) if evidence > 0 else 0.0
    return price + weight * (probability - price) if math.isfinite(weight) else price


def kelly_fraction(probability: float, cost: float) -> float:
    """Fraction of bankroll that maximises expected log wealth on one binary share.

    Notes
    -----
    f* = (p - c) / (1 - c), with odds b = (1 - c) / c; 0 without an edge.

    >>> round(kelly_fraction(0.6, 0.5), 9)
    0.2
    """
    if not 0 < cost < 1 or not probability > cost:
        return 0.0
    return (min(probability, 1.0) - cost) / (1 - cost)


def size_shares(
    probability: float,
    levels: Sequence[tuple[float, float]],
    *,
    bankroll: float,
    multiplier: float,
) -> float:
    """Shares to buy into visible depth until the next share would no longer add growth.

    Parameters
    ----------
    levels
        (cost per share, shares on offer), cheapest first.
    multiplier
        Fraction of full Kelly: the bankroll counts as that much smaller.

    Notes
    -----
    With wealth w left and n shares bought, a share at cost c adds growth while
    p (1 - c) / (w + n) > (1 - p) c / w; on one level that holds for
    (p (1 - c) w - (1 - p) c (w + n)) / (c (1 - c)) more shares.

    >>> round(size_shares(0.6, [(0.5, 1e9)], bankroll=1000, multiplier=0.25), 6)
    100.0
    """
    wealth, bought = bankroll * multiplier, 0.0
    if not wealth > 0 or not 0 <= probability <= 1:
        return 0.0
    for cost, offered in levels:
        if not 0 < cost < 1 or not offered > 0:
            break
        gain = probability * (1 - cost) * wealth
        risk = (1 - probability) * cost * (wealth + bought)
        more = min((gain - risk) / (cost * (1 - cost)), offered)
        if more <= 0:
            break
        bought += more
        wealth -= more * cost
        if more < offered:
            break
    return bought
