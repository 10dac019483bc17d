"""A trader who signs by himself, so that client and exchange cannot be wrong together."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from sandbox.core import names
from sandbox.core.conduct import Conduct
from sandbox.core.signed_orders import NEG_RISK, ORDER_TYPE, STANDARD
from sandbox.core.wallets import of_owner
from sandbox.core.world import Happening, World
from sandbox.exchange import api
from sandbox.exchange.desk import Exchange
from sandbox.routes import Call, Reply

WORLD = World(7)
SECOND = 1_790_000_200
DOMAIN = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
WRAP = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    "address verifyingContract,bytes32 salt)"
)


@dataclass
class Clock:
    """Seconds that pass only when told to."""

    now: float = float(SECOND)

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def happening(kind: str = "match", *, lasts: int = 120, second: int = SECOND) -> Happening:
    """A market of the world that is open and far from both edges."""
    return next(
        h
        for h in WORLD.listed(second)
        if h.family.name == kind
        and h.starts_at < second < h.ends_at - lasts
        and 0.1 < h.mid[0, h.at(second)] < 0.9
    )


def token_of(market: Happening, outcome: int = 0) -> str:
    return names.token_id(market, 0, outcome)


@dataclass
class Trader:
    """One owner with one wallet; speaks to the exchange as HTTP would."""

    exchange: Exchange
    clock: Clock
    secret: int = 1
    kind: int = 3
    dollars: str = "1000"
    wallet: str = ""
    creds: dict[str, str] = field(default_factory=dict)
    salts: int = 0

    def __post_init__(self) -> None:
        self.account = Account.from_key(self.secret.to_bytes(32, "big"))
        own = {kind: wallet for wallet, kind in of_owner(self.account.address).items()}
        self.wallet = self.wallet or own[self.kind]
        self.creds = self.call("POST", "/auth/api-key", headers=self.attestation()).body
        if Decimal(self.dollars):
            self.faucet(dollars=self.dollars)

    @property
    def key(self) -> str:
        return self.creds["apiKey"]

    def faucet(self, **said: Any) -> None:
        body = json.dumps({"wallet": self.wallet, **said}).encode()
        reply = self.send(Call(method="POST", path="/sandbox/faucet", body=body))
        assert reply.status == 200, reply.body

    def attestation(self, nonce: int = 0) -> dict[str, str]:
        said = "This message attests that I control the given wallet"
        fields = [("address", "address"), ("timestamp", "string"), ("nonce", "uint256")]
        fields.append(("message", "string"))
        stamp = str(int(self.clock()))
        signed = self.account.sign_typed_data(
            {"name": "ClobAuthDomain", "version": "1", "chainId": 137},
            {"ClobAuth": [{"name": n, "type": t} for n, t in fields]},
            {
                "address": self.account.address,
                "timestamp": stamp,
                "nonce": nonce,
                "message": said,
            },
        )
        return {
            "poly_address": self.account.address,
            "poly_signature": "0x" + signed.signature.hex(),
            "poly_timestamp": stamp,
            "poly_nonce": str(nonce),
        }

    def send(self, call: Call) -> Reply:
        reply = api.answer(self.exchange, call, now=self.clock())
        assert reply is not None, call.path
        return reply

    def call(
        self, method: str, path: str, said: Any = None, *, headers: Any = None, **query: str
    ) -> Reply:
        """A call under this owner's key, or under other headers."""
        body = b"" if said is None else json.dumps(said, separators=(",", ":")).encode()
        return self.send(
            Call(
                method=method,
                path=f"/clob{path}",
                query={name: [value] for name, value in query.items()},
                headers=self.headers(method, path, body) if headers is None else headers,
                body=body,
            )
        )

    def headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        stamp = str(int(self.clock()))
        secret = base64.urlsafe_b64decode(self.creds["secret"])
        digest = hmac.new(secret, f"{stamp}{method}{path}".encode() + body, hashlib.sha256)
        return {
            "poly_address": self.account.address,
            "poly_api_key": self.key,
            "poly_passphrase": self.creds["passphrase"],
            "poly_timestamp": stamp,
            "poly_signature": base64.urlsafe_b64encode(digest.digest()).decode(),
        }

    def get(self, path: str, **query: str) -> Any:
        reply = self.call("GET", path, **query)
        assert reply.status == 200, reply.body
        return reply.body

    def body(
        self,
        token: str,
        side: str,
        price: str,
        shares: str,
        *,
        order_type: str = "GTC",
        **other: Any,
    ) -> dict[str, Any]:
        """A signed order; `other` replaces fields before the signature, `late` after it."""
        late = other.pop("late", {})
        exchange = other.pop("exchange", STANDARD)
        version = other.pop("version", "2")
        outer = {name: other.pop(name) for name in ("owner", "postOnly") if name in other}
        cash, micro = Decimal(price) * Decimal(shares) * 10**6, Decimal(shares) * 10**6
        self.salts += 1
        order = {
            "salt": self.secret * 1_000_000 + self.salts,
            "maker": self.wallet,
            "signer": self.wallet if self.kind == 3 else self.account.address,
            "tokenId": token,
            "makerAmount": str(int(cash if side == "BUY" else micro)),
            "takerAmount": str(int(micro if side == "BUY" else cash)),
            "side": side,
            "expiration": "0",
            "signatureType": self.kind,
            "timestamp": str(int(self.clock() * 1000)),
            "metadata": "0x" + "00" * 32,
            "builder": "0x" + "00" * 32,
            **other,
        }
        order["signature"] = "0x" + self.signature(order, exchange, version).hex()
        order |= late
        return {
            "order": order,
            "orderType": order_type,
            "owner": self.key,
            "deferExec": False,
            **outer,
        }

    def signature(self, order: dict[str, Any], exchange: str, version: str) -> bytes:
        separator, contents = separator_of(exchange, version), hash_of(order)
        if order["signatureType"] != 3:
            return self.sign(keccak(b"\x19\x01" + separator + contents))
        wrapped = encode(
            ["bytes32", "bytes32", "bytes32", "bytes32", "uint256", "address", "bytes32"],
            [
                keccak((WRAP + ORDER_TYPE).encode()), contents, keccak(b"DepositWallet"),
                keccak(b"1"), 137, order["maker"], bytes(32),
            ],
        )  # fmt: skip
        inner = self.sign(keccak(b"\x19\x01" + separator + keccak(wrapped)))
        kind = ORDER_TYPE.encode()
        return inner + separator + contents + kind + len(kind).to_bytes(2, "big")

    def sign(self, digest: bytes) -> bytes:
        return bytes(Account.unsafe_sign_hash(digest, self.account.key).signature)

    def post(self, *args: Any, **other: Any) -> Reply:
        return self.call("POST", "/order", self.body(*args, **other))

    def place(self, *args: Any, **other: Any) -> dict[str, Any]:
        reply = self.post(*args, **other)
        assert reply.status == 200, reply.body
        assert reply.body["success"], reply.body
        return reply.body

    def refusal(self, *args: Any, **other: Any) -> str:
        reply = self.post(*args, **other)
        assert reply.status == 400, reply.body
        return reply.body["error"]

    def cash(self) -> int:
        self.exchange.advance(self.clock())
        return self.exchange.cash(self.wallet)

    def shares(self, token: str) -> int:
        self.exchange.advance(self.clock())
        return self.exchange.shares(self.wallet, token)

    def best(self, token: str) -> tuple[Decimal, Decimal]:
        """Best bid and ask that the world shows for a token."""
        market, outcome = self.exchange.listing.by_token(token)
        bid = market.side(int(self.clock()), bids=True)[0][0]
        ask = market.side(int(self.clock()), bids=False)[0][0]
        if outcome:
            bid, ask = 10_000 - ask, 10_000 - bid
        return Decimal(bid) / 10_000, Decimal(ask) / 10_000


