"""Where each address leads."""

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.utils.functional import lazy
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config.pages import (
    backtests,
    data,
    health,
    learning,
    market,
    markets,
    model_card,
    no_such_api,
    overview,
)
from markets import api as markets_api
from markets import api_context
from mlops import api as mlops_api
from predictions import api as predictions_api
from risk import api as risk_api
from trading import api as trading_api
from trading import api_approvals

admin.autodiscover()

ICON = lazy(static, str)("oddsmith/icon.svg")  # the manifest of static files may not exist yet

DOCS = SpectacularSwaggerView.as_view(url_name="schema", template_name="pages/api_docs.html")

api_v1 = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", login_required(DOCS), name="api_docs"),
    path("health/", health.Health.as_view(), name="api_health"),
    path("status/", health.Status.as_view(), name="api_status"),
    path("markets/", markets_api.Markets.as_view(), name="api_markets"),
    path("markets/<int:pk>/", markets_api.OneMarket.as_view(), name="api_market"),
    path("live/markets/", api_context.LiveMarkets.as_view(), name="api_live_markets"),
    path("spot/", api_context.Spot.as_view(), name="api_spot"),
    path("news/", api_context.News.as_view(), name="api_news"),
    path("calendar/events/", api_context.CalendarEvents.as_view(), name="api_calendar"),
    path("whales/top/", api_context.TopWhales.as_view(), name="api_whales"),
    path("notices/", api_context.Notices.as_view(), name="api_notices"),
    path("predictions/", predictions_api.Predictions.as_view(), name="api_predictions"),
    path("experts/", predictions_api.Experts.as_view(), name="api_experts"),
    path("signals/", trading_api.Signals.as_view(), name="api_signals"),
    path("intents/", trading_api.Intents.as_view(), name="api_intents"),
    path("intents/reject/", api_approvals.RejectMany.as_view(), name="api_intents_reject"),
    path("intents/<uuid:pk>/", api_approvals.OneIntent.as_view(), name="api_intent"),
    path("intents/<uuid:pk>/approve/", api_approvals.Approve.as_view(), name="api_approve"),
    path("intents/<uuid:pk>/reject/", api_approvals.Reject.as_view(), name="api_reject"),
    path("orders/", trading_api.Orders.as_view(), name="api_orders"),
    path("fills/", trading_api.Fills.as_view(), name="api_fills"),
    path("trades/", trading_api.Trades.as_view(), name="api_trades"),
    path("positions/", trading_api.Positions.as_view(), name="api_positions"),
    path("portfolio/latest/", risk_api.LatestPortfolio.as_view(), name="api_portfolio"),
    path("portfolio/equity/", risk_api.Equity.as_view(), name="api_equity"),
    path("decisions/", risk_api.Decisions.as_view(), name="api_decisions"),
    path("halts/", risk_api.Halts.as_view(), name="api_halts"),
    path("trainings/", mlops_api.Trainings.as_view(), name="api_trainings"),
    path("trainings/<int:pk>/card/", mlops_api.OneCard.as_view(), name="api_card"),
    path("learning/progress/", mlops_api.Collecting.as_view(), name="api_collecting"),
    path("scores/", mlops_api.Scores.as_view(), name="api_scores"),
    path("trust/", mlops_api.Trust.as_view(), name="api_trust"),
    path("drift/", mlops_api.Drift.as_view(), name="api_drift"),
    path("backtests/", mlops_api.Backtests.as_view(), name="api_backtests"),
]

urlpatterns = [
    path("", overview.page, name="overview"),
    path("markets/", markets.page, name="markets"),
    path("markets/<int:market_id>/", market.page, name="market"),
    path("data/", data.page, name="data"),
    path("learning/", learning.page, name="learning"),
    path("learning/trainings/<int:training_id>/", model_card.page, name="model_card"),
    path("backtests/", backtests.page, name="backtests"),
    path("backtests/<int:backtest_id>/report/", backtests.report, name="backtest_report"),
    path(
        "backtests/<int:backtest_id>/report/<str:name>", backtests.attachment, name="backtest_file"
    ),
    path("health", health.health, name="health"),
    path("live", health.live, name="live"),
    path("favicon.ico", RedirectView.as_view(url=ICON), name="favicon"),
    path("api/v1/", include(api_v1)),
    re_path("^api/", no_such_api.page),
    path("admin/", admin.site.urls),
]
