"""The key is opened from files of one's own, and shows up nowhere else."""

import copy
import io
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from django.apps import apps
from django.core import serializers

from config import logging as our_logging
from config.env import ROOT, BadEnvironment, parse
from config.kernel import audit
from tests.factories import NOW
from trading.adapters import custody
from trading.adapters.signer import BadKey, Signer
from trading.core import wallets

CANARY = bytes.fromhex("c0ffee" * 10 + "beef")
"""Nobody's key; whoever finds its digits anywhere has found a leak."""


@dataclass(frozen=True, kw_only=True)
class Places:
    state_dir: Path
    wallet_address: str = ""
    live_keystore: Path | None = None
    live_passphrase_file: Path | None = None


@pytest.fixture
def places(tmp_path: Path) -> Places:
    custody.write_keystore(tmp_path, CANARY, rounds=1_000)
    return Places(
        state_dir=tmp_path,
        live_keystore=tmp_path / custody.KEYSTORE,
        live_passphrase_file=tmp_path / custody.PASSPHRASE,
    )


def traces(text: str) -> list[str]:
    """Forms of the key that a text holds."""
    forms = (CANARY.hex(), str(int.from_bytes(CANARY, "big")), repr(CANARY)[2:-1])
    return [form for form in forms if form.lower() in text.lower()]


def test_a_keystore_opens_for_its_owner_alone(places: Places) -> None:
    signer = custody.open_signer(places)

    assert signer.address == Signer(CANARY).address
    assert signer.wallet == wallets.deposit_wallet(signer.address)
    for path in (places.live_keystore, places.live_passphrase_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize("which", ["live_keystore", "live_passphrase_file"])
def test_a_file_that_others_may_read_is_refused(places, which, mode):
    path = getattr(places, which)
    path.chmod(mode)

    with pytest.raises(custody.UnsafeKey, match="chmod 600"):
        custody.open_signer(places)


def test_what_is_missing_or_wrong_is_said_without_repeating_it(places: Places) -> None:
    with pytest.raises(custody.NoKey, match="LIVE_KEYSTORE"):
        custody.open_signer(Places(state_dir=places.state_dir))
    places.live_passphrase_file.write_text("another passphrase")
    with pytest.raises(custody.NoKey, match="does not open") as wrong:
        custody.open_signer(places)
    assert "another passphrase" not in str(wrong.value)
    places.live_keystore.write_text(CANARY.hex())
    with pytest.raises(custody.NoKey) as bare:
        custody.open_signer(places)
    assert not traces("".join(traceback.format_exception(bare.value)))
    places.live_keystore.unlink()
    with pytest.raises(custody.NoKey, match="no file"):
        custody.open_signer(places)


def test_a_wallet_that_is_none_is_not_blamed_on_the_passphrase(places: Places) -> None:
    with pytest.raises(custody.NoKey, match="WALLET_ADDRESS is no wallet") as refusal:
        custody.open_signer(replace(places, wallet_address=CANARY.hex()))

    assert not traces("".join(traceback.format_exception(refusal.value)))


@pytest.mark.parametrize("bad", [b"", CANARY[:31], bytes(32), b"\xff" * 32], ids=len)
def test_what_is_no_key_is_refused(bad):
    with pytest.raises(BadKey) as refusal:
        Signer(bad)
    assert not traces(str(refusal.value))


def test_a_rehearsal_signs_with_a_worthless_key_of_its_own(places: Places) -> None:
    first = custody.open_signer(places, rehearsal=True)
    again = custody.open_signer(places, rehearsal=True)

    assert first.address == again.address != Signer(CANARY).address


def test_a_signer_shows_its_address_and_nothing_else(places: Places) -> None:
    signer = custody.open_signer(places)
    seen = [repr(signer), str(signer), f"{signer!r}", repr([signer]), repr(signer._sign)]
    seen += [repr({name: getattr(signer, name) for name in Signer.__slots__})]

    assert not traces(" ".join(seen))
    with pytest.raises(TypeError):
        vars(signer)
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(signer)
    with pytest.raises(TypeError):
        json.dumps(signer)


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_the_key_reaches_no_log_no_row_and_no_trail(places):
    signer = custody.open_signer(places)
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(
        next(
            known.formatter
            for known in logging.getLogger().handlers
            if isinstance(known.formatter, structlog.stdlib.ProcessorFormatter)
        )
    )
    logging.getLogger().addHandler(handler)
    log = structlog.get_logger()
    try:
        log.warning(
            "order.signed", signer=signer, private_key=CANARY.hex(), note="0x" + CANARY.hex()
        )
        try:
            signer.digest(b"too short")
        except ValueError:
            logging.getLogger("trading").exception("signing failed")
            shown = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
            heard.write("".join(shown.format()))
    finally:
        logging.getLogger().removeHandler(handler)
    audit.record(
        "key.opened",
        actor="live_guard",
        subject=signer.wallet,
        data={"by": repr(signer)},
        as_of=NOW,
    )
    masked = our_logging.mask_secrets(None, "", {"note": "0x" + CANARY.hex(), "private_key": "x"})
    rows = "".join(
        serializers.serialize("json", model.objects.all())
        for model in apps.get_models()
        if model._meta.managed
    )

    assert not traces(rows)
    assert not traces(str(masked))
    assert "order.signed" in heard.getvalue()
    assert not traces(heard.getvalue())


@pytest.mark.parametrize(
    "variables",
    [
        {"WALLET_ADDRESS": "0x" + CANARY.hex()},
        {"LIVE_KEYSTORE": CANARY.hex()},
        {"LIVE_PASSPHRASE_FILE": "0x" + CANARY.hex()},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_a_key_in_the_environment_is_refused_and_not_repeated(variables):
    with pytest.raises(BadEnvironment) as refusal:
        parse(variables, debug=True)

    assert not traces(str(refusal.value))


HARDENED = """
import resource
import sys
from trading.adapters import custody
print(custody.harden(), resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.process
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_DUMPABLE is Linux's")
def test_a_hardened_process_leaves_no_core_and_admits_no_debugger():
    ran = subprocess.run(
        [sys.executable, "-c", HARDENED], cwd=ROOT, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert ran.stdout.strip() == "True (0, 0)"
