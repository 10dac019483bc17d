"""Beats go on while the guard waits for an answer, and end when it hangs."""

import itertools
import queue
from dataclasses import dataclass, field, replace

import pytest

from tests.factories import NOW, ahead, trading_settings
from tests.trading import wallets
from tests.trading.clob_stub import Says
from tests.trading.wallets import MODE, WALLET
from tests.trading.world import SilentVenue
from trading.adapters import guarded
from trading.guard import heart
from trading.guard.heart import Heart
from trading.guard.pulse import AGAIN_S, HUNG_AFTER_S, Pulse
from trading.models import ExecutionSettings, VenueState
from trading.venue import OutcomeUnknown, WrongHeartbeat

AT_ONCE_S = 0.001


@dataclass
class Line:
    """Numbers the beats that it accepts; raises what `troubles` hold first."""

    beats: "queue.Queue[str]" = field(default_factory=queue.Queue)
    troubles: list[Exception] = field(default_factory=list)
    closed: bool = False

    def beat(self, heartbeat_id):
        if self.troubles:
            raise self.troubles.pop(0)
        self.beats.put(heartbeat_id)
        return f"after {heartbeat_id or 'none'}"[:20]

    def close(self):
        self.closed = True


@dataclass
class Standing:
    """A pulse whose thread never began, and the clock that it goes by."""

    line: Line = field(default_factory=Line)
    tick: float = 100.0

    def __post_init__(self):
        self.pulse = Pulse(open_line=lambda: self.line, clock=lambda: NOW, ticks=lambda: self.tick)
        self.pulse.every_s = 5.0
        self.pulse.felt()


class Venue(SilentVenue):
    wallet = WALLET

    def beat(self, _heartbeat_id):
        raise AssertionError("the rounds' own connection is not for beats")


@pytest.mark.django_db
def test_beats_go_on_while_a_step_of_the_rounds_blocks():
    trading_settings(mode=MODE)
    wallets.funded()
    wallets.an_order()
    config = replace(ExecutionSettings.objects.newest().as_config(), heartbeat_every_s=AT_ONCE_S)
    line, ticks = Line(), itertools.count()
    pulse = Pulse(open_line=lambda: line, clock=lambda: ahead(next(ticks) / 1_000_000))
    guard = Heart(mode=MODE, venue=Venue(), pulse=pulse)

    guard.felt()
    guard.keep(config, as_of=NOW)
    # The rounds wait here, in one step, until the venue has heard four beats more.
    heard = [line.beats.get(timeout=10) for _ in range(line.beats.qsize() + 4)]
    pulse.end()

    assert heard[0] == ""
    assert heard[1] == "after none"
    assert line.closed
    assert guard.keep(config, as_of=ahead(1))
    state = VenueState.objects.get()
    assert (state.heartbeat_id, state.heartbeat_at) == (pulse.heard.following, pulse.heard.at)
    assert heart.is_healthy(MODE, WALLET, config, as_of=ahead(1))
    assert not guard.keep(config, as_of=ahead(2))


@pytest.mark.django_db
def test_where_nothing_rests_the_pulse_says_nothing():
    stood = Standing()
    config = ExecutionSettings.objects.newest().as_config()

    Heart(mode=MODE, venue=Venue(), pulse=stood.pulse).keep(config, as_of=NOW)

    assert stood.pulse.take_turn() is None
    assert stood.line.beats.empty()


def test_a_guard_that_hangs_falls_silent_and_beats_again_when_it_goes_on():
    stood = Standing()
    stood.tick += HUNG_AFTER_S
    assert stood.pulse.take_turn() == 5.0
    assert stood.line.beats.qsize() == 1

    stood.tick += 1
    stood.pulse.take_turn()
    assert stood.line.beats.qsize() == 1

    stood.pulse.felt()
    stood.pulse.take_turn()
    assert stood.line.beats.qsize() == 2


@pytest.mark.parametrize("trouble", [OutcomeUnknown("late"), ZeroDivisionError("a bug")])
def test_a_beat_that_was_not_heard_is_soon_tried_again(trouble):
    stood = Standing(line=Line(troubles=[trouble]))

    assert stood.pulse.take_turn() == AGAIN_S < 5
    assert stood.pulse.heard is None
    assert stood.pulse.take_turn() == 5.0
    assert stood.pulse.heard.at == NOW


def test_a_pulse_goes_on_with_the_id_that_the_venue_names():
    stood = Standing(line=Line(troubles=[WrongHeartbeat("seven")]))

    stood.pulse.take_turn()

    assert stood.line.beats.get_nowait() == "seven"


def test_the_line_for_beats_is_another_connection_with_the_same_credentials(venue, stub):
    stub.says["POST", "/clob/v1/heartbeats"] = [Says(body={"heartbeat_id": "one"})]
    line = guarded.beating_line(venue)

    assert line._client is not venue._client
    assert line.beat("") == "one"
    line.close()
    assert venue.credentials == line.credentials
