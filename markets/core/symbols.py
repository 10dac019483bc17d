"""What each source calls an asset: the one place that knows `btc` is BTCUSDT, BTC-USD or XBTUSD."""

from collections.abc import Iterable, Mapping

KRAKEN_BASES: Mapping[str, str] = {"btc": "XBT", "doge": "XDG"}
QUOTED_IN = ("/usd", "usdt", "usd")


def binance(asset: str) -> str:
    """The pair on Binance, spot and futures.

    >>> binance("btc")
    'BTCUSDT'
    """
    return f"{asset.upper()}USDT"


def coinbase(asset: str) -> str:
    """The product on Coinbase.

    >>> coinbase("btc")
    'BTC-USD'
    """
    return f"{asset.upper()}-USD"


def kraken(asset: str) -> str:
    """The pair on Kraken, as it is asked for.

    >>> kraken("btc"), kraken("sol")
    ('XBTUSD', 'SOLUSD')
    """
    return f"{_kraken_base(asset)}USD"


def kraken_replies(assets: Iterable[str]) -> dict[str, str]:
    """Name in a Kraken reply → asset: older pairs answer with a class letter before each part.

    >>> kraken_replies(["eth"])
    {'ETHUSD': 'eth', 'XETHZUSD': 'eth'}
    """
    names: dict[str, str] = {}
    for asset in assets:
        base = _kraken_base(asset)
        names |= {f"{base}USD": asset, f"X{base}ZUSD": asset}
    return names


def of_venue(symbol: str) -> str:
    """The asset behind a symbol of the venue's price streams; "" for anything else.

    >>> of_venue("btc/usd"), of_venue("btcusdt"), of_venue("solusd"), of_venue("eth/btc")
    ('btc', 'btc', 'sol', '')
    """
    name = symbol.lower()
    ending = next((end for end in QUOTED_IN if name.endswith(end)), "")
    asset = name.removesuffix(ending) if ending else ""
    return asset if asset.isalnum() else ""


def _kraken_base(asset: str) -> str:
    return KRAKEN_BASES.get(asset, asset.upper())
