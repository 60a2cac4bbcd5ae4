"""Each role sees the letters, and may send one again."""

from typing import Any

from django.db import migrations

from users import roles


def make_roles(apps: Any, editor: Any) -> None:
    roles.make(using=editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("letters", "0001_letters"),
        ("users", "0002_roles"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
