"""Any order of lawful deeds gives a ledger that holds, and whoever follows it from the outside gets no alarm.

An organisation does what its commands let it do, in an order that hypothesis chooses. After each deed the whole audit
finds nothing, and so do an audit that goes on where it ended and monitors that know the newest or the first key file.
At the end everything that was ever handed out is verified again, and every file is searched for the people. Between
the deeds somebody changes one row in a copy of the database, and the audit of the copy finds it.

More of them, and other ones: IREU_TEST_HISTORIES=100 IREU_TEST_STEPS=40, and pytest's --hypothesis-seed.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from fixtures.organisation import PERSON, IssuedCertificate, Organisation
from fixtures.tampering import SIGNED, tamper_with
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from ireu_governance.core import merkle
from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.checkpoint import SignedNote
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.proof import LogProof
from ireu_governance.core.status import StatusList
from ireu_governance.core.times import now
from ireu_governance.core.verdict import Verdict
from ireu_governance.core.verifier_key import KeyKind, VerifierKey
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.pack_verification import verify_pack
from ireu_governance.issuing import tsa_roots_of
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.audit_state import load_state, save_state
from ireu_governance.ledger.monitor import follow
from ireu_governance.ledger.revocation import make_status_list, read_withdrawals
from ireu_governance.ledger.stamps import stamp_verifier
from ireu_governance.log_places import open_log
from ireu_governance.witness.publishing import load_policy

STEPS = int(os.environ.get("IREU_TEST_STEPS", "16"))
HISTORIES = int(os.environ.get("IREU_TEST_HISTORIES", "4"))

numbers = st.integers(0, 10_000)
verdicts = st.sampled_from(["holds", "holds", "holds", "resurfaced"])
published = st.sampled_from([True, True, False])
roles = st.sampled_from([Role.RECORD, Role.LOG, Role.ROOT])


class Reader:
    """Somebody outside who looks at an organisation again and again, and keeps what they saw."""

    def __init__(self, organisation: Organisation, folder: Path) -> None:
        self.organisation = organisation
        self.folder = folder
        self.first_keys = organisation.workspace.key_file()

    def audit(self, *, since: bool) -> AuditReport:
        """Audit the workspace; with `since`, from where the audit before ended."""
        workspace, state = self.organisation.workspace, self.folder / "audit-state"
        roots = tsa_roots_of(workspace)
        assert roots is not None
        report = audit(
            workspace.ledger_location,
            key_file=workspace.key_file(),
            checkpoint_path=workspace.checkpoint_path,
            checkpoint_copies=workspace.checkpoint_copies,
            since=load_state(state) if since and state.exists() else None,
            policy=load_policy(workspace.root / "policy.txt"),
            verify_stamp=stamp_verifier(roots),
        )
        if since and report.state is not None:
            save_state(state, report.state)
        return report

    def monitor(self, place: Path, keys: KeyFile | None, name: str, *, everything: bool = False) -> None:
        """Look at the log as one who has these keys, and remembers under this name what they saw."""
        with open_log(str(place)) as source:
            report = follow(source, self.folder / name, key_file=keys, everything=everything)
        assert report.alarms == (), name
        assert report.verdict is Verdict.HOLDS


class LawfulDeeds(RuleBasedStateMachine):
    """What people in the organisation do."""

    template: Organisation

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="deeds-"))
        self.organisation = self.template.copy(self.folder / "organisation")
        (self.folder / "reader").mkdir()
        self.reader = Reader(self.organisation, self.folder / "reader")
        self.log = (self.folder / "log").open("w+")
        self.handler = logging.StreamHandler(self.log)
        logging.getLogger().addHandler(self.handler)

    # Choices -------------------------------------------------------------------------------------------------

    def case(self, number: int) -> str:
        return self.organisation.cases[-1 - number % len(self.organisation.cases)]

    def removal(self, number: int) -> tuple[int, str]:
        return self.organisation.removals[-1 - number % len(self.organisation.removals)]

    def certificate(self, number: int) -> IssuedCertificate:
        return self.organisation.certificates[-1 - number % len(self.organisation.certificates)]

    def has_cases(self) -> bool:
        return bool(self.organisation.cases)

    def has_removals(self) -> bool:
        return bool(self.organisation.removals)

    def has_certificates(self) -> bool:
        return bool(self.organisation.certificates)

    # Deeds ---------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        assert self.organisation.receive()
        self.holds()

    @rule()
    def receive(self) -> None:
        assert self.organisation.receive()
        self.holds()

    @precondition(has_cases)
    @rule(event=st.sampled_from(["extended", "accepted", "accepted", "refused"]), number=numbers)
    def decide(self, event: str, number: int) -> None:
        self.organisation.step(event, self.case(number))
        self.holds()

    @precondition(has_cases)
    @rule(number=numbers, verdict=verdicts)
    def carry_out(self, number: int, verdict: str) -> None:
        self.organisation.carry_out(self.case(number), verdict=verdict)
        self.holds()

    @precondition(has_removals)
    @rule(event=st.sampled_from(["done", "informed"]), number=numbers)
    def finish(self, event: str, number: int) -> None:
        seq, case_id = self.removal(number)
        self.organisation.step(event, case_id, seq)
        self.holds()

    @precondition(has_removals)
    @rule(number=numbers, verdict=verdicts)
    def retest(self, number: int, verdict: str) -> None:
        self.organisation.retest(*self.removal(number), verdict=verdict)
        self.holds()

    @precondition(has_removals)
    @rule(number=numbers)
    def certify(self, number: int) -> None:
        self.organisation.certify(self.removal(number)[0])
        self.holds()

    @precondition(has_certificates)
    @rule(number=numbers, reason=numbers)
    def withdraw(self, number: int, reason: int) -> None:
        self.organisation.withdraw(self.certificate(number), reason)
        self.holds()

    @precondition(has_certificates)
    @rule(number=numbers)
    def stamp_certificate(self, number: int) -> None:
        self.organisation.stamp_certificate(self.certificate(number))
        self.holds()

    @rule(role=roles, publish=published)
    def rotate(self, role: Role, publish: bool) -> None:
        assert self.organisation.change_key(role, publish=publish)
        self.holds()

    @rule(role=roles, back=st.integers(0, 12), publish=published)
    def lose_key(self, role: Role, back: int, publish: bool) -> None:
        self.organisation.change_key(role, from_size=self.stolen_from(role, back), publish=publish)
        self.holds()

    @rule(role=roles, back=st.integers(0, 12), pick=numbers)
    def revoke_key(self, role: Role, back: int, pick: int) -> None:
        self.organisation.change_key(role, from_size=self.stolen_from(role, back), pick=pick)
        self.holds()

    def stolen_from(self, role: Role, back: int) -> int:
        """Return from where on a stolen key counts no more; audits report heads that it signed from there on."""
        size = self.organisation.size()
        return max(size - back, max(self.organisation.heads, default=0) + 1 if role is Role.LOG else 0)

    @rule()
    def publish(self) -> None:
        assert self.organisation.publish()
        self.holds()

    @rule()
    def stamp(self) -> None:
        assert self.organisation.stamp()
        self.holds()

    @precondition(has_cases)
    @rule(number=numbers)
    def erase(self, number: int) -> None:
        self.organisation.erase(self.case(number))
        self.holds()

    @precondition(has_cases)
    @rule(number=numbers)
    def pack(self, number: int) -> None:
        pack = self.organisation.pack(self.case(number))
        if pack is not None:
            assert verify_pack(pack.data, key_file=self.organisation.workspace.key_file()).verdict is Verdict.HOLDS
            assert PERSON.encode() not in pack.data

    @rule()
    def export(self) -> None:
        waiting = self.organisation.has_unpublished_keys()
        assert self.organisation.export() is not waiting
        if waiting:
            return
        keys = self.organisation.workspace.key_file()
        report = audit_folder(self.organisation.public, key_file=keys)
        assert report.findings == ()
        for name, given in (("none", None), ("newest", keys), ("first", self.reader.first_keys)):
            self.reader.monitor(self.organisation.public, given, f"export-{name}")
            self.reader.monitor(self.organisation.public, given, f"export-{name}", everything=True)

    # Somebody else's deed ------------------------------------------------------------------------------------

    @rule(table=st.sampled_from(sorted(SIGNED)), row=numbers, column=numbers, by=numbers)
    def tamper(self, table: str, row: int, column: int, by: int) -> None:
        """Change, take out or double one row of a copy of the database: the audit of the copy finds it."""
        copy = self.organisation.copy(self.folder / "tampered")
        what = tamper_with(copy.workspace.ledger_path, table, row, column, by)
        if what is not None:
            assert Reader(copy, self.reader.folder).audit(since=False).findings, what
        shutil.rmtree(copy.folder)

    # What must be so -----------------------------------------------------------------------------------------

    def holds(self) -> None:
        """Audit everything, and what is new; look at the log with each key file."""
        whole, further = self.reader.audit(since=False), self.reader.audit(since=True)
        assert whole.findings == ()
        assert further.findings == ()
        assert (whole.size, whole.root) == (further.size, further.root)
        root = self.organisation.root
        for name, given in (
            ("none", None),
            ("newest", self.organisation.workspace.key_file()),
            ("first", self.reader.first_keys),
        ):
            self.reader.monitor(root, given, f"workspace-{name}")

    def teardown(self) -> None:
        try:
            self.certificates_say_what_is_promised()
            self.proofs_hold()
            self.nobody_is_named()
        finally:
            logging.getLogger().removeHandler(self.handler)
            self.log.close()
            shutil.rmtree(self.folder)

    def certificates_say_what_is_promised(self) -> None:
        organisation = self.organisation
        assert organisation.publish()
        workspace = organisation.workspace
        keys = workspace.key_file()
        with organisation.open() as (_, ledger):
            withdrawn = {each.id for each in read_withdrawals(ledger)}
            listed = make_status_list(ledger, key_file=keys, signer=workspace.signer(Role.RECORD))
        for each in organisation.certificates:
            counts = still_counts(each, keys)
            for key_file, expected in ((workspace.key_file(each.version), True), (keys, counts)):
                verdict = Verdict.HOLDS if expected else Verdict.DOES_NOT_HOLD
                assert verify_certificate(each.data, key_file=key_file).verdict is verdict
            report = verify_certificate(each.data, key_file=keys, status=StatusList.from_bytes(listed), at=now())
            valid = counts and each.certificate_id not in withdrawn
            assert report.verdict is (Verdict.HOLDS if valid else Verdict.DOES_NOT_HOLD)

    def proofs_hold(self) -> None:
        with self.organisation.workspace.open_reader() as ledger:
            head = ledger.head()
            for entry, proof in self.organisation.proofs:
                size = int(proof.checkpoint.split("\n")[1])
                merkle.verify_inclusion(
                    index=proof.index,
                    size=size,
                    leaf_hash=merkle.leaf_hash(entry),
                    proof=proof.hashes,
                    root=self.organisation.heads[size],
                )
            for size, root in self.organisation.heads.items():
                if size:
                    merkle.verify_consistency(
                        size1=size,
                        size2=head.size,
                        proof=ledger.prove_consistency(size, head.size),
                        root1=root,
                        root2=head.root,
                    )

    def nobody_is_named(self) -> None:
        self.log.flush()
        for path in sorted(self.folder.rglob("*")):
            assert PERSON not in path.name
            if path.is_file():
                assert PERSON.encode() not in path.read_bytes(), path


def still_counts(certificate: IssuedCertificate, keys: KeyFile) -> bool:
    """Return whether, by the manual, a certificate holds under a key file: nothing in it is given up by then."""
    parsed = parse_certificate(certificate.data)
    body = parsed.certificate

    def counts(key_id: str, size: int) -> bool:
        entry = keys.find(key_id)
        assert entry is not None
        return entry.revoked_from_size is None or entry.revoked_from_size > size

    logged = [body.request, body.removal, body.verification, *(body.history or ())]
    for each, seq in zip(logged, certificate.seqs, strict=True):
        signatures = each.envelope["signatures"]
        assert isinstance(signatures, list)
        if not all(counts(signature["keyid"], seq) for signature in signatures):  # type: ignore[index, call-overload]
            return False
    if not any(counts(each.keyid, certificate.size) for each in parsed.signatures):
        return False
    note = SignedNote.from_text(LogProof.from_text(body.removal.proof).checkpoint)
    signers = {line.key_hash for line in note.signatures}
    return any(
        VerifierKey(keys.origin, KeyKind.ED25519, key).key_hash in signers and counts(key.key_id, certificate.size)
        for key in keys.keys(Role.LOG)
    )


@pytest.fixture
def template(tmp_path: Path) -> Organisation:
    LawfulDeeds.template = Organisation.make(tmp_path / "template")
    return LawfulDeeds.template


def test_any_order_of_lawful_deeds_gives_a_ledger_that_holds(template: Organisation) -> None:
    # A history that fails is short enough to be read. To make it shorter would be to live through hundreds of them.
    options = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        derandomize="IREU_TEST_HISTORIES" not in os.environ,
    )
    run_state_machine_as_test(LawfulDeeds, settings=options)
