"""A chain on this machine: anvil, the real Conditional Tokens contract, stand-ins for the rest.

Every contract lives at its production address, so what is tested is configured as in production.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import eth_abi
import httpx

from tests.support.services import Unavailable, free_port, wait_for
from trading.adapters.signer import Signer
from trading.core.redemption import POLYGON, Condition
from trading.core.signing import keccak

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "node_modules"
MOCKS = Path(__file__).parent / "contracts" / "mocks.json"
CONDITIONAL_TOKENS = (
    MODULES / "@gnosis.pm/conditional-tokens-contracts/build/contracts/ConditionalTokens.json"
)
USDC_E = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
WRAPPED = "0x3A3BD7bb9528E159577F7C2e685CC81A765002E2"
AUTO_REDEEMER = "0xa1200000d0002264C9a1698e001292D00E1b00af"
ZERO = bytes(32)
DOLLAR = 10**6
MAX = 2**256 - 1
RICH = 10**22
GAS = hex(5_000_000)


def binary() -> Path:
    """The node's program; raises `Unavailable` saying what would help."""
    found = sorted(MODULES.glob("@foundry-rs/anvil-*/bin/anvil*"))
    if not found or not CONDITIONAL_TOKENS.exists():
        remedy = "run `npm ci --ignore-scripts`"
        if shutil.which("npm") is None:
            remedy = f"install Node 20 or newer, then {remedy}"
        raise Unavailable(f"chain tests: {remedy}")
    return found[0]


def required() -> bool:
    return os.environ.get("REQUIRE_SERVICES", "") in ("1", "true", "yes")


