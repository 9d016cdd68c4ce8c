"""How ireu talks to MLflow: quietly, at one address only while it does, and with errors of its own."""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from ireu_governance.core.errors import ConfigError, ErrorCode

__all__ = ["directed_at", "few_retries", "first_line", "quiet", "reported"]

P = ParamSpec("P")
R = TypeVar("R")


_USER = re.compile(r"(?<=://)[^/@\s]+@")


def first_line(text: object) -> str:
    """Return the beginning of an address or a message without the user and password that may stand in it."""
    lines = str(text).strip().splitlines()
    return _USER.sub("", lines[0])[:160] if lines else type(text).__name__


def reported(method: Callable[P, R]) -> Callable[P, R]:
    """Turn what MLflow raises when its server or disk fails in mid-run into an error of ireu's own."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return method(*args, **kwargs)
        except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
            text = str(error)
            full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in text
            raise ConfigError(
                f"MLflow cannot log: {first_line(error)}",
                hint="Free some space on its disk." if full else "Check its server or database.",
                code=ErrorCode.DISK_FULL if full else None,
            ) from error

    return guarded


@contextmanager
def directed_at(uri: str | None) -> Iterator[None]:
    """Direct MLflow's fluent calls at a server while the block runs.

    MLflow also writes the address into the environment. Left there, a second workspace of the same process would
    take the first one's database for a server that its operator has set.

    Args:
        uri: The server; None leaves MLflow as it is.
    """
    import mlflow

    if uri is None:
        yield
        return
    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ.get(name) for name in names}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before["MLFLOW_TRACKING_URI"])
        mlflow.set_registry_uri(before["MLFLOW_REGISTRY_URI"])
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def few_retries() -> Iterator[None]:
    """Have MLflow give up on a server within seconds, unless the operator says how often it shall try.

    Its own seven retries take minutes; when a removal begins, nobody waits in silence for a server that is down.
    """
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = "2"
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep MLflow's own chatter (progress, migrations, advice) off the terminal."""
    import logging
    import warnings

    names = ("mlflow", "alembic")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    before = os.environ.get("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if before is None:
            os.environ.pop("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", None)
        else:
            os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = before
