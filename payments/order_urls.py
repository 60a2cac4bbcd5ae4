"""What orders/urls.py includes: paying an order, or cancelling it, is a matter of payments."""

from django.urls import path

from payments import views

urlpatterns = [
    path("payment/<str:order_id>/", views.payment_page, name="payment_page"),
    path("<str:order_id>/cancel/", views.cancel, name="cancel"),
]