def separator_of(exchange: str, version: str) -> bytes:
    return keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [DOMAIN, keccak(b"Polymarket CTF Exchange"), keccak(version.encode()), 137, exchange],
        )
    )


def hash_of(order: dict[str, Any]) -> bytes:
    names_ = ("salt", "tokenId", "makerAmount", "takerAmount", "timestamp")
    number = {name: int(order[name]) for name in names_}
    return keccak(
        encode(
            ["bytes32", "uint256", "address", "address", *["uint256"] * 3, "uint8", "uint8",
             "uint256", "bytes32", "bytes32"],
            [
                keccak(ORDER_TYPE.encode()), number["salt"], order["maker"], order["signer"],
                number["tokenId"], number["makerAmount"], number["takerAmount"],
                int(order["side"] == "SELL"), order["signatureType"], number["timestamp"],
                bytes.fromhex(order["metadata"][2:]), bytes.fromhex(order["builder"][2:]),
            ],
        )
    )  # fmt: skip


def id_of(body: dict[str, Any], *, neg_risk: bool = False) -> str:
    separator = separator_of(NEG_RISK if neg_risk else STANDARD, "2")
    return "0x" + keccak(b"\x19\x01" + separator + hash_of(body["order"])).hex()


def exchange_at(clock: Clock, *, journal: Any = None, **conduct: Any) -> Exchange:
    exchange = Exchange(WORLD, journal=journal)
    exchange.behave(Conduct(**conduct), now=clock())
    return exchange
