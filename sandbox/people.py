"""The people's page: everything that goes on here, and a button for all of it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from .behaviour import rules
from .clock import clock
from .models import Fault, Merchant, Notice, Trade
from .requestlog import requests


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    context = {
        "now": clock.now(),
        "mode": clock.mode,
        "merchants": Merchant.objects.order_by("pk"),
        "trades": Trade.objects.select_related("merchant", "buyer").order_by("-pk")[:50],
        "notices": Notice.objects.select_related("trade")
        .prefetch_related("attempts")
        .order_by("-pk")[:50],
        "faults": Fault.objects.all(),
        "policy": rules.policy,
        "requests": requests.last(50),
    }
    return render(request, "sandbox/dashboard.html", context)
