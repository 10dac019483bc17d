"""`stream_user`: watch what the venue tells of our orders and trades as it happens."""

import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.kernel.modes import Mode
from trading.adapters import custody, guarded, user_stream
from trading.venue import OutcomeUnknown, Rejected, Restricted, Unsent

REFUSALS = (custody.NoKey, custody.UnsafeKey, guarded.WrongHost)
FAILURES = (Unsent, Rejected, Restricted, OutcomeUnknown)


class Command(BaseCommand):
    help = (
        "Print each hint of the user channel: order and trade events, and every connection. It "
        "changes nothing; live_guard asks over REST. Exit code 1: no key or no venue."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--mode", choices=[Mode.LIVE, Mode.REHEARSAL], help="default: by prices"
        )
        parser.add_argument("--seconds", type=float, default=None, help="end after so long")

    def handle(self, *args: Any, **options: Any) -> None:
        mode = options["mode"] or (Mode.REHEARSAL if settings.ENV.mode == Mode.DEMO else Mode.LIVE)
        custody.harden()
        try:
            venue = guarded.open_venue(mode, settings.ENV, as_of=timezone.now())
        except (*REFUSALS, *FAILURES) as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        end = user_stream.in_background(venue.hosts.user_ws, venue.credentials, wake=self._tell)
        try:
            threading.Event().wait(options["seconds"])
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        finally:
            end()
            venue.close()

    def _tell(self, kind: str) -> None:
        self.stdout.write(f"{timezone.now():%H:%M:%S} {kind}")
        self.stdout.flush()
