"""Forecasts in the admin, to look at; prediction settings, to change. Experts: see `mlops`."""

from typing import ClassVar

from django.contrib import admin

from config.kernel.admin import FactAdmin, SettingsAdmin, four
from predictions.models import Prediction, PredictionSettings


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
    }
