"""The chain through a node: what a wallet holds, what conditions pay, transactions of ours.

Amounts leave here as `Decimal` dollars and shares, gas and fees as integers of wei. A read that
got no answer raises `Unsent`; the node's address may hold a key and is in no message.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from config.kernel.units import from_micro
from markets.adapters import http
from trading.core import abi
from trading.core.redemption import POLYGON, V2, Call, Condition, Contracts, per_share
from trading.core.signing import POLYGON as POLYGON_ID
from trading.core.signing import is_v2_position
from trading.core.transactions import Seen
from trading.venue import NonceUsed, OutcomeUnknown, Rejected, Underpriced, Unsent

LIMITS = (http.Limit(prefix="", requests=800),)
CALLS_A_BATCH = 60
TOKENS_A_CALL = 200
ONE_SHARE = 1_000_000


class Refused(Rejected):
    """The node answered a call with an error."""


class WouldRevert(Refused):
    """The transaction would fail: sending it would only cost gas."""


class Chain:
    """One wallet's view of the chain."""

    def __init__(
        self,
        url: str,
        *,
        wallet: str,
        contracts: Contracts = POLYGON,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.wallet = wallet
        self.contracts = contracts
        parts = urlsplit(url)
        self._host = parts.hostname or "no host"
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        base = f"{parts.scheme}://{parts.netloc}"
        limits = () if http.is_local(url) else LIMITS
        self._http = http.session(base, limits=limits, transport=transport, attempts=1)
        self._ids = count(1)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # --- what the wallet holds -------------------------------------------------------------

    def cash(self) -> Decimal:
        """Collateral of the wallet, in dollars."""
        data = abi.BALANCE_OF + abi.address(self.wallet)
        with self._readable():
            return from_micro(int(self._read(self.contracts.collateral, data), 16))

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        """Shares of the wallet by token; read in batches of hundreds."""
        calls, asked = [], []
        for target, tokens in self._by_contract(token_ids):
            for start in range(0, len(tokens), TOKENS_A_CALL):
                chunk = tokens[start : start + TOKENS_A_CALL]
                asked.append(chunk)
                calls.append(_call(target, abi.balances_call(self.wallet, chunk)))
        found: dict[str, Decimal] = {}
        with self._readable():
            for chunk, answer in zip(asked, self._many(calls), strict=True):
                amounts = abi.array(str(_answer(answer)))
                found |= {t: from_micro(a) for t, a in zip(chunk, amounts, strict=True)}
        return found

    def _by_contract(self, token_ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        second = [token for token in token_ids if is_v2_position(token)]
        first = [token for token in token_ids if not is_v2_position(token)]
        for target, tokens in (
            (self.contracts.conditional_tokens, first),
            (self.contracts.position_manager, second),
        ):
            if tokens:
                yield target, tokens

    # --- what conditions pay ---------------------------------------------------------------

    def payouts(self, conditions: Sequence[Condition]) -> dict[str, tuple[Decimal, Decimal]]:
        """Dollars a share of outcome 0 and 1, by condition id; missing = not reported yet."""
        calls = [call for condition in conditions for call in self._payout_calls(condition)]
        answers = iter(self._many(calls))
        found = {}
        for condition in conditions:
            said = [next(answers) for _ in self._payout_calls(condition)]
            if (pays := _payout(condition, said)) is not None:
                found[condition.condition_id] = pays
        return found

    def _payout_calls(self, condition: Condition) -> list[tuple[str, list[Any]]]:
        if condition.protocol == V2:
            one = abi.uint(ONE_SHARE)
            return [
                _call(self.contracts.position_manager, abi.GET_PAYOUT + abi.uint(int(token)) + one)
                for token in condition.token_ids
            ]
        word = abi.fixed(condition.condition_id, size=32)
        data = [abi.PAYOUT_DENOMINATOR + word]
        data += [abi.PAYOUT_NUMERATORS + word + abi.uint(index) for index in (0, 1)]
        return [_call(self.contracts.conditional_tokens, each) for each in data]

    # --- transactions of ours --------------------------------------------------------------

    def chain_id(self) -> int:
        """Which chain this is."""
        return int(self._ask("eth_chainId", []), 16)

    def head(self) -> int:
        """Number of the newest block."""
        return int(self._ask("eth_blockNumber", []), 16)

    def nonce(self) -> int:
        """The wallet's next nonce, transactions that wait for a block included."""
        return int(self._ask("eth_getTransactionCount", [self.wallet, "pending"]), 16)

    def nonce_at(self, block: int) -> int:
        """How many transactions of the wallet lie in blocks up to this one."""
        return int(self._ask("eth_getTransactionCount", [self.wallet, hex(max(block, 0))]), 16)

    def market_fees(self) -> tuple[int, int]:
        """Base fee of the newest block and the priority fee that gets into the next one, in wei."""
        block, tip = self._many(
            [("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])]
        )
        newest = _answer(block)
        if not isinstance(newest, dict) or "baseFeePerGas" not in newest:
            raise Unsent(f"the node at {self._host} tells no base fee; see POLYGON_RPC_URL")
        return int(newest["baseFeePerGas"], 16), int(_answer(tip), 16)

    def gas(self, call: Call) -> int:
        """Gas that the call would use now; raises `WouldRevert` with the contract's reason."""
        params = {"from": self.wallet, "to": call.target, "data": call.data}
        return int(self._ask("eth_estimateGas", [params]), 16)

    def send(self, raw: str) -> None:
        """Hand in signed bytes; the same ones twice is no error.

        Raises `Unsent` never, `OutcomeUnknown` without an answer, `NonceUsed`, `Underpriced` and
        `Refused`.
        """
        try:
            self._ask("eth_sendRawTransaction", [raw])
        except Unsent as silent:
            raise OutcomeUnknown(str(silent)) from silent
        except Refused as refused:
            said = str(refused).lower()
            if "already known" in said or "already imported" in said:
                return
            raise

    def seen(self, hashes: Sequence[str]) -> dict[str, Seen]:
        """What the chain says of each transaction."""
        receipts = self._many([("eth_getTransactionReceipt", [each]) for each in hashes])
        mined = {h: _answer(r) for h, r in zip(hashes, receipts, strict=True)}
        open_ones = [each for each in hashes if mined[each] is None]
        waiting = self._many([("eth_getTransactionByHash", [each]) for each in open_ones])
        known = {h: _answer(t) is not None for h, t in zip(open_ones, waiting, strict=True)}
        return {
            each: Seen(known=known[each]) if mined[each] is None else _mined(mined[each])
            for each in hashes
        }

    def logs(self, transaction_hash: str) -> tuple[abi.Log, ...]:
        """Events of a mined transaction; none where there is no such receipt."""
        receipt = self._ask("eth_getTransactionReceipt", [transaction_hash])
        return tuple(_log(each) for each in receipt["logs"]) if receipt else ()

    def departures(self, *, first: int, last: int) -> list[abi.Log]:
        """Events by which shares left the wallet in these blocks, both ends included."""
        question = {
            "fromBlock": hex(max(first, 0)),
            "toBlock": hex(last),
            "address": [self.contracts.conditional_tokens, self.contracts.position_manager],
            "topics": [
                [abi.TRANSFER_SINGLE, abi.TRANSFER_BATCH],
                None,
                f"0x{abi.address(self.wallet)}",
            ],
        }
        return [_log(each) for each in self._ask("eth_getLogs", [question])]

    # --- the wire --------------------------------------------------------------------------

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """A node that is not up to date may say nothing in so many words: that is no balance."""
        try:
            yield
        except (ValueError, TypeError):
            raise Unsent(
                f"the chain's node at {self._host} tells no balance that can be read; see "
                "POLYGON_RPC_URL"
            ) from None

    def _read(self, target: str, data: str) -> str:
        method, params = _call(target, data)
        return str(self._ask(method, params))

    def _ask(self, method: str, params: list[Any]) -> Any:
        return _answer(self._many([(method, params)])[0])

    def _many(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Answers in the order of the calls; one that the node refused is its `Rejected`."""
        found: list[Any] = []
        for start in range(0, len(calls), CALLS_A_BATCH):
            chunk = calls[start : start + CALLS_A_BATCH]
            bodies = [
                {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
                for method, params in chunk
            ]
            by_id = self._post(bodies)
            found += [self._result(by_id, body) for body in bodies]
        return found

    def _post(self, bodies: Sequence[Mapping[str, Any]]) -> dict[Any, Any]:
        try:
            said = orjson.loads(self._http.post(self._path, bodies if bodies[1:] else bodies[0]))
        except (http.VenueUnreachable, http.VenueRefused, orjson.JSONDecodeError) as cause:
            status = getattr(cause, "status", None)
            raise Unsent(
                f"the chain's node at {self._host} does not answer"
                f"{f' ({status})' if status else ''}; see POLYGON_RPC_URL"
            ) from None
        replies = said if isinstance(said, list) else [said]
        return {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}

    def _result(self, by_id: Mapping[Any, Any], body: Mapping[str, Any]) -> Any:
        reply = by_id.get(body["id"])
        if reply is None or ("result" not in reply and "error" not in reply):
            raise Unsent(f"the chain's node at {self._host} left {body['method']} unanswered")
        return _refused(reply["error"]) if reply.get("error") else reply["result"]


def connect(url: str, *, wallet: str) -> Chain:
    """The node at `url`, for one wallet; raises `Unsent` where it is no node of Polygon."""
    chain = Chain(url, wallet=wallet)
    try:
        number = chain.chain_id()
    except Rejected as refused:
        raise Unsent(f"the node does not tell its chain: {refused}") from refused
    if number != POLYGON_ID:
        chain.close()
        raise Unsent(f"the node is of chain {number}, not {POLYGON_ID}; see POLYGON_RPC_URL")
    return chain


def _call(target: str, data: str) -> tuple[str, list[Any]]:
    return "eth_call", [{"to": target, "data": data}, "latest"]


def _answer(result: Any) -> Any:
    if isinstance(result, Rejected):
        raise result
    return result


def _refused(error: Any) -> Rejected:
    said = str(error.get("message", error) if isinstance(error, dict) else error)[:300]
    words = said.lower()
    if "nonce too low" in words or "nonce is too low" in words:
        return NonceUsed(said)
    if "underpriced" in words:
        return Underpriced(said)
    return WouldRevert(said) if "revert" in words else Refused(said)


def _payout(condition: Condition, said: Sequence[Any]) -> tuple[Decimal, Decimal] | None:
    """What a condition pays, None while nothing is reported."""
    if any(isinstance(each, WouldRevert) for each in said):
        return None
    numbers = [int(_answer(each), 16) for each in said]
    if condition.protocol == V2:
        first, second = numbers
        known = first + second == ONE_SHARE
        return (from_micro(first), from_micro(second)) if known else None
    denominator, first, second = numbers
    if denominator == 0:
        return None
    return per_share(first, denominator), per_share(second, denominator)


def _mined(receipt: Mapping[str, Any]) -> Seen:
    return Seen(
        known=True,
        block_number=int(receipt["blockNumber"], 16),
        block_hash=str(receipt["blockHash"]),
        succeeded=int(receipt["status"], 16) == 1,
    )


def _log(said: Mapping[str, Any]) -> abi.Log:
    return abi.Log(
        address=str(said["address"]),
        topics=tuple(map(str, said["topics"])),
        data=str(said["data"]),
        transaction_hash=str(said["transactionHash"]),
        block_number=int(said["blockNumber"], 16),
    )
