"""Every error code as an HTTP problem: its status and its title. The one place where errors become statuses."""

from __future__ import annotations

from typing import Final

from ireu_governance.core.errors import ErrorCode, IreuError

__all__ = ["CODES_OF_STATUS", "PROBLEM_KINDS", "status_of", "title_of"]

PROBLEM_KINDS: Final[dict[str, tuple[int, str]]] = {
    "input-malformed": (422, "Cannot be read as what it should be"),
    "input-too-large": (413, "Too large"),
    "input-missing": (404, "Not there"),
    "input-not-a-certificate": (422, "Not a certificate"),
    "input-not-a-receipt": (422, "Not a receipt"),
    "input-too-new": (422, "Of a later format"),
    "certificate-unknown": (404, "No such certificate"),
    "timestamp-unavailable": (502, "The time-stamping authority does not answer"),
    "portraits-empty": (422, "No photos"),
    "portrait-unreadable": (422, "A photo cannot be read"),
    "portrait-no-face": (422, "A photo shows no face"),
    "portraits-shared": (422, "A photo is in two places"),
    "portraits-unpaired": (422, "A face swap is missing"),
    "case-unknown": (404, "No such case"),
    "entry-unknown": (404, "No such entry"),
    "config-invalid": (500, "The service is not set up properly"),
    "workspace-missing": (500, "The service is not set up properly"),
    "workspace-exists": (409, "There already"),
    "key-unusable": (500, "A signing key of the service cannot be used"),
    "extra-missing": (501, "A part of the service is not installed"),
    "ledger-unavailable": (503, "The ledger cannot be used now"),
    "ledger-locked": (503, "The ledger is busy"),
    "ledger-rolled-back": (500, "The ledger contradicts what was published"),
    "network-unavailable": (502, "Another server does not answer"),
    "witness-quorum-missing": (503, "Too few witnesses"),
    "witness-refused": (502, "A witness refuses"),
    "witness-state-missing": (500, "A witness has lost its memory"),
    "monitor-state-unusable": (500, "A monitor has lost its memory"),
    "disk-full": (507, "The disk is full"),
    "encoder-unloadable": (422, "The encoder cannot be loaded"),
    "encoder-unsafe": (422, "The encoder holds pickled weights"),
    "encoder-answer": (502, "The encoder's server does not answer as it should"),
    "outbound-refused": (422, "An address that is not connected to"),
    "evidence-erased": (410, "The evidence was erased"),
    "request-out-of-order": (409, "Not the next step"),
    "job-unknown": (404, "No such job"),
    "job-unfinished": (409, "The job is not finished"),
    "job-cancelled": (409, "The job was cancelled"),
    "queue-unavailable": (503, "The queue of jobs cannot be reached"),
    "run-interrupted": (503, "Stopped before its end"),
    "run-not-resumable": (409, "Cannot be resumed"),
    "check-failed": (422, "A check failed"),
    "entry-void": (410, "The entry counts no more"),
    "service-unavailable": (503, "The service cannot answer now"),
    "not-authenticated": (401, "Who asks is not known"),
    "not-allowed": (403, "Not allowed"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "Method not allowed"),
    "media-type-unsupported": (415, "Media type not supported"),
    "request-timeout": (408, "The request took too long to arrive"),
    "rate-limited": (429, "Too many requests"),
    "access-key-unknown": (404, "No such access key"),
    "idempotency-key-reused": (422, "Idempotency-Key used for another request"),
    "idempotency-key-busy": (409, "The same request is being worked on"),
    "deployment-unknown": (404, "No such deployment"),
    "deployment-exists": (409, "There is a deployment of this name"),
    "alert-unknown": (404, "No such alert"),
    "webhook-unknown": (404, "No such webhook"),
    "hook-refused": (401, "An event that is not proven genuine"),
    "hook-replayed": (409, "An event that came before"),
    "internal-fault": (500, "A fault in the service"),
}
"""Status and title by code. A test compares the codes with `ErrorCode` and the manual."""

CODES_OF_STATUS: Final[dict[int, ErrorCode]] = {
    400: ErrorCode.INPUT_MALFORMED,
    401: ErrorCode.NOT_AUTHENTICATED,
    403: ErrorCode.NOT_ALLOWED,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    408: ErrorCode.REQUEST_TIMEOUT,
    413: ErrorCode.INPUT_TOO_LARGE,
    415: ErrorCode.MEDIA_TYPE_UNSUPPORTED,
    422: ErrorCode.INPUT_MALFORMED,
    429: ErrorCode.RATE_LIMITED,
    500: ErrorCode.INTERNAL_FAULT,
    503: ErrorCode.SERVICE_UNAVAILABLE,
}
"""What an answer of a framework means, by its status."""


def status_of(error: IreuError) -> int:
    """Return the HTTP status of an error."""
    return PROBLEM_KINDS[error.code.value][0]


def title_of(code: str) -> str:
    """Return the title of a kind of problem."""
    return PROBLEM_KINDS[code][1]
