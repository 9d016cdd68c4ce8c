"""The verification service over HTTP, version 1. Start at `ireu_governance.api.app.create_app`.

Needs the `server` extra; nothing here imports torch or MLflow. Routes stand in `routes`, one module a subject.
"""
