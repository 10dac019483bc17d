"""Forecasts in the admin, to look at; prediction settings, to change. Experts: see `mlops`."""

from typing import ClassVar

from django.contrib import admin

from config.kernel.admin import FactAdmin, SettingsAdmin, four
from predictions.models import Prediction, PredictionSettings

FIXED = "share in the fixed-weight ensemble; normalised over the experts that loaded"


@admin.register(Prediction)
class PredictionAdmin(FactAdmin):
    list_display = ("as_of", "market", "horizon", "price_4", "chance", "error", "source")
    price_4 = four("price", "Price")
    chance = four("probability", "Probability")
    error = four("sigma", "Standard error")
    list_filter = ("source", "horizon")
    search_fields = ("market__question",)
    list_select_related = ("market",)


@admin.register(PredictionSettings)
class PredictionSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "enable_ml": (
            "Use the learned models",
            "off: collect and label only, forecasts are the market price",
        ),
        "correction_cap": (
            "Largest weight of a correction",
            "fraction, 0 = the price alone, 1 = as learned",
        ),
        "max_quote_age_s": ("Oldest price", "seconds; no forecast from an older one"),
        "use_ensemble": ("Use the experts", "off: the recalibrated price is the highest rung"),
        "use_deep_learning": ("Use neural experts", "off: they have weight 0"),
        "weight_xgboost": ("Weight of XGBoost", FIXED),
        "weight_lightgbm": ("Weight of LightGBM", FIXED),
        "weight_neural": ("Weight of the neural experts", FIXED),
        "weight_text": ("Weight of the text experts", FIXED),
        "weight_forest": ("Weight of the random forests", FIXED),
        "weight_recalibration": ("Weight of recalibration", FIXED),
        "challenger_share": (
            "Share of the challenger",
            "fraction of events that a challenger forecasts, 0 to 0.5; 0 = shadow only",
        ),
        "vector_every_s": (
            "Keep a market's features every",
            "seconds; they are what is learned from and most of what is stored; 0 = every forecast",
        ),
        "vector_min_move": (
            "Keep features beyond a move of",
            "distance of forecast and price, 0 to 0.05; a forecast without features is not traded",
        ),
    }
