"""The form of an artefact: one JSON line of parameters and digest, then a library's own format."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


class CorruptModel(ValueError):
    """The bytes are not what was written; restore the file or train again."""


def pack(kind: str, head: Mapping[str, Any], payload: bytes) -> bytes:
    """A line that names the kind and proves everything, then the payload as it is."""
    content = {**head, "kind": kind}
    line = _canonical({**content, "sha256": _digest(content, payload)})
    return line + b"\n" + payload


def unpack(kind: str, blob: bytes) -> tuple[dict[str, Any], bytes]:
    """Head and payload of `pack`; `CorruptModel` before any library sees a wrong byte."""
    line, _, payload = blob.partition(b"\n")
    try:
        head = dict(json.loads(line))
        told = str(head.pop("sha256"))
        found = str(head["kind"])
    except (ValueError, KeyError, TypeError) as cause:
        raise CorruptModel(
            f"the head of the {kind} artefact is unreadable; restore the file or train again"
        ) from cause
    if not hmac.compare_digest(_digest(head, payload), told):
        raise CorruptModel(
            f"the {kind} artefact does not match its sha256; restore the file or train again"
        )
    if found != kind:
        raise CorruptModel(
            f"this artefact is of the kind {found}, not {kind}; restore the file or train again"
        )
    del head["kind"]
    return head, payload


def _digest(head: Mapping[str, Any], payload: bytes) -> str:
    return hashlib.sha256(_canonical(head) + b"\n" + payload).hexdigest()


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
