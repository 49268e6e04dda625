"""A resource server in Django: djangorestframework-simplejwt, configured by settings alone.

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8080 .venv/bin/python manage.py runserver "127.0.0.1:${PORT:-9000}"
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    execute_from_command_line(sys.argv)
