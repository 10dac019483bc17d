"""The booster over the whole universe gave way to one expert per slice."""

import json

from django.db import migrations
from django.db.models.functions import Now

SLUG = "lightgbm-residual"


def deprecate(apps, editor):
    """Its row and versions stay; where it ever was trained, the move says why."""
    Expert = apps.get_model("predictions", "Expert")
    for expert in Expert.objects.filter(slug=SLUG).exclude(state="DEPRECATED"):
        if expert.state != "UNTRAINED":
            apps.get_model("mlops", "ExpertTransition").objects.create(
                expert=expert,
                moved_at=Now(),
                before=expert.state,
                after="DEPRECATED",
                version=expert.served,
                actor="migration",
                evidence=json.dumps({"reason": "experts of slices took its place"}),
            )
        expert.state = "DEPRECATED"
        expert.save(update_fields=["state"])


class Migration(migrations.Migration):
    dependencies = [("mlops", "0007_scores_stay_final"), ("predictions", "0004_facts_stay_final")]

    operations = [migrations.RunPython(deprecate, migrations.RunPython.noop)]
