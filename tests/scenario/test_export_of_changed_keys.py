"""Keys that were changed, and the change not published yet: what is handed out then would be taken for a lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.command import snapshot
from fixtures.organisation import Organisation

from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.verdict import Verdict
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.pack_verification import verify_pack


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    organisation = Organisation.make(tmp_path / "organisation")
    assert organisation.receive()
    assert organisation.carry_out(organisation.cases[0])
    return organisation


@pytest.mark.parametrize("role", list(Role))
def test_change_of_keys_that_is_not_published_is_not_exported(organisation: Organisation, role: Role) -> None:
    assert organisation.export()
    before = snapshot(organisation.public)
    assert organisation.change_key(role, publish=False)
    with pytest.raises(InputError, match="change of keys in entry 4 is not published"):
        organisation.write_export()
    assert snapshot(organisation.public) == before
    assert audit_folder(organisation.public, key_file=organisation.workspace.key_file()).findings == ()
    assert organisation.publish()
    assert organisation.export()
    assert audit_folder(organisation.public, key_file=organisation.workspace.key_file()).findings == ()


@pytest.mark.parametrize("role", list(Role))
def test_pack_is_not_made_under_keys_whose_change_is_not_published(organisation: Organisation, role: Role) -> None:
    case_id = organisation.cases[0]
    assert organisation.pack(case_id)
    assert organisation.change_key(role, publish=False)
    assert organisation.pack(case_id) is None
    assert organisation.publish()
    pack = organisation.pack(case_id)
    assert pack is not None
    assert verify_pack(pack.data, key_file=organisation.workspace.key_file()).verdict is Verdict.HOLDS


def test_stamps_that_were_exported_stay_when_the_key_that_signed_their_list_is_given_up(
    organisation: Organisation,
) -> None:
    assert organisation.stamp()
    assert organisation.export()
    stamps = snapshot(organisation.public / "stamps")
    assert len(stamps) == 4
    assert organisation.change_key(Role.RECORD, from_size=organisation.size())
    assert organisation.export()
    assert snapshot(organisation.public / "stamps") == stamps
    keys = organisation.workspace.key_file()
    assert audit_folder(organisation.public, key_file=keys).findings == ()
    foreign = organisation.public / "stamps" / "4" / f"{'0' * 16}.tst"
    foreign.write_bytes(b"foreign")
    assert organisation.change_key(Role.RECORD, from_size=organisation.size())
    assert organisation.export()
    found = audit_folder(organisation.public, key_file=organisation.workspace.key_file()).findings
    assert f"The document stamps/4/{foreign.name} is not on the signed list." in {each.message for each in found}
