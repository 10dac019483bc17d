"""How much of each service's request limits is in use, over all processes of the installation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from markets.adapters import budget, clob_data, data_api, gamma, http
from markets.adapters.budget import Budget, NotShared
from markets.core.pacing import Limit

SERVICES: Mapping[str, tuple[str, Sequence[Limit]]] = {
    "catalogue": ("venue_gamma_url", gamma.LIMITS),
    "books": ("venue_clob_url", clob_data.LIMITS),
    "trades, positions, results": ("venue_data_url", data_api.LIMITS),
}


class NotKnown(RuntimeError):
    """The store that all processes share cannot be read now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One limit of a service; `taken` is the share of its burst in use, above 1 callers wait."""

    service: str
    limit: str
    taken: float


def used() -> list[Use] | None:
    """Every limit, the fullest first; None where the stand-in venue answers, which has no limits.

    Raises `NotKnown` where the shared store does not answer.
    """
    found: list[Use] = []
    for service, (name, limits) in SERVICES.items():
        address = getattr(settings.ENV, name)
        if http.is_local(address):
            return None
        host = urlsplit(address).hostname or address
        try:
            taken = Budget(host, limits, budget.shared()).used()
        except NotShared as failure:
            raise NotKnown(str(failure)) from failure
        found += [Use(service=service, limit=key, taken=share) for key, share in taken.items()]
    return sorted(found, key=lambda use: (-use.taken, use.limit))
