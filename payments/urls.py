"""/payments/…: Alipay calls one of these, and sends the buyer back to another."""

from django.urls import path

from payments import views
from payments.notify import notify

app_name = "payments"

urlpatterns = [
    path("payments/alipay/notify/", notify, name="alipay_notify"),
    # Whoever writes the address by hand may forget the slash; a redirect would lose the notice.
    path("payments/alipay/notify", notify),
    path("payments/alipay/return/", views.payment_return, name="payment_return"),
    path("payments/<str:order_id>/panel/", views.panel, name="panel"),
    path("payments/<str:order_id>/qr/", views.qr, name="qr"),
]
