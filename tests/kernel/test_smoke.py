import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from config.kernel import audit
from config.kernel.models import DomainEvent


@pytest.mark.django_db
def test_an_event_cannot_be_rewritten_by_sql(fact_triggers: None) -> None:
    audit.record("halt.opened", actor="ann", subject="all", data={}, as_of=timezone.now())

    with pytest.raises(IntegrityError, match="facts"), connection.cursor() as cursor:
        cursor.execute("UPDATE kernel_domainevent SET actor = 'bob'")


@pytest.mark.django_db
def test_the_chain_is_intact_after_three_events() -> None:
    for kind in ("a.done", "b.done", "c.done"):
        audit.record(kind, actor="ann", subject="x", data={"n": 1}, as_of=timezone.now())

    assert audit.first_broken() is None
    assert DomainEvent.objects.count() == 3
