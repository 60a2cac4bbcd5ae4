"""The roles of the staff."""

from typing import Any

from django.db import migrations

from users import roles


def make_roles(apps: Any, editor: Any) -> None:
    roles.make(using=editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
