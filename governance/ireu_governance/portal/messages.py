"""What a page says after a form has done its work.

The address carries the code alone, so that nobody can put words into the portal's mouth by a link.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MESSAGES"]

MESSAGES: Final = {
    "signed-in": "You are signed in.",
    "signed-out": "You are signed out.",
    "retest-ordered": "The re-test is in the queue. This page shows how far it is.",
    "certificate-issued": "The certificate was issued, and recorded.",
    "certificate-revoked": "The certificate was revoked, and that was recorded.",
    "published": "The case is published: everybody can see it now.",
    "withdrawn": "The case is shown to people without a key no longer. What the log says of it stays public.",
    "request-received": "The request was recorded. Its case id stands for the person from here on.",
    "request-accepted": "The request was accepted, and that was recorded.",
    "request-refused": "The request was refused, and that was recorded.",
    "request-extended": "The time to answer was extended, and that was recorded.",
    "request-informed": "That the recipients were told was recorded.",
    "request-done": "The request was recorded as done.",
    "job-cancelled": "The job was cancelled. What it had recorded before stays.",
    "deployment-added": "The deployment is watched from now on. Its first check is due at once.",
    "deployment-removed": "The deployment is watched no more.",
    "deployment-paused": "The deployment is paused: nothing tests it by itself until it is resumed.",
    "deployment-resumed": "The deployment is watched again.",
    "alert-acknowledged": "The alert was acknowledged.",
    "key-revoked": "The access key was revoked. Who is signed in with it is signed out.",
}
