"""Identifiers and wording of the generated markets; an identifier carries its number."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from sandbox.core.families import DAY_S, HOUR_S, LABELS, Family, Kind
from sandbox.core.world import MAX_CHILDREN, NEW_YORK, NOON, Happening, UnknownMarket

PLACES: Final = (
    "Harbour", "Northfield", "Eastmoor", "Westbrook", "Redhill", "Silverlake", "Oakridge",
    "Stonebay", "Fairview", "Lowmarsh", "Highgate", "Southport", "Greenford", "Windham", "Ashdown",
)  # fmt: skip
TEAMS: Final = ("Rovers", "United", "Athletic", "Falcons", "Mariners", "Wolves")
BILLS: Final = (
    "harbour toll",
    "night train",
    "school meal",
    "water meter",
    "tram line",
    "forest trust",
)
TALKS: Final = ("tides", "lanterns", "bridges", "orchards", "railways", "comets")
PEOPLE: Final = (
    "Adler",
    "Brandt",
    "Castellan",
    "Doyle",
    "Engström",
    "Farouk",
    "Galanis",
    "Hoshino",
)
ASSETS: Final = {"btc": "Bitcoin", "eth": "Ethereum"}
NOTICE: Final = (
    "SIMULATED MARKET of the stand-in venue: nothing here is real and no money is involved. "
    "Its true probability is known to the generator; the quoted price is that probability with "
    "its logit multiplied by {compression} (a planted bias towards the middle) plus slow noise of "
    "{noise} in logits."
)


def notice(happening: Happening) -> str:
    """The sentence that every simulated market shows on its face."""
    family = happening.family
    return NOTICE.format(compression=family.compression, noise=family.noise)


def condition_id(happening: Happening, child: int) -> str:
    """0x and 64 hex digits, of which the first 16 are the market's number."""
    number = happening.market_number(child)
    return f"0x{number:016x}{_digest(happening.seed, number)[:48]}"


def token_id(happening: Happening, child: int, outcome: int) -> str:
    """A decimal of some 70 digits that carries market number and outcome."""
    number = happening.market_number(child)
    return str((number * 2 + outcome + 1 << 176) + int(_digest(happening.seed, number)[:44], 16))


def market_of_condition(condition: str) -> int:
    """The market number in a condition id; raises `UnknownMarket` for what is none of ours."""
    try:
        return int(condition.removeprefix("0x")[:16], 16)
    except ValueError:
        raise UnknownMarket(f"{condition} is not a condition id of this world") from None


def market_of_token(token: str) -> tuple[int, int]:
    """Market number and outcome in a token id; raises `UnknownMarket` for what is none of ours."""
    if not token.isdigit():
        raise UnknownMarket(f"{token} is not a token id of this world")
    return divmod((int(token) >> 176) - 1, 2)


def event_of(market_number: int) -> tuple[int, int]:
    """Event number and child of a market number."""
    return divmod(market_number, MAX_CHILDREN)


def slug(happening: Happening) -> str:
    """Event slug; epochs are named as the venue names them."""
    family = happening.family
    if family.kind is not Kind.EPOCH:
        return f"sim-{family.name}-{happening.number}"
    if family.window_s < HOUR_S:
        return f"{family.asset}-updown-{LABELS[family.window_s]}-{happening.starts_at}"
    return f"{ASSETS[family.asset].lower()}-up-or-down-{_clock(happening)}"


def _clock(happening: Happening) -> str:
    """An hour is named by its start, a day by the date of its end, both in New York."""
    if happening.family.window_s == DAY_S:
        end = datetime.fromtimestamp(happening.ends_at, NEW_YORK)
        return f"on-{end:%B}-{end.day}-{end.year}".lower()
    start = datetime.fromtimestamp(happening.starts_at, NEW_YORK)
    return f"{start:%B}-{start.day}-{start.year}-{start:%I}{start:%p}-et".lower().replace("-0", "-")


def launch_of(slug: str, family: Family) -> int | None:
    """The second that the slug of an up/down event of this family names as its start, if any."""
    if family.window_s < HOUR_S:
        tail = slug.rsplit("-", 1)[-1]
        return int(tail) if tail.isdigit() else None
    named = slug.removeprefix(f"{ASSETS[family.asset].lower()}-up-or-down-")
    form = "on-%B-%d-%Y" if family.window_s == DAY_S else "%B-%d-%Y-%I%p-et"
    try:
        wall = datetime.strptime(named, form)  # noqa: DTZ007 - a wall clock, placed in New York next
    except ValueError:
        return None
    if family.window_s == DAY_S:
        wall = datetime.combine(wall - timedelta(days=1), NOON)
    return int(wall.replace(tzinfo=NEW_YORK).timestamp())


def series(family: Family) -> str:
    """Slug of the series that an up/down family belongs to."""
    return f"{family.asset}-up-or-down-{LABELS[family.window_s]}"


def market_slug(happening: Happening, child: int) -> str:
    """Slug of one of the event's markets."""
    return slug(happening) + (f"-{child}" if happening.markets > 1 else "")


def title(happening: Happening) -> str:
    """What the event asks."""
    family, number = happening.family, happening.number
    when = datetime.fromtimestamp(happening.ends_at, UTC)
    if family.kind is Kind.EPOCH:
        window = LABELS[family.window_s]
        asset = ASSETS[family.asset]
        return f"{asset} Up or Down - {when:%B %d, %H:%M} UTC ({window}, simulated)"
    here, there = _pick(PLACES, number), _pick(PLACES, number, skip=1)
    if family.name == "match":
        home, away = _pick(TEAMS, number), _pick(TEAMS, number, skip=2)
        return f"Will {here} {home} beat {there} {away}? ({when:%H:%M} UTC, simulated)"
    if family.name == "vote":
        bill = _pick(BILLS, number)
        return f"Will {here} council pass the {bill} bill by {when:%H:%M} UTC? (simulated)"
    if family.name == "race":
        return f"Who wins the {here} by-election? ({when:%H:%M} UTC, simulated)"
    return (
        f"Will the mayor of {here} mention {_pick(TALKS, number)} by {when:%H:%M} UTC? (simulated)"
    )


def child_title(happening: Happening, child: int) -> str:
    """Label of one outcome of an exclusive event, else an empty text."""
    if happening.family.kind is not Kind.EXCLUSIVE:
        return ""
    first = int(_digest(0, happening.number)[:4], 16)
    return PEOPLE[(first + child) % len(PEOPLE)]


def question(happening: Happening, child: int) -> str:
    """What one market asks."""
    label = child_title(happening, child)
    if not label:
        return title(happening)
    return f"Will {label} win? {title(happening)}"


def outcomes(happening: Happening) -> tuple[str, str]:
    """Names of the two sides."""
    return ("Up", "Down") if happening.family.kind is Kind.EPOCH else ("Yes", "No")


def _pick(words: tuple[str, ...], number: int, *, skip: int = 0) -> str:
    return words[(int(_digest(1, number)[:6], 16) + skip) % len(words)]


def _digest(seed: int, number: int) -> str:
    return hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()
