"""The chain of the rehearsal: transactions carried out on the exchange's own bookkeeping.

It speaks as much JSON-RPC as a wallet needs that pays its own gas: balances, payouts, nonces, fees,
redemptions through the collateral adapters, receipts and events. Transactions are mined with the
next block, two seconds later at most, and never taken back; what they moved is in the exchange's
journal. The list of them is this process's: after a restart the same bytes are handed in again, and
find in the journal what they did.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import rlp  # type: ignore[import-untyped] # the package ships no types
from eth_account import Account
from eth_utils.crypto import keccak

from sandbox.core.user_rows import Entry
from sandbox.core.world import UnknownMarket
from sandbox.exchange.books import Books, NotResolved, TooLittle

BLOCK_S = 2
WORD = 64
GAS, GWEI = 220_000, 10**9
RICH = 10**20
DOLLARS: Final = "0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb"
TOKENS: Final = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
POSITIONS: Final = "0x006f54f7f9a22e0000cc2ab60031000000ae9fef"
ADAPTERS: Final = frozenset(
    {"0xada100db00ca00073811820692005400218fce1f", "0xada2005600dec949baf300f4c6120000bdb6eaab"}
)
BALANCE_OF, BALANCE_OF_BATCH = "0x70a08231", "0x4e1273f4"
ALLOWANCE, APPROVED_FOR_ALL = "0xdd62ed3e", "0xe985e9c5"
REDEEM, SPLIT, MERGE = "0x01b7037c", "0x72ce4275", "0x9e7212ad"
TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TRANSFER_SINGLE: Final = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
PAYOUT: Final = "0x2682012a4a4f1973119f1c9b90745d1bd91fa2bab387344f044cb3586864d18d"
ZERO_WORD = "0x" + "0" * WORD


class Reverted(ValueError):
    """The contract refuses the call; the message is its reason."""


class NotTaken(ValueError):
    """The node refuses the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """A transaction in its block."""

    hash: str
    wallet: str
    nonce: int
    target: str
    block: int
    succeeded: bool
    logs: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Ledger:
    """Transactions over one exchange's books; all methods may be called from any thread."""

    books: Books
    started: float
    lock: threading.RLock = field(default_factory=threading.RLock)
    mined: dict[str, Mined] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, params: list[Any], second: int) -> Any:
        """The result of a method; raises `Reverted`, `NotTaken` and `KeyError` for no method."""
        with self.lock:
            return METHODS[method](self, params, second)

    # --- reads -----------------------------------------------------------------------------

    def call(self, params: list[Any], _second: int) -> str | None:
        """A view of a contract; None where it is none of ours."""
        target, data = params[0]["to"].lower(), params[0].get("data") or params[0].get("input", "")
        selector, words = data[:10], _words(data[10:])
        if target == DOLLARS and selector == BALANCE_OF:
            return _hex(self.books.cash(_address(words[0])))
        if target == DOLLARS and selector == ALLOWANCE:
            return _hex(self.books.allowance(_address(words[0]), _address(words[1])))
        if selector == APPROVED_FOR_ALL:
            return _hex(int(self.books.allowance(_address(words[0]), _address(words[1])) > 0))
        if selector == BALANCE_OF_BATCH and target in (TOKENS, POSITIONS):
            held = self._balances(words) if target == TOKENS else [0] * words[2]
            return _hex(32) + "".join(f"{n:0{WORD}x}" for n in (len(held), *held))
        return None

    def _balances(self, words: list[int]) -> list[int]:
        owners, ids = (words[at // 32 + 1 : at // 32 + 1 + words[at // 32]] for at in words[:2])
        return [
            self.books.shares(_address(owner), str(token))
            for owner, token in zip(owners, ids, strict=True)
        ]

    def count(self, params: list[Any], second: int) -> str:
        """How many transactions the wallet made, those of the coming block included if asked."""
        wallet, until = params[0].lower(), params[1]
        if until == "pending":
            return hex(self.nonces.get(wallet, 0))
        block = second // BLOCK_S if until == "latest" else int(until, 16)
        made = [m.nonce + 1 for m in self.mined.values() if m.wallet == wallet and m.block <= block]
        return hex(max(made, default=0))

    def estimate(self, params: list[Any], second: int) -> str:
        """Gas of a call that would succeed."""
        asked = params[0]
        self._check(asked["to"].lower(), asked["data"], second)
        return hex(GAS)

    def receipt(self, params: list[Any], second: int) -> dict[str, Any] | None:
        """Of a transaction whose block is there."""
        found = self.mined.get(params[0])
        if found is None or found.block > second // BLOCK_S:
            return None
        return {
            "transactionHash": found.hash,
            "blockNumber": hex(found.block),
            "blockHash": _block_hash(found.block),
            "from": found.wallet,
            "to": found.target,
            "status": "0x1" if found.succeeded else "0x0",
            "gasUsed": hex(GAS),
            "logs": list(found.logs),
        }

    def transaction(self, params: list[Any], second: int) -> dict[str, Any] | None:
        """Of a transaction that was handed in."""
        found = self.mined.get(params[0])
        if found is None:
            return None
        there = found.block <= second // BLOCK_S
        block = hex(found.block) if there else None
        return {"hash": found.hash, "nonce": hex(found.nonce), "blockNumber": block}

    def events(self, params: list[Any], second: int) -> list[dict[str, Any]]:
        """Events by which shares left a wallet; those of every redemption, whoever made it."""
        asked = params[0]
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        wallet = asked["topics"][2]
        return [
            log
            for found in self._all_of(_address(int(wallet, 16)))
            for log in found.logs
            if log["topics"][0] == TRANSFER_SINGLE
            and log["topics"][2] == wallet
            and first <= found.block <= min(last, second // BLOCK_S)
        ]

    def _all_of(self, wallet: str) -> list[Mined]:
        known = list(self.mined.values())
        return [*known, *self._others(wallet)]

    def _others(self, wallet: str) -> Iterator[Mined]:
        """Redemptions of the wallet that no transaction of this list made: the venue's own."""
        ours = {m.logs[-1]["at"] for m in self.mined.values() if m.logs}
        others: dict[tuple[str, float], list[Entry]] = defaultdict(list)
        for entry in self._redeemed(wallet):
            if entry.at not in ours:
                others[entry.condition, entry.at].append(entry)
        for (condition, at), entries in others.items():
            name = _keccak(f"{wallet}:{condition}:{at}".encode())
            made = self._mined(name, wallet, 0, TOKENS, entries)
            self.mined[name] = made
            yield made

    def _redeemed(self, wallet: str) -> list[Entry]:
        entries = self.books.state.wallet(wallet).entries
        return [entry for entry in entries if entry.kind == "REDEEM" and entry.shares]

    # --- writes ----------------------------------------------------------------------------

    def send(self, params: list[Any], second: int) -> str:
        """Carry out a signed transaction, once; raises `NotTaken`."""
        raw = bytes.fromhex(params[0].removeprefix("0x"))
        name = _keccak(raw)
        if name in self.mined:
            raise NotTaken("already known")
        chain, nonce, target, data = _decoded(raw)
        wallet = str(Account.recover_transaction(raw)).lower()
        if chain != 137:
            raise NotTaken("invalid chain id for signer")
        if nonce < self.nonces.get(wallet, 0):
            raise NotTaken("nonce too low")
        self.nonces[wallet] = nonce + 1
        before = len(self._redeemed(wallet))
        try:
            self._check(target, data, second)
            self._carry_out(wallet, data, float(second))
        except (Reverted, TooLittle):
            failed = Mined(
                hash=name,
                wallet=wallet,
                nonce=nonce,
                target=target,
                block=second // BLOCK_S + 1,
                succeeded=False,
            )
            self.mined[name] = failed
            return name
        entries = self._redeemed(wallet)
        condition = f"0x{_words(data[10:])[2]:0{WORD}x}"
        # What an earlier life of this process did for the same condition was done by these bytes.
        earlier = [e for e in entries if e.condition == condition and e.at < self.started]
        self.mined[name] = self._mined(
            name, wallet, nonce, target, entries[before:] or earlier, block=second // BLOCK_S + 1
        )
        return name

    def _check(self, target: str, data: str, second: int) -> None:
        """Raise `Reverted` where the call would fail."""
        if target not in ADAPTERS or data[:10] not in (REDEEM, SPLIT, MERGE):
            raise Reverted("execution reverted")
        condition = f"0x{_words(data[10:])[2]:0{WORD}x}"
        try:
            market = self.books.listing.by_condition(condition)
        except UnknownMarket:
            raise Reverted("execution reverted: condition not prepared or found") from None
        if data[:10] == REDEEM and second < market.happening.settled_at:
            raise Reverted("execution reverted: result for condition not received yet")

    def _carry_out(self, wallet: str, data: str, now: float) -> None:
        words = _words(data[10:])
        condition = f"0x{words[2]:0{WORD}x}"
        try:
            if data[:10] == REDEEM:
                self.books.redeem(wallet, condition, now=now)
            else:
                move = self.books.split if data[:10] == SPLIT else self.books.merge
                move(wallet, condition, words[4], now=now)
        except NotResolved as early:
            raise Reverted(str(early)) from early

    def _mined(
        self,
        name: str,
        wallet: str,
        nonce: int,
        target: str,
        entries: list[Entry],
        *,
        block: int | None = None,
    ) -> Mined:
        """A successful transaction with the events of what it redeemed."""
        number = int(entries[0].at) // BLOCK_S + 1 if block is None and entries else block or 0
        place = {"transactionHash": name, "blockNumber": hex(number), "logIndex": "0x0"}
        logs = [log | place for entry in entries for log in _logs(wallet, entry)]
        return Mined(
            hash=name,
            wallet=wallet,
            nonce=nonce,
            target=target,
            block=number,
            succeeded=True,
            logs=tuple(logs),
        )


def _logs(wallet: str, entry: Entry) -> Iterator[dict[str, Any]]:
    """Shares burnt, dollars paid, and the payout that says so; `at` names the entry."""
    owner = f"0x{wallet.removeprefix('0x'):0>{WORD}}"
    burnt = f"0x{int(entry.token):0{WORD}x}{entry.shares:0{WORD}x}"
    events: list[tuple[str, list[str], str]] = [
        (TOKENS, [TRANSFER_SINGLE, owner, owner, ZERO_WORD], burnt)
    ]
    if entry.cash:
        events.append((DOLLARS, [TRANSFER, ZERO_WORD, owner], _hex(entry.cash)))
    events.append((TOKENS, [PAYOUT, owner, ZERO_WORD, ZERO_WORD], _hex(entry.cash)))
    for address, topics, data in events:
        yield {"address": address, "topics": topics, "data": data, "at": entry.at}


def _decoded(raw: bytes) -> tuple[int, int, str, str]:
    """Chain, nonce, target and call data of an EIP-1559 transaction."""
    if not raw.startswith(b"\x02"):
        raise NotTaken("transaction type not supported")
    fields = rlp.decode(raw[1:])
    chain, nonce = (int.from_bytes(fields[at], "big") for at in (0, 1))
    return chain, nonce, f"0x{fields[5].hex()}", f"0x{fields[7].hex()}"


def _block(_ledger: Ledger, _params: list[Any], second: int) -> dict[str, Any]:
    number = second // BLOCK_S
    return {
        "number": hex(number),
        "hash": _block_hash(number),
        "timestamp": hex(number * BLOCK_S),
        "baseFeePerGas": hex(30 * GWEI),
    }


def _block_hash(number: int) -> str:
    return _keccak(f"block {number}".encode())


def _keccak(data: bytes) -> str:
    return f"0x{keccak(data).hex()}"


def _words(digits: str) -> list[int]:
    return [int(digits[at : at + WORD], 16) for at in range(0, len(digits), WORD)]


def _address(word: int) -> str:
    return f"0x{word:040x}"


def _hex(number: int) -> str:
    return f"0x{number:0{WORD}x}"


METHODS: Final[dict[str, Callable[[Ledger, list[Any], int], Any]]] = {
    "eth_call": Ledger.call,
    "eth_getTransactionCount": Ledger.count,
    "eth_estimateGas": Ledger.estimate,
    "eth_getTransactionReceipt": Ledger.receipt,
    "eth_getTransactionByHash": Ledger.transaction,
    "eth_getLogs": Ledger.events,
    "eth_sendRawTransaction": Ledger.send,
    "eth_getBlockByNumber": _block,
    "eth_getBalance": lambda _ledger, _params, _second: hex(RICH),
    "eth_gasPrice": lambda _ledger, _params, _second: hex(60 * GWEI),
    "eth_maxPriorityFeePerGas": lambda _ledger, _params, _second: hex(30 * GWEI),
}
"""Method → answer."""
