"""What kinds of markets the world holds, as data: pace, life, and what is planted in them."""

from dataclasses import dataclass, replace
from enum import Enum


class Kind(Enum):
    """How the truth of a family moves."""

    JUMPS = "a few sudden events and little between them, as in sport"
    DRIFT = "a steady trickle of news, as in politics"
    EXCLUSIVE = "several outcomes of which exactly one wins"
    EPOCH = "whether a spot price ends at or above where it began"


class Ending(Enum):
    """How a family's markets end; all but the first are rare on the venue."""

    DECIDED = "one side pays a dollar"
    SPLIT = "both sides pay half a dollar"
    DISPUTED = "the wrong side is proposed and pinned, disputed, and the right one settled later"
    VOID = "closed without any result, both prices zero, as in very old markets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of market.

    Attributes
    ----------
    every_s, life_s
        Seconds between launches; shortest and longest life. A series of days runs from noon to noon
        in New York, so that two of its days a year are an hour off.
    compression
        Planted bias: quoted logit = this × true logit (around 1 / outcomes) + noise.
    noise
        Standard deviation of the quoted logit around that, slow in time.
    shares, half_spread
        Size of a typical book level; distance of the best price from the mid, dollars.
    """

    code: int
    name: str
    kind: Kind
    category: str
    every_s: int
    life_s: tuple[int, int]
    compression: float
    noise: float
    fee_rate: float
    shares: float = 1500.0
    half_spread: float = 0.006
    outcomes: int = 1
    asset: str = ""
    window_s: int = 0
    ending: Ending = Ending.DECIDED


SPORTS = Family(
    code=1,
    name="match",
    kind=Kind.JUMPS,
    category="sports",
    every_s=30,
    life_s=(180, 600),
    compression=0.72,
    noise=0.10,
    fee_rate=0.05,
)
POLITICS = Family(
    code=2,
    name="vote",
    kind=Kind.DRIFT,
    category="politics",
    every_s=45,
    life_s=(240, 720),
    compression=0.68,
    noise=0.10,
    fee_rate=0.04,
)
THIN = Family(
    code=3,
    name="talk",
    kind=Kind.DRIFT,
    category="culture",
    every_s=90,
    life_s=(240, 600),
    compression=0.70,
    noise=0.25,
    fee_rate=0.05,
    shares=60.0,
    half_spread=0.035,
)
RACE = Family(
    code=4,
    name="race",
    kind=Kind.EXCLUSIVE,
    category="politics",
    every_s=120,
    life_s=(300, 600),
    compression=0.75,
    noise=0.08,
    fee_rate=0.04,
    outcomes=4,
)
BTC = Family(
    code=5,
    name="btc-updown",
    kind=Kind.EPOCH,
    category="crypto",
    every_s=60,
    life_s=(60, 60),
    compression=0.68,
    noise=0.08,
    fee_rate=0.07,
    half_spread=0.004,
    asset="btc",
    window_s=60,
)
HOUR_S, DAY_S = 3_600, 86_400
HOURLY = replace(
    BTC, code=12, name="btc-hourly", every_s=HOUR_S, life_s=(HOUR_S, HOUR_S), window_s=HOUR_S
)
DAILY = replace(
    BTC, code=14, name="btc-daily", every_s=DAY_S, life_s=(DAY_S, DAY_S), window_s=DAY_S
)
# These are named by New York's clock, as on the venue, and found by no other means.
BY_CLOCK: tuple[Family, ...] = (
    HOURLY,
    replace(HOURLY, code=13, name="eth-hourly", asset="eth"),
    DAILY,
    replace(DAILY, code=15, name="eth-daily", asset="eth"),
)
DEMO: tuple[Family, ...] = (
    SPORTS,
    POLITICS,
    THIN,
    RACE,
    BTC,
    replace(BTC, code=6, name="eth-updown", asset="eth"),
    replace(BTC, code=7, every_s=120, life_s=(120, 120), window_s=120),
    replace(
        BTC, code=8, every_s=120, life_s=(120, 120), window_s=120, name="eth-updown", asset="eth"
    ),
    *BY_CLOCK,
)


def _slower(family: Family, factor: int) -> Family:
    if family in BY_CLOCK:
        return family
    if family.kind is Kind.EPOCH:
        window = {60: 300, 120: 900}[family.window_s]
        return replace(family, every_s=window, life_s=(window, window), window_s=window)
    low, high = family.life_s
    return replace(family, every_s=family.every_s * factor, life_s=(low * factor, high * factor))


ODD: tuple[Family, ...] = (
    replace(POLITICS, code=9, name="split", every_s=60, ending=Ending.SPLIT),
    replace(POLITICS, code=10, name="disputed", every_s=60, ending=Ending.DISPUTED),
    replace(POLITICS, code=11, name="void", every_s=60, ending=Ending.VOID),
)
CROWD = 12
"""How often the large world repeats each family, each launching every second."""
LARGE: tuple[Family, ...] = (
    *DEMO,
    *ODD,
    *(
        replace(family, code=20 + CROWD * number + copy, every_s=1)
        for number, family in enumerate((SPORTS, POLITICS, THIN, RACE))
        for copy in range(CROWD)
    ),
)
PRESETS: dict[str, tuple[Family, ...]] = {
    "demo": DEMO,
    "odd": (*DEMO, *ODD),
    "large": LARGE,
    "hours": tuple(_slower(family, 20) for family in DEMO),
}
LABELS = {60: "1m", 120: "2m", 300: "5m", 900: "15m", HOUR_S: "hourly", DAY_S: "daily"}
