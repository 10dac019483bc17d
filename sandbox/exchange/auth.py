"""Who is calling: level 1 by the owner's signature, level 2 by the key's HMAC."""

import hmac

from sandbox.core import keys
from sandbox.core.keys import ApiKey
from sandbox.exchange.desk import Exchange
from sandbox.routes import Call, Refused

UNAUTHORISED = {"error": "Unauthorized/Invalid api key"}
BAD_L1 = {"error": "Invalid L1 Request headers"}


def by_owner(exchange: Exchange, call: Call, *, now: float) -> tuple[str, int]:
    """Address and nonce of an owner who attests; raises `Refused` 401."""
    try:
        address, signature = call.headers["poly_address"], call.headers["poly_signature"]
        timestamp, nonce = call.headers["poly_timestamp"], int(call.headers["poly_nonce"])
    except (KeyError, ValueError):
        raise Refused(401, BAD_L1) from None
    fresh = _is_fresh(exchange, timestamp, now)
    if not fresh or not keys.attested(
        address=address, timestamp=timestamp, nonce=nonce, signature=signature
    ):
        raise Refused(401, BAD_L1)
    return address.lower(), nonce


def by_key(exchange: Exchange, call: Call, path: str, *, now: float) -> ApiKey:
    """The key that signed the call; `path` as the client knows it. Raises `Refused` 401."""
    said = call.headers
    key = exchange.state.keys.get(said.get("poly_api_key", ""))
    timestamp = said.get("poly_timestamp", "")
    if key is None or not _is_fresh(exchange, timestamp, now):
        raise Refused(401, UNAUTHORISED)
    expected = keys.signature(
        key.secret, timestamp=timestamp, method=call.method, path=path, body=call.body
    )
    pairs = (
        (said.get("poly_signature", ""), expected),
        (said.get("poly_passphrase", ""), key.passphrase),
        (said.get("poly_address", "").lower(), key.address),
    )
    if not all(hmac.compare_digest(given.encode(), right.encode()) for given, right in pairs):
        raise Refused(401, UNAUTHORISED)
    return key


def create(exchange: Exchange, call: Call, *, now: float) -> ApiKey:
    """`POST /auth/api-key`: once per address and nonce; raises `Refused`."""
    address, nonce = by_owner(exchange, call, now=now)
    made = keys.made(exchange.world.seed, address, nonce)
    with exchange.lock:
        if made.key in exchange.state.keys:
            raise Refused(400, {"error": "Could not create api key"})
        exchange.record(fact="key", address=address, nonce=nonce)
    return made


def derive(exchange: Exchange, call: Call, *, now: float) -> ApiKey:
    """`GET /auth/derive-api-key`: the one that exists; raises `Refused`."""
    address, nonce = by_owner(exchange, call, now=now)
    found = exchange.state.keys.get(keys.made(exchange.world.seed, address, nonce).key)
    if found is None:
        raise Refused(400, {"error": "Could not derive api key!"})
    return found


def _is_fresh(exchange: Exchange, timestamp: str, now: float) -> bool:
    return timestamp.isdecimal() and abs(int(timestamp) - now) <= exchange.conduct.clock_skew_s