class LocalChain:
    """Tells the chain what happens on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.was_reorganised = False
        self.http = httpx.Client(base_url=url, timeout=20.0)
        self.accounts = self.ask("eth_accounts")
        self.oracle = self.accounts[1]
        self.tokens = self._place(POLYGON.conditional_tokens, "ConditionalTokens")
        self.collateral = self._place(POLYGON.collateral, "Dollar")
        self._place(USDC_E, "Dollar")
        self._place(WRAPPED, "Dollar")
        tokens, collateral = POLYGON.conditional_tokens, POLYGON.collateral
        standard = (tokens, USDC_E, collateral)
        self._place(POLYGON.collateral_adapter, "CollateralAdapter", *standard)
        self._place(
            POLYGON.neg_risk_collateral_adapter, "CollateralAdapter", tokens, WRAPPED, collateral
        )
        self.redeemer = self._place(AUTO_REDEEMER, "CollateralAdapter", *standard)
        self.positions = self._place(POLYGON.position_manager, "PositionManager")
        self._place(POLYGON.router, "Router", POLYGON.position_manager, collateral)

    # --- what the network does -------------------------------------------------------------

    def ask(self, method: str, *params: Any) -> Any:
        said = self.http.post("", json=_body(method, *params)).json()
        assert "error" not in said, (method, said["error"])
        return said["result"]

    def mine(self, blocks: int = 1) -> None:
        self.ask("anvil_mine", hex(blocks))

    def hold_blocks(self) -> None:
        """From here on transactions wait until `mine`."""
        self.ask("evm_setAutomine", False)

    def resume_blocks(self) -> None:
        self.ask("evm_setAutomine", True)

    def drop(self, transaction_hash: str) -> None:
        """The network forgets a transaction that waits."""
        self.ask("anvil_dropTransaction", transaction_hash)

    def reorganise(self, depth: int) -> None:
        """The newest blocks are replaced by empty ones."""
        self.was_reorganised = True
        self.ask("anvil_reorg", depth, [])

    # --- what people do --------------------------------------------------------------------

    def pay(self, wallet: str, dollars: int) -> None:
        """Collateral out of nothing."""
        self.do(self.accounts[0], self.collateral.mint(wallet, dollars * DOLLAR))

    def fund(self, wallet: str) -> None:
        """Gas, and every approval that a trading wallet has."""
        self.ask("anvil_setBalance", wallet, hex(RICH))
        with self.acting_as(wallet):
            for spender in (
                POLYGON.collateral_adapter,
                POLYGON.neg_risk_collateral_adapter,
                POLYGON.router,
            ):
                self.do(wallet, self.collateral.approve(spender, MAX))
            for operator in (
                POLYGON.collateral_adapter,
                POLYGON.neg_risk_collateral_adapter,
                AUTO_REDEEMER,
            ):
                self.do(wallet, self.tokens.setApprovalForAll(operator, True))

    def condition(self, number: int, *, neg_risk: bool = False) -> Condition:
        """Prepare a condition of the standard protocol, with the token ids the venue would use."""
        question = number.to_bytes(32, "big")
        tokens = self.tokens
        self.do(self.oracle, tokens.prepareCondition(self.oracle, question, 2))
        condition = self.read(tokens.getConditionId(self.oracle, question, 2))
        backing = WRAPPED if neg_risk else USDC_E
        ids = [
            self.read(
                tokens.getPositionId(
                    backing, self.read(tokens.getCollectionId(ZERO, condition, 1 << index))
                )
            )
            for index in (0, 1)
        ]
        return Condition(
            condition_id=f"0x{condition.hex()}",
            token_ids=(str(ids[0]), str(ids[1])),
            neg_risk=neg_risk,
        )

    @staticmethod
    def condition_v2(number: int) -> Condition:
        """A condition of the second protocol: module 1, eight bytes of zero, no outcome byte."""
        digits = f"01{number:036x}" + "0" * 24
        ids = [int(f"{digits}{index:02x}", 16) for index in (0, 1)]
        return Condition(
            condition_id=f"0x{digits}", token_ids=(str(ids[0]), str(ids[1])), protocol="v2"
        )

    def split(self, wallet: str, condition: Condition, sets: int) -> None:
        """Turn collateral of the wallet into full sets of outcomes."""
        if condition.protocol == "v2":
            router = self._at(POLYGON.router, "Router")
            call = router.split(as_bytes(condition), sets * DOLLAR)
        else:
            adapter = self._at(self._adapter(condition), "CollateralAdapter")
            call = adapter.splitPosition(
                POLYGON.collateral, ZERO, as_bytes(condition), [1, 2], sets * DOLLAR
            )
        with self.acting_as(wallet):
            self.do(wallet, call)

    def give(self, giver: str, taker: str, token_id: str, micro_shares: int) -> None:
        """Move shares, as a trade does."""
        call = self.tokens.safeTransferFrom(giver, taker, int(token_id), micro_shares, b"")
        with self.acting_as(giver):
            self.do(giver, call)

    def resolve(self, number: int, payouts: tuple[int, int], condition: Condition) -> None:
        """The oracle reports."""
        if condition.protocol == "v2":
            halves = [2 * p // sum(payouts) for p in payouts]
            call = self.positions.resolve(as_bytes(condition), *halves)
            self.do(self.accounts[0], call)
            return
        question = number.to_bytes(32, "big")
        self.do(self.oracle, self.tokens.reportPayouts(question, list(payouts)))

    def redeemed_by_the_venue(self, wallet: str, condition: Condition) -> None:
        """The venue's redeemer is first."""
        call = self.redeemer.redeemFor(wallet, as_bytes(condition))
        self.do(self.accounts[2], call)

    def hollow(self, address: str) -> None:
        """The contract at this address takes every call and does nothing."""
        self._place(address, "Hollow")

    def dollars(self, wallet: str) -> int:
        """Micro-dollars of collateral."""
        return int(self.read(self.collateral.balanceOf(wallet)))

    def shares(self, wallet: str, token_id: str) -> int:
        contract = self.tokens if int(token_id) >> 248 != 1 else self.positions
        return int(self.read(contract.balanceOf(wallet, int(token_id))))

    @contextmanager
    def acting_as(self, wallet: str) -> Iterator[None]:
        """The node signs for anybody here; ours signs for itself elsewhere."""
        if wallet in self.accounts:
            yield
            return
        self.ask("anvil_impersonateAccount", wallet)
        try:
            yield
        finally:
            self.ask("anvil_stopImpersonatingAccount", wallet)

    def do(self, sender: str, call: "Asked") -> None:
        """Carry a call out; it must succeed."""
        self._carry_out({"from": sender, "to": call.target, "data": call.data, "gas": GAS})

    def read(self, call: "Asked") -> Any:
        """The one value that a contract's view returns."""
        said = self.ask("eth_call", {"to": call.target, "data": call.data}, "latest")
        return eth_abi.decode(call.returns, bytes.fromhex(said[2:]))[0]

    def _carry_out(self, transaction: dict[str, str]) -> dict[str, Any]:
        done = self.ask("eth_sendTransaction", transaction)
        found: list[dict[str, Any]] = []

        def mined() -> bool:
            receipt = self.ask("eth_getTransactionReceipt", done)
            found.extend([receipt] if receipt else [])
            return bool(found)

        wait_for(mined, what="a receipt")
        if found[0]["status"] != "0x1":
            raise AssertionError(
                self.http.post("", json=_body("eth_call", transaction, "latest")).text
            )
        return found[0]

    def _adapter(self, condition: Condition) -> str:
        if condition.neg_risk:
            return POLYGON.neg_risk_collateral_adapter
        return POLYGON.collateral_adapter

    def _place(self, address: str, name: str, *arguments: Any) -> Any:
        """Put a contract's code at an address; constants are set by its constructor elsewhere."""
        artefact = _artefacts()[name]
        code = artefact.get("deployed")
        if code is None:
            kinds = next((f["inputs"] for f in artefact["abi"] if f["type"] == "constructor"), [])
            tail = eth_abi.encode([each["type"] for each in kinds], arguments).hex()
            maker = {"from": self.accounts[0], "data": artefact["bytecode"] + tail, "gas": GAS}
            made = self._carry_out(maker)
            code = self.ask("eth_getCode", made["contractAddress"], "latest")
        self.ask("anvil_setCode", address, code)
        return self._at(address, name)

    @staticmethod
    def _at(address: str, name: str) -> "Contract":
        return Contract(address, _artefacts()[name]["abi"])


