"""What the tests of the faces share."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings


@pytest.fixture(autouse=True)
def collected_files(settings: LazySettings, tmp_path_factory: Any) -> Path:
    """A folder for collected static files: empty, but there."""
    folder: Path = tmp_path_factory.mktemp("static")
    settings.STATIC_ROOT = folder
    return folder
