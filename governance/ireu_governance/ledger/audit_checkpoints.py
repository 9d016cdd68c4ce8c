"""The audit's look at checkpoints: the published file, the stored rows, and the entries under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.times import parse_time
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.read import verified_checkpoint

__all__ = ["CheckpointAudit"]


class CheckpointAudit:
    """Verifies checkpoints and compares their roots with those of the entries.

    Args:
        key_file: Whose keys count.
        findings: Where to report.
        first: Number of the first entry that is read; stored checkpoints of smaller sizes are not looked at.

    Attributes:
        checked: Number of checkpoints whose root was recomputed and compared.
        not_compared: Sizes whose root cannot be recomputed because an entry is damaged.
    """

    def __init__(self, key_file: KeyFile, findings: FindingList, *, first: int = 0) -> None:
        self._key_file = key_file
        self._findings = findings
        self._first = first
        self.checked = 0
        self.not_compared: set[int] = set()
        self._file: Checkpoint | None = None
        self._has_file = False
        self._rows: list[Checkpoint] = []
        self._row_sizes: set[int] = set()
        self._texts: dict[int, str] = {}

    @property
    def published(self) -> int:
        """Size of the published checkpoint, 0 without one that verifies."""
        return self._file.size if self._file else 0

    @property
    def stored(self) -> int:
        """Size of the largest stored checkpoint that verifies, 0 without one."""
        return max((each.size for each in self._rows), default=0)

    @property
    def sizes(self) -> set[int]:
        """Sizes of all checkpoints that verify."""
        return {each.size for each in (*self._rows, *([self._file] if self._file else []))}

    def read_file(self, data: bytes | None) -> None:
        """Verify the published checkpoint.

        Args:
            data: Content of its file; None when there is none.
        """
        if data is None:
            return
        self._has_file = True
        self._file = self._open(data.decode("utf-8", "backslashreplace"), None, "The published checkpoint")

    @property
    def texts(self) -> dict[int, str]:
        """Signed notes of the stored checkpoints that verify, by size."""
        return {each.size: self._texts[each.size] for each in self._rows}

    def read_rows(self, rows: Iterable[Sequence[object]], *, number: int = 0) -> None:
        """Verify stored checkpoints.

        Args:
            rows: Columns size, number, text and published_at of `checkpoints`, by size, from `first` on.
            number: Number of the first of them.
        """
        expected = number
        for size, found, text, published_at in rows:
            if not isinstance(size, int) or not isinstance(found, int) or not isinstance(text, str):
                self._add(FindingKind.CHECKPOINT_INVALID, None, "A stored checkpoint is no checkpoint at all.")
                continue
            self._row_sizes.add(size)
            if found > expected:
                which = f"number {expected}" if found == expected + 1 else f"{expected} to {found - 1}"
                self._add(FindingKind.MISSING, size, f"A checkpoint before this one was taken out: {which}.")
            elif found < expected:
                self._add(FindingKind.CHECKPOINT_INVALID, size, "The stored checkpoint has a false number.")
            expected = found + 1
            checkpoint = self._open(text, size, "The stored checkpoint")
            if checkpoint is None:
                continue
            if checkpoint.size != size:
                self._add(FindingKind.CHECKPOINT_INVALID, size, "The checkpoint is stored under a false size.")
            elif not _is_time(published_at):
                self._add(FindingKind.CHECKPOINT_INVALID, size, "The checkpoint's time of publication is none.")
            else:
                self._rows.append(checkpoint)
                self._texts[size] = text

    def compare(self, roots: Mapping[int, bytes | None], *, size: int) -> None:
        """Compare every verified checkpoint with the entries.

        Args:
            roots: The entries' roots at `sizes`, None where one cannot be recomputed.
            size: Number of entries.
        """
        claims = sorted([*self._rows, *([self._file] if self._file else [])], key=lambda each: each.size)
        agreed, forked = [0], False
        for each in claims:
            if each.size not in roots:
                continue  # beyond the end, which is reported as that
            root = roots[each.size]
            if root is None:
                self.not_compared.add(each.size)
                continue
            self.checked += 1
            if root == each.root:
                agreed.append(each.size)
            elif not forked:
                forked = True
                self._findings.add(
                    FindingKind.FORKED,
                    # From the last smaller head on that the entries do have.
                    max((size for size in agreed if size < each.size), default=0),
                    f"Not all of these entries are those that checkpoint {each.size} was signed over.",
                    until=max(each.size - 1, 0),
                )
        if self._file and self._first <= self._file.size <= size and self._file.size not in self._row_sizes:
            self._add(
                FindingKind.MISSING,
                self._file.size,
                "The published checkpoint was taken out of the database.",
            )

    def compare_older(self, proves: Callable[[Checkpoint], bool]) -> None:
        """Compare a published checkpoint that is older than the former audit with what that audit had read.

        Args:
            proves: Returns whether the former audit's head provably continues a checkpoint.
        """
        if self._file is None or not 0 < self._file.size < self._first:
            return
        self.checked += 1
        if not proves(self._file):
            self._findings.add(
                FindingKind.FORKED,
                0,
                f"Nothing shows that what the former audit read continues the published checkpoint {self._file.size}.",
                until=self._file.size - 1,
            )

    def expect_file(self, read_again: Callable[[], bytes | None]) -> None:
        """Report when there are stored checkpoints and no published one.

        Args:
            read_again: Reads the file once more; asked when the only checkpoint may be being published now.
        """
        if not self._row_sizes or self._has_file:
            return
        if len(self._row_sizes) > 1 or read_again() is None:
            self._add(FindingKind.MISSING, None, "The file of the published checkpoint is missing.")

    def _open(self, text: str, size: int | None, what: str) -> Checkpoint | None:
        try:
            return verified_checkpoint(text, self._key_file)
        except (InputError, VerificationError) as error:
            self._add(FindingKind.CHECKPOINT_INVALID, size, f"{what} is none of this log: {error.message}")
            return None

    def _add(self, kind: FindingKind, size: int | None, message: str) -> None:
        # A checkpoint is named by the last entry that it covers.
        self._findings.add(kind, None if size is None else max(size - 1, 0), message)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_time(value))
    except InputError:
        return False
