"""Which way calls of a wallet take to the chain: its own transactions, or the venue's hands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trading.core.redemption import Call
from trading.redeeming.transactions import Network, OwnSender, Progress, Sender, Signer, Standing
from trading.venue import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ByVenue(Sender):
    """A wallet that its key cannot move on the chain: a proxy, a safe, a deposit wallet.

    Nothing is sent for it. The venue redeems for wallets that allowed it to, or a person does on
    its pages; what arrives is found on the chain and booked like any payout.
    """

    wallet: str

    def room(self, *, as_of: datetime) -> int:
        """Everything may be looked at."""
        return 1_000_000

    def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
        """Raise `Rejected`: only the venue can."""
        raise Rejected(
            f"the wallet {self.wallet} does not belong to the key itself: let the venue redeem for "
            "it (approve its auto-redeemer), or redeem by hand on its pages; it is booked then"
        )

    def follow(self, *, as_of: datetime) -> None:
        """Nothing is under way."""

    def standing(self, purpose: str) -> Standing:
        """Nothing was ever sent."""
        return Standing(progress=Progress.NOTHING)


class WalletSigner(Signer, Protocol):
    """A signer that knows its own address and the wallet it speaks for."""

    @property
    def address(self) -> str:
        """The key's own address."""
        ...

    @property
    def wallet(self) -> str:
        """Whose shares these are."""
        ...


def sender_of(network: Network, signer: WalletSigner, *, mode: str) -> Sender:
    """How calls of this signer's wallet reach the chain."""
    if signer.address.lower() != signer.wallet.lower():
        return ByVenue(wallet=signer.wallet)
    return OwnSender(network=network, signer=signer, mode=mode, wallet=signer.wallet)
