"""Routes that no venue has: money from nowhere, how to behave, what really happened."""

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from sandbox.core import conduct
from sandbox.core.conduct import UnknownConduct
from sandbox.exchange.desk import Exchange
from sandbox.routes import Call, Refused

Desk = Callable[[Exchange, Call, float], Any]


def faucet(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /sandbox/faucet`: dollars and shares for a wallet, and its approvals."""
    try:
        said = orjson.loads(call.body)
        wallet = str(said["wallet"]).lower()
        dollars = _micro(said.get("dollars", "0"))
        shares = _micro(said.get("shares", "0"))
        token = str(said.get("token", ""))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation):
        body = {"error": 'a faucet takes {"wallet", "dollars", "token", "shares", "signer"}'}
        raise Refused(400, body) from None
    exchange.give(wallet, dollars=dollars, token=token, shares=shares, now=now)
    if said.get("approve", True):
        exchange.approve_all(wallet)
    if said.get("signer"):
        exchange.let_sign(wallet, str(said["signer"]))
    return {"wallet": wallet, "cash": exchange.cash(wallet), "simulated": True}


def _micro(said: Any) -> int:
    return int(Decimal(str(said)).scaleb(6))


def behave(exchange: Exchange, call: Call, now: float) -> Any:
    """`POST /sandbox/exchange/faults`: how to behave from now on, all else at its best."""
    try:
        exchange.behave(conduct.parse(orjson.loads(call.body or b"{}")), now=now)
    except (orjson.JSONDecodeError, UnknownConduct) as wrong:
        raise Refused(400, {"error": str(wrong)}) from None
    return asdict(exchange.conduct)


def behaviour(exchange: Exchange, _call: Call, _now: float) -> Any:
    """`GET /sandbox/exchange/faults`."""
    return asdict(exchange.conduct)


def state(exchange: Exchange, _call: Call, now: float) -> Any:
    """`GET /sandbox/exchange/state`: what really happened, faults or not."""
    exchange.advance(now)
    return {
        "orders": exchange.accepted_orders(),
        "trades": exchange.trades(),
        "balances": exchange.balances(),
    }


ROUTES: dict[tuple[str, str], Desk] = {
    ("POST", "/sandbox/faucet"): faucet,
    ("POST", "/sandbox/exchange/faults"): behave,
    ("GET", "/sandbox/exchange/faults"): behaviour,
    ("GET", "/sandbox/exchange/state"): state,
}
