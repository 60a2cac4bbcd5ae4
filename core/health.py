"""Whether the shop is alive, and whether it can sell.

A late worker does not make a shop unready: what is due waits in the database. It is told, so that
somebody looks.
"""

from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from core.models import Tick

# The worker ticks every minute.
LATE = timedelta(minutes=3)


@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and is migrated, else 503; and the worker's last tick."""
    told: dict[str, object] = {"database": "ok", "migrations": "ok"}
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            told["migrations"] = "missing"
            return JsonResponse(told, status=503)
        last = Tick.objects.values_list("at", flat=True).first()
    except DatabaseError:
        return JsonResponse({"database": "unreachable"}, status=503)
    told["worker"] = {"status": "late" if is_late(last) else "ok", "last_tick_at": last}
    return JsonResponse(told)


def is_late(last_tick_at: datetime | None) -> bool:
    """Say whether the worker should have ticked again by now."""
    return last_tick_at is None or timezone.now() - last_tick_at > LATE
