"""The roles are made by the first migrate; from then on they are the shop's own."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command


@pytest.mark.django_db
def test_what_an_owner_deleted_stays_deleted() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == {"clerk", "cashier", "owner"}
    Group.objects.all().delete()

    call_command("migrate", verbosity=0)

    assert not Group.objects.exists()
