"""/order/…: the buyer's orders; paying and cancelling one are stories of payments."""

from django.urls import include, path

from core.api import operation
from orders import views

app_name = "order"

urlpatterns = [
    operation("buy_now"),
    path("order/", include("payments.order_urls")),
    path("order/", views.order_list, name="list"),
    path("order/<str:order_id>/", views.order_detail, name="detail"),
]
