"""May orders be placed from here? The venue says; there is no list of ours, and no way around."""

from dataclasses import dataclass
from typing import Any

import httpx


class Unclear(Exception):
    """The venue did not say, so the answer is no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the venue sees us."""

    blocked: bool
    country: str
    region: str

    def __str__(self) -> str:
        where = "-".join(part for part in (self.country, self.region) if part) or "somewhere"
        return f"the venue sees us in {where}: " + ("blocked" if self.blocked else "permitted")


def ask(url: str, *, timeout_s: float = 5.0) -> Place:
    """Ask from the address that orders leave from; raises `Unclear`."""
    try:
        body: Any = httpx.get(url, timeout=timeout_s).raise_for_status().json()
        blocked = body["blocked"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as trouble:
        raise Unclear(f"{url} does not say whether this place is blocked: {trouble!r}") from trouble
    if not isinstance(blocked, bool):
        raise Unclear(f"{url} says blocked={blocked!r}, which is neither yes nor no")
    return Place(
        blocked=blocked, country=str(body.get("country", "")), region=str(body.get("region", ""))
    )
