"""`diagnose filters` says why markets are not followed, and what one rule alone keeps out."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from markets import diagnosis, universe
from markets.models import Market
from tests import factories as make

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("diagnose", "filters", *arguments, stdout=out)
    return out.getvalue()


def listed(days: float = 30, *, quoted: bool = True, **values: Any) -> Market:
    now = timezone.now()
    market = make.MarketFactory(scheduled_end_at=now + timedelta(days=days), **values)
    if quoted:
        make.QuoteFactory(market=market, at=now - timedelta(seconds=5))
    return market


def test_the_funnel_counts_by_profile_and_reason() -> None:
    listed()
    listed(days=3)
    listed(days=200)
    listed(accepting_orders=False)
    listed(quoted=False)

    found = json.loads(run("--json"))

    assert (found["open"], found["followed"]) == (5, 2)
    assert sorted(map(tuple, found["counts"])) == [
        ("OUTCOME", "", 1),
        ("OUTCOME", "ENDS_TOO_LATE", 1),
        ("OUTCOME", "NOT_ACCEPTING", 1),
        ("OUTCOME", "NO_BOOK", 1),
        ("SHORT", "", 1),
    ]


def test_what_if_names_the_markets_that_one_rule_alone_keeps_out() -> None:
    listed()
    for days in (181, 190, 300):
        listed(days=days)
    listed(days=400, accepting_orders=False)

    late = next(r for r in json.loads(run("--json"))["relaxed"] if r["code"] == "ENDS_TOO_LATE")

    assert late["alone"] == 3
    assert late["nearest"] == pytest.approx(181 * 86_400, rel=0.001)
    assert late["half"] == pytest.approx(190 * 86_400, rel=0.001)


def test_the_table_speaks_in_words() -> None:
    listed()
    listed(days=200)

    shown = run()

    for words in ("1 of 2 open markets are followed", "ends too far away", "at most 180 days left"):
        assert words in shown


def test_one_market_is_explained_rule_by_rule() -> None:
    market = listed()
    make.QuoteFactory(market=market, at=timezone.now(), book=([(0.4, 900)], [(0.5, 900)]))

    shown = run("--market", str(market.pk))
    found = json.loads(run("--market", str(market.pk), "--json"))

    assert "breaks it" in shown
    assert "at most 0.05 dollars a share" in shown
    assert (found["profile"], found["reason"]) == ("OUTCOME", "WIDE_SPREAD")
    failed = [rule["code"] for rule in found["rules"] if rule["passed"] is False]
    assert failed == ["WIDE_SPREAD", "THIN_BOOK"]


def test_books_are_not_looked_at_where_paper_speaks_against_a_market() -> None:
    market = listed(accepting_orders=None)

    found = json.loads(run("--market", str(market.pk), "--json"))

    by_code = {rule["code"]: rule["passed"] for rule in found["rules"]}
    assert by_code["UNKNOWN_ACCEPTING"] is False
    assert by_code["WIDE_SPREAD"] is None


def test_exit_codes() -> None:
    with pytest.raises(CommandError) as unknown:
        run("--market", "404")
    assert unknown.value.returncode == 2

    assert "0 of 0" in run()
    closed = listed(accepting_orders=False)
    with pytest.raises(SystemExit) as none_followed:
        run()
    assert none_followed.value.code == 1

    Market.objects.filter(pk=closed.pk).update(closed_at=timezone.now())
    with pytest.raises(CommandError, match="closed or imported"):
        run("--market", str(closed.pk))


def test_the_diagnosis_agrees_with_the_universe_and_writes_nothing() -> None:
    for days in (0.01, 3, 30, 200):
        listed(days=days, tracked=False)
    before = list(Market.objects.order_by("pk").values_list("tracked", "filter_reason", "profile"))

    found = diagnosis.diagnose(as_of=timezone.now())

    after = list(Market.objects.order_by("pk").values_list("tracked", "filter_reason", "profile"))
    assert before == after
    counts = universe.refresh(as_of=timezone.now())
    by_reason: dict[str, int] = {}
    for _, reason, count in found.counts:
        by_reason[reason] = by_reason.get(reason, 0) + count
    assert counts == by_reason
