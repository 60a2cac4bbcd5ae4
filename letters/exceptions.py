"""What the post may refuse.

Problem
└── StillOnItsWay   409, a copy waits to be sent: another one would come twice
"""

from django.utils.translation import gettext_lazy as _

from core.problems import Problem


class StillOnItsWay(Problem):
    status, slug = 409, "letter-still-on-its-way"
    title = _("This email is still on its way")
    detail = _("The shop tries to send it by itself; look here what became of it.")
