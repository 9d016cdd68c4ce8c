"""A client of the verification service, for programs: `Client`, and the documents that it returns.

It does not believe what it is told: entries, proofs and receipts are verified here, against a key file that its user
has got directly from the organisation.
"""

from ireu_governance.client.client import Client
from ireu_governance.client.documents import Alert, Deployment, Entry, RemovalFound, Verification
from ireu_governance.client.wire import ENVIRONMENT, read_access_key

__all__ = [
    "ENVIRONMENT",
    "Alert",
    "Client",
    "Deployment",
    "Entry",
    "RemovalFound",
    "Verification",
    "read_access_key",
]
