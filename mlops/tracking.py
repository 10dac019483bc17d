"""Training runs in MLflow, for those who keep their experiments there. Nothing depends on it.

The tables `TrainingRun`, `ModelVersion` and `Evaluation` are the record. Where the settings
name a tracking address and the library is installed (`pip install mlflow-skinny`), each finished
training is copied there; a tracker that cannot be reached costs a warning, never a training.
"""

import json
from importlib import import_module
from typing import Any

import structlog

from mlops.models import TrainingRun

log = structlog.get_logger(__name__)

EXPERIMENT = "oddsmith"


def record(run: TrainingRun, *, uri: str) -> bool:
    """Copy a finished run to the tracker at `uri`; False where not asked or not possible."""
    if not uri:
        return False
    try:
        client = import_module("mlflow").MlflowClient(tracking_uri=uri)
        _write(client, run)
    except Exception as trouble:
        log.warning("tracking.failed", run=run.pk, reason=repr(trouble))
        return False
    return True


def _write(client: Any, run: TrainingRun) -> None:
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
    started = int(run.started_at.timestamp() * 1000)
    copy = client.create_run(
        experiment,
        start_time=started,
        run_name=f"training {run.pk}",
        tags={"horizon": run.horizon, "code_version": run.code_version, "status": run.status},
    )
    for name, value in _figures(run).items():
        client.log_metric(copy.info.run_id, name, value)
    for name in ("seed", "trials", "dataset_id", "version_id"):
        client.log_param(copy.info.run_id, name, getattr(run, name))
    client.set_terminated(copy.info.run_id, "FINISHED" if run.version_id else "FAILED")


def _figures(run: TrainingRun) -> dict[str, float]:
    """The out-of-fold scores that are numbers."""
    overall = json.loads(run.metrics).get("out_of_fold", {})
    return {name: float(value) for name, value in overall.items() if isinstance(value, int | float)}
