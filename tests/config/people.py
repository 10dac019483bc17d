"""Who looks at the admin in a test."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests import factories as make


@pytest.fixture
def client() -> Client:
    user = get_user_model().objects.create_superuser("grace", password="a long test password")
    signed_in = Client()
    signed_in.force_login(user)
    return signed_in


def staff_without_rights() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in
