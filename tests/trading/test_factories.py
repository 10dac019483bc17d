"""Every factory writes a row that the database accepts."""

import inspect

import factory
import pytest

from tests import factories

ALL = [
    value
    for _name, value in inspect.getmembers(factories, inspect.isclass)
    if issubclass(value, factory.django.DjangoModelFactory) and value._meta.model is not None
]


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize("make", ALL, ids=lambda f: f.__name__)
def test_every_factory_writes_a_valid_row(make):
    row = make()

    assert row.pk is not None


@pytest.mark.django_db
def test_settings_are_revised_one_version_at_a_time():
    factories.risk_limits(max_positions=3)
    second = factories.risk_limits(cooldown_s=1)

    assert (second.version, second.max_positions, second.cooldown_s) == (2, 3, 1)
