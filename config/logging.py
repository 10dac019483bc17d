"""Logs are events with keys: readable lines on a terminal, JSON elsewhere; secrets are dropped."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.conf import settings

SECRET_NAME = re.compile(
    r"key|secret|passphrase|password|token$|authorization|signature|cookie", re.IGNORECASE
)
SECRET_VALUE = re.compile(r"0x[0-9a-fA-F]{64}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
HARMLESS = frozenset(
    {"market_key", "venue_key", "event_key", "scope_key", "group_key", "idempotency_key"}
)
PUBLIC_HASHES = frozenset(
    {"condition_id", "question_id", "token_id", "transaction_hash", "venue_order_id"}
)
"""Names whose 32 bytes are known to everybody, though they look like a private key."""


def mask_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide values that are named like a secret, look like a private key, or hold a password."""
    for name, value in event.items():
        event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any) -> Any:
    if name not in HARMLESS and SECRET_NAME.search(name):
        return "***"
    if isinstance(value, str):
        return value if name in PUBLIC_HASHES else SECRET_VALUE.sub("***", value)
    if isinstance(value, dict):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, inner) for inner in value]
    return value


def configure() -> None:
    """Route structlog and the standard library through one chain; LOG_LEVEL sets the threshold."""
    pretty = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = console if pretty else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_secrets,
            renderer,
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.ENV.log_level)