def as_bytes(condition: Condition) -> bytes:
    return bytes.fromhex(condition.condition_id[2:])


@dataclass(frozen=True)
class Asked:
    """A call of a contract, encoded."""

    target: str
    data: str
    returns: list[str]


class Contract:
    """A contract at an address: `contract.method(arguments)` encodes a call."""

    def __init__(self, address: str, abi: list[dict[str, Any]]) -> None:
        self.address = address
        self._methods = {each["name"]: each for each in abi if each["type"] == "function"}

    def __getattr__(self, name: str) -> Callable[..., Asked]:
        method = self._methods[name]
        kinds = [each["type"] for each in method["inputs"]]
        selector = keccak(f"{name}({','.join(kinds)})".encode())[:4]

        def call(*arguments: Any) -> Asked:
            data = f"0x{(selector + eth_abi.encode(kinds, arguments)).hex()}"
            return Asked(self.address, data, [each["type"] for each in method["outputs"]])

        return call


@cache
def _artefacts() -> dict[str, Any]:
    real = json.loads(CONDITIONAL_TOKENS.read_text())
    found = json.loads(MOCKS.read_text())
    return {
        **found,
        "ConditionalTokens": {"abi": real["abi"], "deployed": real["deployedBytecode"]},
    }


@contextmanager
def running() -> Iterator[LocalChain]:
    """A chain of Polygon's number on a free port, gone with the block."""
    port = free_port()
    argv = [str(binary()), "--port", str(port), "--chain-id", "137", "--silent"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), what="anvil")
        yield LocalChain(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def _body(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _answers(port: int) -> bool:
    try:
        httpx.post(f"http://127.0.0.1:{port}", json=_body("eth_chainId"), timeout=1)
    except httpx.HTTPError:
        return False
    return True


def snapshot(chain: LocalChain) -> str:
    return str(chain.ask("evm_snapshot"))


def back_to(chain: LocalChain, name: str) -> None:
    assert chain.ask("evm_revert", name)


def key(number: int) -> Signer:
    """A worthless key in the hands of the guard's signer; its wallet is its own address."""
    secret = number.to_bytes(32, "big")
    return Signer(secret, wallet=Signer(secret).address)
