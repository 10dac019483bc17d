"""The world's spot price as each exchange quotes it: the same walk, a few basis points apart."""

from types import MappingProxyType
from typing import Final

import numpy as np

from sandbox.core import chance, spot

HALF_SPREAD: Final = 2e-5
WANDER: Final = 3e-5  # of the price, slow, one standard deviation
BIAS: Final = MappingProxyType(
    {"binance": 0.0, "coinbase": 4e-5, "kraken": -3e-5, "chainlink": 0.0, "futures": 1e-4}
)


def mid(seed: int, asset: str, exchange: str, second: int) -> float:
    """Dollars, to the cent. The oracle (`chainlink`) says the world's own price."""
    at = np.array([second], dtype=np.int64)
    price = float(spot.price(seed, asset, at)[0])
    if exchange == "chainlink":
        return price
    code = list(BIAS).index(exchange)
    drift = WANDER * float(chance.ripple(at, seed, 102, code, period_s=30)[0])
    return round(price * (1 + BIAS[exchange] + drift), 2)


def sides(seed: int, asset: str, exchange: str, second: int) -> tuple[float, float]:
    """Best bid and ask, dollars, to the cent."""
    price = mid(seed, asset, exchange, second)
    half = max(round(price * HALF_SPREAD, 2), 0.01)
    return round(price - half, 2), round(price + half, 2)


def mean(seed: int, asset: str, second: int, *, window_s: int) -> float:
    """Time-weighted mean of the oracle's price over the window that ends at `second`."""
    seconds = np.arange(second - window_s + 1, second + 1, dtype=np.int64)
    return float(np.mean(spot.price(seed, asset, seconds)))
