"""/order/…: the buyer's orders; paying and cancelling one are stories of payments."""

from django.urls import include, path

from core.api import api
from orders import views

app_name = "order"

# The typed operation itself, under the name that templates know.
buy_now = next(each for each in api.urls[0] if getattr(each, "name", "") == "buy_now")

urlpatterns = [
    buy_now,
    path("order/", include("payments.order_urls")),
    path("order/", views.order_list, name="list"),
    path("order/<str:order_id>/", views.order_detail, name="detail"),
]
