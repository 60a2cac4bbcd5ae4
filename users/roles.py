"""Who of the staff may do what: three roles, as Django's groups.

    clerk     looks after the goods; sees orders, payments, refunds and what Alipay sent, and sends
              a letter again
    cashier   sees the same of orders and payments; asks Alipay, cancels, refunds up to the limit
    owner     everything of the shop, what a second operator must approve, and who is who

The first `migrate` makes them. From then on they are the shop's own: what an owner changes in the
admin stays changed. A role that is to get more later gets it from a migration.
"""

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

# Whose every permission the owner has.
SHOP = ("products", "orders", "payments", "books", "letters")
IN_VIEW_OF_ALL = (
    "orders.view_order",
    "orders.view_orderitem",
    "orders.view_event",
    "payments.view_payment",
    "payments.view_refund",
    "payments.view_notice",
    "letters.view_letter",
    "letters.resend_letter",
    "books.view_bill",
    "books.view_difference",
    "books.view_auditreport",
)
ROLES = {
    "clerk": (
        *IN_VIEW_OF_ALL,
        "products.view_category",
        "products.add_category",
        "products.change_category",
        "products.view_product",
        "products.add_product",
        "products.change_product",
        "products.view_stockmovement",
        "products.correct_stock",
    ),
    "cashier": (
        *IN_VIEW_OF_ALL,
        "payments.ask_payment",
        "payments.add_refund",
        "orders.cancel_order",
    ),
    # Nobody is deleted: who leaves is made inactive, and what they did keeps its name.
    "owner": (
        "users.view_user",
        "users.add_user",
        "users.change_user",
        "auth.view_group",
        "auth.add_group",
        "auth.change_group",
        "auth.delete_group",
    ),
}


def make_once(sender: Any, *, using: str, plan: Any = (), **_: Any) -> None:
    """Make the roles after the `migrate` that made the accounts, and never again."""
    done = {(migration.app_label, migration.name) for migration, _is_undone in plan}
    if ("users", "0001_initial") in done and not Group.objects.using(using).exists():
        make(using=using)


def make(*, using: str = "default") -> None:
    """Make each role, and give it what it may.

    Django writes an app's permissions down after the migrations of all; here all are needed.
    """
    for app in (*SHOP, "users", "auth"):
        create_permissions(apps.get_app_config(app), verbosity=0, using=using)
    permissions = Permission.objects.using(using)
    for role, names in ROLES.items():
        group = Group.objects.using(using).create(name=role)
        for name in names:
            app, codename = name.split(".")
            group.permissions.add(permissions.get(content_type__app_label=app, codename=codename))
    owner = Group.objects.using(using).get(name="owner")
    owner.permissions.add(*permissions.filter(content_type__app_label__in=SHOP))
