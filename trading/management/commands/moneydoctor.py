"""`moneydoctor`: look at the wallet, and make a guarded round trip of about a dollar."""

import sys
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.kernel.locks import LeaderLock
from config.kernel.modes import Mode
from config.kernel.units import TokenId
from markets.adapters import clob_data, http
from markets.core.book import Book
from markets.core.wire import NotUnderstood
from markets.models import Outcome
from trading.adapters import custody, guarded
from trading.adapters.clob import Clob
from trading.core.readiness import Fact, remedy_of
from trading.guard import trial
from trading.guard.trial import Offer, RoundTrip
from trading.venue import FeeUnknown, VenueFailure
from trading.watching import readiness

REFUSALS = (custody.NoKey, custody.UnsafeKey, guarded.WrongHost, trial.NotNow)
FAILURES = (VenueFailure, FeeUnknown, trial.Stuck)


class Command(BaseCommand):
    help = (
        "Look at the wallet with its key (--check), or buy for about a dollar and sell it back. "
        "Asks first. Exit code 0: well; 1: something is missing or went wrong; 2: bad usage."
    )

    pause: Callable[[float], None] = staticmethod(time.sleep)
    """Waits so many seconds between two looks."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--mode", choices=[Mode.LIVE, Mode.REHEARSAL], help="default: by prices"
        )
        parser.add_argument("--check", action="store_true", help="look only; nothing is bought")
        parser.add_argument("--token", default="", help="the outcome to buy, by its token id")
        parser.add_argument("--most", default="2", help="refuse to spend more dollars than this")
        parser.add_argument("--hold", action="store_true", help="keep what was bought")

    def handle(self, *args: Any, **options: Any) -> None:
        mode = options["mode"] or (Mode.REHEARSAL if settings.ENV.mode == Mode.DEMO else Mode.LIVE)
        try:
            most = Decimal(options["most"])
        except InvalidOperation:
            raise CommandError(
                f"--most {options['most']!r} is no amount of dollars", returncode=2
            ) from None
        custody.harden()
        try:
            venue = guarded.open_venue(mode, settings.ENV, as_of=timezone.now())
        except (*REFUSALS, *FAILURES) as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        try:
            self._go(venue, mode, most=most, options=options)
        finally:
            venue.close()

    def _go(self, venue: Clob, mode: str, *, most: Decimal, options: dict[str, Any]) -> None:
        facts = guarded.look(venue, mode=mode, env=settings.ENV, clock=timezone.now)
        for fact in facts:
            self._show(fact, mode)
        if options["check"]:
            if not all(fact.state == "MET" for fact in facts):
                sys.exit(1)
            return
        try:
            self._refuse_unready(mode, venue.wallet)
            trial.refuse_beside_books(mode, venue.wallet)
            leader = self._lead()
            try:
                wish = self._wish(options["token"], most=most)
                self._ask(wish, mode, hold=options["hold"])
                self._trip(venue, wish, mode, hold=options["hold"])
            finally:
                leader.release()
        except (*REFUSALS, *FAILURES) as refusal:
            raise CommandError(str(refusal), returncode=1) from None

    @staticmethod
    def _lead() -> LeaderLock:
        """Only one process sends for a wallet: this one, or the guard."""
        leader = LeaderLock("live_guard")
        if not leader.held():
            raise trial.NotNow("live_guard runs, and it alone sends; stop it for this round trip")
        return leader

    def _show(self, fact: Fact, mode: str) -> None:
        self.stdout.write(f"{fact.state.value:<8} {fact.name:<12} {fact.detail}")
        if remedy := remedy_of(fact, rehearses=mode == Mode.REHEARSAL):
            self.stdout.write(f"{'':<22}→ {remedy}")

    def _refuse_unready(self, mode: str, wallet: str) -> None:
        """With real money every gate but this very trip has to be met."""
        if mode != Mode.LIVE:
            return
        unmet = readiness.unmet(as_of=timezone.now(), wallet=wallet)
        missing = [gate for gate in unmet if gate.name != readiness.TRIAL]
        if missing:
            lines = "\n".join(f"  {gate.name}: {gate.sentence} → {gate.remedy}" for gate in missing)
            raise trial.NotNow(f"not ready for real money, so nothing is bought:\n{lines}")

    def _wish(self, token: str, *, most: Decimal) -> Offer:
        """The named outcome, or the most traded one that is cheap enough."""
        named = (
            Outcome.objects.select_related("market__fees").filter(asset_id=token) if token else None
        )
        choices = list(named) if named is not None else trial.candidates()
        why = "no market is known; run `manage.py sync_catalogue`"
        source = clob_data.ClobData(settings.ENV.venue_clob_url)
        try:
            for outcome in choices:
                try:
                    return trial.offer(outcome, self._book(source, outcome), most_usd=most)
                except trial.NotNow as other:
                    why = str(other)
        finally:
            source.close()
        raise trial.NotNow(why)

    @staticmethod
    def _book(source: clob_data.ClobData, outcome: Outcome) -> Book:
        try:
            return source.book(TokenId(outcome.asset_id or "")).book
        except (http.VenueUnreachable, http.VenueRefused, NotUnderstood) as trouble:
            raise trial.NotNow(f"{outcome} has no book now: {trouble}") from None

    def _ask(self, wish: Offer, mode: str, *, hold: bool) -> None:
        """The typed yes; anything else ends it."""
        money = "real money" if mode == Mode.LIVE else "play money"
        self.stdout.write(
            f"{wish.market}: {wish.outcome}\n"
            f"buy {wish.shares} shares at {wish.ask}, at most ${wish.price:.2f} of {money}"
            + ("" if hold else f", sell at {wish.bid}; the trip costs about ${wish.cost:.4f}")
            + f"\nType “{wish.phrase}” to do it:"
        )
        self.stdout.flush()
        if sys.stdin.readline().strip() != wish.phrase:
            raise trial.NotNow("that was not typed, so nothing was bought")

    def _trip(self, venue: Clob, wish: Offer, mode: str, *, hold: bool) -> None:
        trip = RoundTrip(
            venue=venue, mode=mode, wallet=venue.wallet, say=self.stdout.write,
            clock=timezone.now, pause=self.pause,
        )  # fmt: skip
        passed, said = False, "it did not end"
        try:
            said = trip.run(wish, hold=hold)
            passed = True
        except FAILURES as failure:
            said = str(failure)
            raise
        finally:
            readiness.record_trial(
                said, passed=passed, mode=mode, wallet=venue.wallet, as_of=timezone.now()
            )
