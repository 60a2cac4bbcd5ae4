"""Every address of the sandbox."""

from django.urls import include, path

from . import cashier
from .bills import links
from .console import buttons, pages
from .control.api import api
from .gateway.views import gateway

urlpatterns = [
    path("gateway.do", gateway),
    path("cashier/scan/", cashier.scan, name="scan"),
    path("cashier/qr/<str:code>", cashier.scanned, name="scanned"),
    path("cashier/<str:token>/", cashier.cashier, name="cashier"),
    path("cashier/<str:token>/login/", cashier.login, name="cashier_login"),
    path("cashier/<str:token>/pay/", cashier.pay, name="cashier_pay"),
    path("cashier/<str:token>/leave/", cashier.leave, name="cashier_leave"),
    path("cashier/<str:token>/done/", cashier.done, name="cashier_done"),
    path("cashier/<str:token>/status/", cashier.status, name="cashier_status"),
    path("cashier/<str:token>/qr.svg", cashier.qr, name="cashier_qr"),
    path("bills/downloadBillFile.resource", links.download),
    path("control/", api.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", pages.dashboard, name="dashboard"),
    path("trades/<str:app_id>/<str:out_trade_no>/", pages.trade_page, name="trade"),
    path("notices/", pages.notices_page, name="notices"),
    path("requests/", pages.requests_page, name="requests"),
    path("settings/", pages.settings_page, name="settings"),
    path("do/<str:action>/", buttons.button, name="button"),
]
