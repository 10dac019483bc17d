"""Logs are events with keys: readable lines on a terminal, JSON elsewhere; secrets are dropped."""

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAME = re.compile(
    r"key|secret|passphrase|password|token$|authorization|signature", re.IGNORECASE
)
SECRET_VALUE = re.compile(r"0x[0-9a-fA-F]{64}")
HARMLESS = frozenset({"market_key", "venue_key", "scope_key", "group_key", "idempotency_key"})


def mask_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide values that are named like a secret or look like a private key."""
    for name, value in event.items():
        if name not in HARMLESS and SECRET_NAME.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = SECRET_VALUE.sub("0x***", value)
    return event


def configure() -> None:
    """Route structlog and the standard library through one chain; LOG_LEVEL sets the threshold."""
    pretty = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(os.environ.get("LOG_LEVEL", "WARNING").upper())
