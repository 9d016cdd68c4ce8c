"""Changing the keys of a workspace: planned rotation, revocation after a theft, and changes that two people sign.

A change passes through these states, and each leaves a trace by which the next run knows it:

========== ============================================== ============================== =====================
state      trace                                          keys in force                  the next run
========== ============================================== ============================== =====================
(none)     no ``keys/next.json``                          those of ``keys.json``         begins a change
proposed   ``keys/next.json`` that waits for signatures   those of ``keys.json``         waits for ``--apply``
prepared   ``keys/next.json``, fully signed               those of ``keys.json``         takes it back
recorded   the ledger has the entry, and a note in its    the new ones; whoever has the  finishes it
           table ``meta`` (one transaction)               old key file cannot append
finished   ``keys.json`` is the new one, the old one is   the new ones                   (as if none)
           in ``keys/history``; ``next.json`` is gone
========== ============================================== ============================== =====================

Everything before the transaction changes nothing that counts, and everything after it can be done twice.
"""

from ireu_governance.rotation.changes import ChangeResult, revoke, rotate
from ireu_governance.rotation.planning import KeyRequest, request_revocation
from ireu_governance.rotation.proposals import apply, propose, withdraw

__all__ = ["ChangeResult", "KeyRequest", "apply", "propose", "request_revocation", "revoke", "rotate", "withdraw"]
