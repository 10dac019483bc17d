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

from mlops import checkpoints, labels
from mlops.checkpoints import Folder
from mlops.core import learning
from mlops.core.oof import Progress
from mlops.models import LearningSettings
from predictions.core.roster import BY_SLUG
from tests.conftest import ROOT
from tests.mlops.worlds import world

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KILLED = """
import sys
from pathlib import Path
import django
django.setup()
from tests.mlops.test_checkpoints import learned

learned(Path(sys.argv[1]), tell=lambda done, total: print(done, total, flush=True))
"""


def learned(folder: Path, *, tell: Progress) -> str:
    """Train on a made-up world with this folder of pieces, telling each that ends; the digest."""
    config = replace(
        LearningSettings(version=0).as_config(),
        folds=3, bootstrap=200, min_events=60, min_rows=200, min_markets=60, min_cell_events=100,
        max_skill=0.3,
    )  # fmt: skip
    made = learning.learn(
        labels.examples(world(events=300, slope=2.0), until=None, config=config),
        config=config,
        cap=0.7,
        seed=7,
        store=Folder(folder),
        controlled=False,
        roles=[BY_SLUG[slug] for slug in ("recalibration", "sports", "ends-today")],
        progress=tell,
    )
    members = (made.members[slug].to_bytes() for slug in sorted(made.members))
    return hashlib.sha256(b"".join([made.blend.to_bytes(), *members])).hexdigest()


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


def killed_half_way(folder: Path, *, pieces: int) -> None:
    """Train in a process of its own, and kill it when so many pieces have ended."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(pieces):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)


def test_a_killed_training_goes_on_and_gives_the_bytes_of_an_undisturbed_one(root: Path) -> None:
    calm, killed = root / "calm", root / "killed"
    calm.mkdir()
    killed.mkdir()
    ended: list[int] = []
    undisturbed = learned(calm, tell=lambda done, _total: ended.append(done))

    killed_half_way(killed, pieces=len(ended) // 2)
    left = {path.name: path.stat() for path in killed.glob("[!.]*")}
    assert 0 < len(left) < Folder(calm).pieces()
    resumed = learned(killed, tell=lambda _done, _total: None)

    assert resumed == undisturbed
    for name, before in left.items():
        # Finished pieces were used, not made again: one that is made is a new file.
        after = (killed / name).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert (killed / name).read_bytes() == (calm / name).read_bytes()
    assert Folder(killed).pieces() == Folder(calm).pieces()
