"""One view, which requires a valid access token (see settings.REST_FRAMEWORK)."""

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view(["GET"])
def me(request):
    return Response(
        {
            "sub": request.auth["sub"],
            "user_id": request.user.id,
            "username": request.user.username,
            "sid": request.auth["sid"],
        }
    )


urlpatterns = [path("me", me)]
