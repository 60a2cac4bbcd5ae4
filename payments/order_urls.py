"""/order/payment/…, which orders/urls.py includes: paying is a step of the order."""

from django.urls import path

from payments import views

urlpatterns = [path("<str:order_id>/", views.payment_page, name="payment_page")]
