"""The ledger's node: JSON-RPC over the world's results, and over the books of its exchange."""

import weakref
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.core import names
from sandbox.core.world import UnknownMarket, World
from sandbox.exchange.books import Books
from sandbox.routes import Reply

if TYPE_CHECKING:
    from sandbox.chain import Ledger

PAYOUT_DENOMINATOR, PAYOUT_NUMERATORS = "0xdd34de67", "0x0504c814"
CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
POLYGON = 137
BLOCK_S = 2
WORD = 64
INVALID, NO_METHOD, PARSE = -32602, -32601, -32700


REVERTED, NOT_TAKEN = 3, -32000


class BadCall(ValueError):
    """Parameters that the node refuses."""


class NoMethod(Exception):
    """The node knows no such method."""


class Refusal(Exception):
    """The node's error, with its code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


# A ledger lives as long as the books that it writes to.
_ledgers: "weakref.WeakKeyDictionary[Books, Ledger]" = weakref.WeakKeyDictionary()


def rpc(world: World, body: bytes, second: int, exchange: Books | None = None) -> Reply:
    """One call or a batch; `exchange` knows who holds what."""
    ledger = None if exchange is None else _ledger_of(exchange, second)
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Reply(status=200, body=_error(None, PARSE, "parse error"))
    if isinstance(said, list):
        return Reply(status=200, body=[_answer(world, ledger, call, second) for call in said])
    return Reply(status=200, body=_answer(world, ledger, said, second))


def _answer(world: World, ledger: "Ledger | None", call: Any, second: int) -> dict[str, Any]:
    if not isinstance(call, dict):
        return _error(None, PARSE, "invalid request")
    number, method = call.get("id"), call.get("method")
    try:
        result = _result(world, ledger, str(method), call.get("params") or [], second)
    except NoMethod:
        return _error(number, NO_METHOD, f"the method {method} does not exist")
    except Refusal as refused:
        return _error(number, refused.code, str(refused))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as wrong:
        return _error(number, INVALID, str(wrong))
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _result(
    world: World, ledger: "Ledger | None", method: str, params: list[Any], second: int
) -> Any:
    """What a method answers; raises `NoMethod`, `Refusal`, and what bad parameters raise."""
    if method == "eth_blockNumber":
        return hex(second // BLOCK_S)
    if method == "eth_chainId":
        return hex(POLYGON)
    if ledger is not None:
        found = _of_the_books(ledger, method, params, second)
        if found is not None or method != "eth_call":
            return found
    if method != "eth_call":
        raise NoMethod
    return f"0x{_read(world, params[0], second):0{WORD}x}"


def _of_the_books(ledger: "Ledger", method: str, params: list[Any], second: int) -> Any:
    """The exchange's part of the chain."""
    from sandbox import chain  # noqa: PLC0415 - the signing library loads with an exchange only

    if method not in chain.METHODS:
        raise NoMethod
    try:
        return ledger.answer(method, params, second)
    except chain.Reverted as reverted:
        raise Refusal(REVERTED, str(reverted)) from reverted
    except chain.NotTaken as refused:
        raise Refusal(NOT_TAKEN, str(refused)) from refused


def _ledger_of(exchange: Books, second: int) -> "Ledger":
    """The one list of transactions over these books."""
    from sandbox.chain import Ledger  # noqa: PLC0415 - see above

    with exchange.lock:
        if exchange not in _ledgers:
            # A strong hold on its own key would keep both for ever.
            _ledgers[exchange] = Ledger(weakref.proxy(exchange), float(second))
        return _ledgers[exchange]


def _read(world: World, params: dict[str, str], second: int) -> int:
    """The word that the contract returns: zero where nothing was reported."""
    if params["to"].lower() != CONDITIONAL_TOKENS:
        raise BadCall("no contract at this address")
    data = params["data"]
    selector, condition, rest = data[:10], "0x" + data[10 : 10 + WORD], data[10 + WORD :]
    if selector not in (PAYOUT_DENOMINATOR, PAYOUT_NUMERATORS):
        raise BadCall("execution reverted")
    parts = _payouts(world, condition, second)
    if selector == PAYOUT_DENOMINATOR:
        return sum(parts)
    return parts[int(rest, 16)]


def _payouts(world: World, condition: str, second: int) -> tuple[int, int]:
    try:
        number, child = names.event_of(names.market_of_condition(condition))
        happening = world.happening(number)
    except UnknownMarket:
        return 0, 0
    known = child < happening.markets and names.condition_id(happening, child) == condition
    if not known or second < happening.settled_at:
        return 0, 0
    first, other = happening.payouts(child)
    return (1, 1) if first == other == 0.5 else (int(first), int(other))


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
