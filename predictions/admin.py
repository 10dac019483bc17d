"""Forecasts in the admin, to look at; prediction settings, to change. Experts: see `mlops`."""

from django.contrib import admin

from config.kernel.admin import FactAdmin, SettingsAdmin
from predictions.models import Prediction, PredictionSettings


@admin.register(Prediction)
class PredictionAdmin(FactAdmin):
    list_display = ("as_of", "market", "horizon", "price", "probability", "sigma", "source")
    list_filter = ("source", "horizon")
    search_fields = ("market__question",)
    list_select_related = ("market",)


@admin.register(PredictionSettings)
class PredictionSettingsAdmin(SettingsAdmin):
    pass
