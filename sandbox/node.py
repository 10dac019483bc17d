"""The ledger's node: JSON-RPC over the world's results, reads only."""

from typing import Any

import orjson

from sandbox.core import names
from sandbox.core.world import UnknownMarket, World
from sandbox.routes import Posted, Reply

PAYOUT_DENOMINATOR, PAYOUT_NUMERATORS = "0xdd34de67", "0x0504c814"
CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
POLYGON = 137
BLOCK_S = 2
WORD = 64
INVALID, NO_METHOD, PARSE = -32602, -32601, -32700


class BadCall(ValueError):
    """Parameters that the node refuses."""


def rpc(world: World, body: bytes, second: int) -> Reply:
    """One call or a batch."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Reply(status=200, body=_error(None, PARSE, "parse error"))
    if isinstance(said, list):
        return Reply(status=200, body=[_answer(world, call, second) for call in said])
    return Reply(status=200, body=_answer(world, said, second))


def _answer(world: World, call: Any, second: int) -> dict[str, Any]:
    if not isinstance(call, dict):
        return _error(None, PARSE, "invalid request")
    number, method = call.get("id"), call.get("method")
    if method == "eth_blockNumber":
        return {"jsonrpc": "2.0", "id": number, "result": hex(second // BLOCK_S)}
    if method == "eth_chainId":
        return {"jsonrpc": "2.0", "id": number, "result": hex(POLYGON)}
    if method != "eth_call":
        return _error(number, NO_METHOD, f"the method {method} does not exist")
    try:
        result = _read(world, call["params"][0], second)
    except (BadCall, KeyError, IndexError, TypeError, ValueError, AttributeError) as wrong:
        return _error(number, INVALID, str(wrong))
    return {"jsonrpc": "2.0", "id": number, "result": f"0x{result:0{WORD}x}"}


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


POSTS: dict[str, Posted] = {"/rpc": rpc}
