"""What the verification service remembers beside the ledger: who may ask, what is published, what was answered.

Nothing here is evidence. The tables can be lost without any proof failing; they hold no personal data.
"""
