"""Witnesses: being one for the logs of others, and asking them to cosign the own log's heads.

`state.py` decides what may be cosigned and touches nothing; `store.py` remembers it, one row for each log; `app.py`
answers over HTTP (C2SP tlog-witness). `client.py` submits a head to one witness; `publishing.py` signs a head, asks
all witnesses of a policy, and publishes. Importing this package costs nothing.
"""
