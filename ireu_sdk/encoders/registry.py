"""What a moving name in an MLflow registry stands for now."""

from __future__ import annotations

import os

from ireu_governance.core.errors import EncoderError

__all__ = ["resolve_alias"]


def resolve_alias(uri: str, *, tracking_uri: str | None) -> str:
    """Return the version that a name stands for.

    Args:
        uri: ``models:/name@alias``; anything else is returned as it is.
        tracking_uri: Where the registry is.

    Returns:
        ``models:/name/version``.

    Raises:
        EncoderError: The registry has no such alias, or cannot be asked.
    """
    name, _, alias = uri.removeprefix("models:/").rpartition("@")
    if not name or (tracking_uri is None and not os.environ.get("MLFLOW_TRACKING_URI")):
        return uri
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from ireu_sdk.mlflow_session import quiet

    with quiet():
        try:
            client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
            return f"models:/{name}/{client.get_model_version_by_alias(name, alias).version}"
        except (MlflowException, OSError) as error:
            raise EncoderError(
                f"'{uri}' cannot be looked up in the registry.",
                hint="Write models:/name/version or models:/name@alias, and check that the registry can be reached.",
            ) from error
