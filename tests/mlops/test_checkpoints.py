"""A training that was killed goes on where it stopped, and ends with the same bytes."""

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops import checkpoints
from mlops.checkpoints import Folder
from tests.conftest import ROOT

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# Trains on a made-up world with the folder of pieces it is given, and tells every piece it ends.
PROGRAM = """
import hashlib, os, sys
from dataclasses import replace
from pathlib import Path
import django
django.setup()
from mlops import labels
from mlops.checkpoints import Folder
from mlops.core import learning
from mlops.models import LearningSettings
from predictions.core.roster import BY_SLUG
from tests.mlops.worlds import world

config = replace(LearningSettings(version=0).as_config(), folds=3, bootstrap=200, min_events=60,
                 min_rows=200, min_markets=60, min_cell_events=100, max_skill=0.3)
data = labels.examples(world(events=500, slope=2.0), until=None, config=config)
made = learning.learn(
    data, config=config, cap=0.7, seed=7, store=Folder(Path(sys.argv[1])), controlled=False,
    roles=[BY_SLUG[slug] for slug in ("recalibration", "sports", "ends-today")],
    progress=lambda done, total: print(done, total, flush=True),
)
blobs = [made.blend.to_bytes(), *(made.members[slug].to_bytes() for slug in sorted(made.members))]
print("sha", hashlib.sha256(b"".join(blobs)).hexdigest(), flush=True)
"""


@pytest.fixture
def root(tmp_path: Path, settings) -> Path:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path)
    return tmp_path


def test_a_piece_reads_back_and_a_changed_or_cut_one_is_missing(root: Path) -> None:
    folder = checkpoints.opened({"data": "a"}, as_of=NOW)

    folder.put("sports-3", b"corrections")

    assert folder.get("sports-3") == b"corrections"
    assert folder.get("sports-4") is None
    whole = (folder.path / "sports-3").read_bytes()
    for wrong in (whole[:-1], whole[:-1] + b"X", b""):
        (folder.path / "sports-3").write_bytes(wrong)
        assert folder.get("sports-3") is None
    (folder.path / "sports-5").write_bytes(whole)
    assert folder.get("sports-5") is None


def test_whatever_decides_the_bytes_names_the_folder_and_old_ones_are_removed(root: Path) -> None:
    first = checkpoints.opened({"data": "a", "seed": 1}, as_of=NOW)
    first.put("piece", b"1")

    again = checkpoints.opened({"seed": 1, "data": "a"}, as_of=NOW)
    other = checkpoints.opened({"data": "a", "seed": 2}, as_of=NOW + timedelta(hours=1))

    assert again.get("piece") == b"1"
    assert other.get("piece") is None
    checkpoints.opened({"data": "b"}, as_of=NOW + timedelta(days=3))
    assert not first.path.exists()


def started(folder: Path) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_training_goes_on_and_gives_the_bytes_of_an_undisturbed_one(root: Path) -> None:
    calm = started(root / "calm")
    undisturbed, _ = calm.communicate()
    total = len(undisturbed.splitlines()) - 1
    killed = started(root / "killed")
    assert killed.stdout is not None
    for _ in range(total // 2):
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = {path.name: path.read_bytes() for path in (root / "killed").glob("[!.]*")}
    assert 0 < len(left) < len(list((root / "calm").glob("[!.]*")))

    resumed, _ = started(root / "killed").communicate()

    assert resumed.splitlines()[-1] == undisturbed.splitlines()[-1]
    assert undisturbed.splitlines()[-1].startswith("sha ")
    for name, content in left.items():
        # Finished pieces were used, not made again.
        digest = hashlib.sha256((root / "killed" / name).read_bytes()).hexdigest()
        assert digest == hashlib.sha256(content).hexdigest()
    assert Folder(root / "killed").pieces() == Folder(root / "calm").pieces()
