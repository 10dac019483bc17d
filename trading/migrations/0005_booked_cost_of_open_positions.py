from decimal import Decimal
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Sum

MICRO = Decimal("0.000001")


def booked_by_the_ledger(apps: Any, _editor: BaseDatabaseSchemaEditor) -> None:
    """A market had one side until now: what the ledger holds for it is what its shares cost."""
    transfers = apps.get_model("trading", "Transfer").objects
    for position in apps.get_model("trading", "Position").objects.filter(shares__gt=0):
        here = transfers.filter(
            mode=position.mode, wallet=position.wallet, market_id=position.market_id
        )
        arrived = here.filter(credit="POSITIONS").aggregate(s=Sum("amount"))["s"] or Decimal(0)
        went = here.filter(debit="POSITIONS").aggregate(s=Sum("amount"))["s"] or Decimal(0)
        position.booked = (Decimal(arrived) - Decimal(went)).quantize(MICRO)
        position.save(update_fields=["booked"])


class Migration(migrations.Migration):
    """Positions that were open before learn what the ledger holds of their cost."""

    dependencies = [("trading", "0004_facts_stay_final")]

    operations = [migrations.RunPython(booked_by_the_ledger, migrations.RunPython.noop)]
