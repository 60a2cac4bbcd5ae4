"""Every address of the shop."""

from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.static import serve

from core import health
from core.api import api

urlpatterns = [
    path("", include("products.urls")),
    path("", include("orders.urls")),
    path("", include("payments.urls")),
    path("users/", include("users.urls")),
    path("", api.urls),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("favicon.ico", RedirectView.as_view(url=static("core/brand/favicon.svg"))),
    path("healthz", health.alive),
    path("readyz", health.ready),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
]

handler400 = "core.problems.bad_request"
handler403 = "core.problems.forbidden"
handler404 = "core.problems.not_found"
handler500 = "core.problems.server_error"
