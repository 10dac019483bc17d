"""A person signs in and looks around: no script error, no request that leaves this machine."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from config.kernel import heartbeats
from risk.models import Halt
from tests import factories as make
from tests.config.wishes import a_wish
from trading.settings import TradingSettings

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "a long test password"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


@dataclass
class Visit:
    """A browser page, what went wrong on it, and where its requests went."""

    page: Any
    base: str
    shots: Path
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def look(self, address: str, shot: str) -> None:
        self.page.goto(self.base + address)
        self.page.wait_for_load_state("networkidle")
        self.page.screenshot(path=self.shots / f"{shot}.png", full_page=True)

    def check(self) -> None:
        assert self.errors == []
        assert self.hosts <= {"127.0.0.1", "localhost"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        message = f"{CHROMIUM} is not installed; the pages were not looked at in a browser"
        (pytest.fail if os.environ.get("REQUIRE_SERVICES") == "1" else pytest.skip)(message)
    from playwright.sync_api import sync_playwright

    # The driver keeps an event loop in this thread; the test talks to the database beside it.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
    if before is not None:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def visit(browser: Any, live_server: Any, shots: Path, **look: Any) -> Visit:
    context = browser.new_context(**look)
    seen = Visit(page=context.new_page(), base=live_server.url, shots=shots)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on(
        "console", lambda said: seen.errors.append(said.text) if said.type == "error" else None
    )
    seen.page.on("request", lambda sent: seen.hosts.add(urlsplit(sent.url).hostname or ""))
    seen.page.on(
        "response",
        lambda got: seen.errors.append(f"{got.status} {got.url}") if got.status >= 400 else None,
    )
    return seen


def sign_in(seen: Visit) -> None:
    seen.page.goto(seen.base + "/")
    seen.page.fill("input[name=username]", "grace")
    seen.page.fill("input[name=password]", PASSWORD)
    seen.page.click("button[type=submit]")
    seen.page.wait_for_selector("header.top")
    seen.page.wait_for_load_state("networkidle")


def a_world() -> Any:
    """A market with a day of prices and forecasts, a position, trades, equity and heartbeats."""
    get_user_model().objects.create_superuser("grace", password=PASSWORD)
    now = timezone.now()
    fill = make.FillFactory(
        order__intent__market__question="Will the new bridge open before the end of the year?",
        observed_at=now, received_at=now, fee=Decimal("0.31"),
    )  # fmt: skip
    market = fill.order.market
    bids = [(round(0.52 - 0.01 * i, 2), 400 + 310 * i) for i in range(6)]
    asks = [(round(0.54 + 0.01 * i, 2), 500 + 240 * i) for i in range(6)]
    for step in range(96, 0, -1):
        at = now - timedelta(minutes=15 * step)
        price = 0.53 + 0.06 * math.sin(step / 9)
        make.QuoteFactory(
            market=market, at=at, bid=price - 0.01, ask=price + 0.01, book=(bids, asks)
        )
        p = price + 0.05 + 0.02 * math.cos(step / 5)
        if step % 2:
            signal = make.SignalFactory(
                prediction__market=market, prediction__as_of=at, prediction__price=price,
                prediction__probability=p, prediction__sigma=0.03, probability=p, cost=price + 0.01,
                net_edge=p - price - 0.02, reason="PASSED" if p - price > 0.05 else "NET_EDGE",
            )  # fmt: skip
        cash = Decimal(10_000 + round(150 * math.sin(step / 11), 2)).quantize(Decimal("0.01"))
        make.EquityPointFactory(
            observed_at=at, cash=cash, peak=Decimal(10_150), drawdown=float(1 - cash / 10_150),
            realised=cash - 10_000,
        )  # fmt: skip
    assert signal is not None
    for number, category in enumerate(("sports", "crypto", "weather")):
        other = make.MarketFactory(question=f"Something about {category}?", category=category)
        make.QuoteFactory(market=other, at=now - timedelta(seconds=20 * number))
    make.MarketFactory(
        question="A market nobody trades", tracked=False, filter_reason="TOO_SHALLOW"
    )
    make.PositionFactory(market=market, opened_at=now)
    make.RiskDecisionFactory(market=market, decided_at=now)
    make.ExpertFactory()
    heartbeats.beat("beat", period_s=10, as_of=now)
    heartbeats.beat("worker.trading", period_s=30, as_of=now - timedelta(minutes=9))
    return market


def test_a_person_signs_in_looks_around_and_halts(
    browser: Any, live_server: Any, shots: Path
) -> None:
    market = a_world()
    seen = visit(browser, live_server, shots, viewport={"width": 1280, "height": 900})

    sign_in(seen)
    seen.look("/", "overview")
    assert seen.page.locator(".chart canvas").count() == 2
    seen.look("/markets/", "markets")
    seen.look(f"/markets/{market.pk}/?span=1d", "market")
    assert seen.page.locator(".chart canvas").count() == 1
    seen.look("/data/", "data")
    seen.look("/backtests/", "backtests")
    seen.look("/admin/", "control_room")
    seen.look("/admin/trading/tradingsettings/add/", "settings")
    make.revise(TradingSettings, min_net_edge=0.03)
    seen.look("/admin/trading/tradingsettings/", "settings_history")
    seen.look("/admin/predictions/expert/gate/change/", "expert")
    seen.look("/admin/trading/order/", "orders")
    seen.look("/api/v1/docs/", "api_docs")
    seen.page.goto(seen.base + "/admin/")
    seen.page.click("button.stop")
    seen.page.wait_for_selector(".state.halted")
    seen.look("/admin/", "control_room_halted")
    seen.page.click("a.resume")
    seen.page.wait_for_selector("button.go")
    seen.page.screenshot(path=shots / "resume.png")

    seen.check()
    assert Halt.objects.get().state == "HALTED"


def test_pages_are_legible_in_the_dark_and_on_a_telephone(
    browser: Any, live_server: Any, shots: Path
) -> None:
    market = a_world()
    seen = visit(
        browser, live_server, shots, viewport={"width": 390, "height": 844}, color_scheme="dark"
    )

    sign_in(seen)
    for address, shot in (
        ("/", "overview"),
        ("/markets/", "markets"),
        (f"/markets/{market.pk}/", "market"),
        ("/data/", "data"),
        ("/admin/", "control_room"),
    ):
        seen.look(address, f"{shot}_phone_dark")
        wider = seen.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{address} is {wider} pixels wider than the screen"
    colours = "getComputedStyle(document.body).backgroundColor"
    seen.page.goto(seen.base + "/")
    assert seen.page.evaluate(colours) == "rgb(14, 17, 22)"

    seen.check()


def test_the_overview_refreshes_itself(browser: Any, live_server: Any, shots: Path) -> None:
    a_world()
    seen = visit(browser, live_server, shots)
    sign_in(seen)
    make.HaltFactory(reason="a halt while the page was open")

    seen.page.evaluate("htmx.trigger('#live', 'refresh')")
    seen.page.wait_for_selector("text=a halt while the page was open")

    assert seen.page.locator(".chart canvas").count() == 2
    seen.check()


def test_a_page_that_cannot_refresh_says_so(browser: Any, live_server: Any, shots: Path) -> None:
    a_world()
    seen = visit(browser, live_server, shots)
    sign_in(seen)
    assert not seen.page.is_visible("#stale")

    seen.page.route("**/*", lambda route: route.abort())
    seen.page.evaluate("htmx.trigger('#live', 'refresh')")
    seen.page.wait_for_selector("text=the server does not answer")
    seen.page.unroute_all()
    seen.page.evaluate("htmx.trigger('#live', 'refresh')")
    seen.page.wait_for_selector("#stale", state="hidden")


def test_a_page_whose_session_ended_goes_to_the_login(
    browser: Any, live_server: Any, shots: Path
) -> None:
    a_world()
    seen = visit(browser, live_server, shots)
    sign_in(seen)

    seen.page.context.clear_cookies()
    seen.page.evaluate("htmx.trigger('#live', 'refresh')")

    seen.page.wait_for_selector("input[name=password]")


def test_a_wish_is_counted_down_and_approved_on_a_telephone_in_the_dark(
    browser: Any, live_server: Any, shots: Path
) -> None:
    get_user_model().objects.create_superuser("grace", password=PASSWORD)
    wish = a_wish(question="Will the new bridge open before the end of the year?")
    a_wish(category="sports", persons=2)
    seen = visit(
        browser, live_server, shots, viewport={"width": 390, "height": 844}, color_scheme="dark"
    )
    sign_in(seen)

    seen.look("/admin/trading/tradeintent/approvals/", "approvals_phone_dark")
    wider = seen.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    first = seen.page.inner_text(".left span")
    seen.page.wait_for_function(f"document.querySelector('.left span').innerText != '{first}'")
    seen.page.check(f"input[value='{wish.pk}']")
    seen.page.evaluate("htmx.trigger('#queue', 'refresh')")
    seen.page.click(f"a.decide[href*='{wish.pk}']")
    seen.page.fill("input[name=reason]", "the edge still stands")
    seen.page.screenshot(path=shots / "decide_phone_dark.png", full_page=True)
    seen.page.click("button[name=approve]")
    seen.page.wait_for_selector("text=Approved; the order goes out")

    assert wider <= 0
    seen.check()
    wish.refresh_from_db()
    assert wish.status == "APPROVED"
