"""Persons who may approve, and what waits for them."""

from django.contrib.auth.models import Permission

from trading.models import TradeIntent


def may_approve(user):
    """The user, with the right to decide."""
    user.user_permissions.add(Permission.objects.get(codename="add_approval"))
    return user


def waits(intent, *, persons=1):
    """The intent as it is where persons are asked."""
    TradeIntent.objects.filter(pk=intent.pk).update(status="PENDING", approvals_needed=persons)
    intent.refresh_from_db()
    return intent
