"""What do we believe?"""

import os
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class PredictionsConfig(AppConfig):
    """Features, experts and calibrated forecasts."""

    name = "predictions"

    def ready(self) -> None:
        """Say where compiled kernels stay when the code itself lies where nobody may write."""
        beside = Path(__file__).parent / "core" / "__pycache__"
        if not os.access(beside if beside.exists() else beside.parent, os.W_OK):
            os.environ.setdefault("NUMBA_CACHE_DIR", str(settings.ENV.state_dir / "kernels"))
