"""Access keys: shown once, hashed, compared whole, ended at once or after their time."""

from __future__ import annotations

import sqlite3

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Clock, Service, open_service

from ireu_governance.core.errors import ErrorCode, InputError, ServiceError
from ireu_governance.service.access import AccessKeys, Role
from ireu_governance.service.store import ServiceStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(service: Service) -> AccessKeys:
    return service.context.keys


def test_stolen_table_opens_nothing(service: Service, keys: AccessKeys) -> None:
    made = keys.create(role=Role.ADMIN)
    secret = made.text.rpartition("_")[2]
    service.context.close()
    for path in service.workspace.root.glob("service.db*"):
        data = path.read_bytes()
        assert secret.encode() not in data
        assert bytes.fromhex(secret) not in data
    assert oct((service.workspace.root / "service.db").stat().st_mode)[-3:] == "600"
    with sqlite3.connect(service.workspace.root / "service.db") as database:
        hashes = [row[0].hex() for row in database.execute("SELECT hash FROM service_access_keys")]
    for each in hashes:
        assert keys.authenticate(f"ireu_{made.key.prefix}_{each}") is None


def test_same_secret_is_hashed_differently_each_time(keys: AccessKeys) -> None:
    from ireu_governance.service.access import _hash

    assert _hash(b"a" * 16, "s") != _hash(b"b" * 16, "s")


def test_key_is_compared_whole(keys: AccessKeys) -> None:
    made, other = keys.create(role=Role.VIEWER), keys.create(role=Role.ADMIN)
    prefix, secret = made.text.split("_")[1:]
    assert keys.authenticate(made.text) is not None
    wrong = [
        made.text[:-1],
        made.text + "0",
        made.text + "\n",
        made.text.upper(),
        f"ireu_{other.key.prefix}_{secret}",
        f"ireu_{prefix}_{'0' * 64}",
        f"ireu_{'0' * 12}_{secret}",
        f"ireu__{secret}",
        "",
        "ireu_",
        f"ireu_{prefix}_{secret[:-1]}{'0' if secret[-1] != '0' else '1'}",
    ]
    for text in wrong:
        assert keys.authenticate(text) is None, text


def test_expired_key_does_not_count(service: Service, keys: AccessKeys) -> None:
    made = keys.create(role=Role.VIEWER, days=1)
    service.clock.turn(hours=23, minutes=59)
    assert keys.authenticate(made.text) is not None
    service.clock.turn(minutes=1)
    assert keys.authenticate(made.text) is None
    assert keys.get(made.key.prefix).state(service.clock()) == "expired"
    with pytest.raises(InputError, match="is expired"):
        keys.rotate(made.key.prefix)


def test_revoked_key_does_not_count_and_is_not_woken(service: Service, keys: AccessKeys) -> None:
    made = keys.create(role=Role.VIEWER)
    again = keys.rotate(made.key.prefix)
    revoked = keys.revoke(made.key.prefix)
    assert revoked.state(service.clock()) == "revoked"
    assert keys.authenticate(made.text) is keys.authenticate(again.text) is None
    service.clock.turn(days=1)
    assert keys.revoke(made.key.prefix).revoked_at == revoked.revoked_at
    with pytest.raises(InputError, match="is revoked"):
        keys.rotate(made.key.prefix)


def test_old_secret_counts_until_its_grace_is_over(service: Service, keys: AccessKeys) -> None:
    made = keys.create(role=Role.TESTER, name="ci", days=30)
    again = keys.rotate(made.key.prefix, grace_hours=2)
    assert (again.key.role, again.key.name, again.key.expires_at) == (Role.TESTER, "ci", made.key.expires_at)
    assert keys.authenticate(made.text) is not None
    third = keys.rotate(made.key.prefix, grace_hours=2)
    assert keys.authenticate(made.text) is None  # one former secret at most
    assert keys.authenticate(again.text) is not None
    service.clock.turn(hours=2)
    assert keys.authenticate(again.text) is None
    assert keys.authenticate(third.text) is not None


def test_rotation_without_grace_ends_the_old_secret_at_once(keys: AccessKeys) -> None:
    made = keys.create(role=Role.VIEWER)
    again = keys.rotate(made.key.prefix, grace_hours=0)
    assert keys.authenticate(made.text) is None
    assert keys.authenticate(again.text) is not None


def test_last_use_is_a_day_and_no_more(service: Service, keys: AccessKeys) -> None:
    made = keys.create(role=Role.VIEWER)
    assert made.key.last_used_on is None
    keys.authenticate(made.text)
    service.clock.turn(hours=5)
    keys.authenticate(made.text)
    assert keys.get(made.key.prefix).last_used_on == "2026-11-24"


def test_use_that_cannot_be_noted_keeps_nobody_out(keys: AccessKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    made = keys.create(role=Role.VIEWER)

    def refuse(_: object) -> None:
        raise ServiceError("locked")

    monkeypatch.setattr(ServiceStore, "writing", refuse)
    assert keys.authenticate(made.text) is not None


@pytest.mark.parametrize("name", ["Jane Doe", "jane@example.org", "", "-x", "x" * 65, "a\n"])
def test_names_that_could_be_anything_are_refused(keys: AccessKeys, name: str) -> None:
    if name:
        with pytest.raises(InputError, match="name of a key"):
            keys.create(role=Role.VIEWER, name=name)
    else:
        assert keys.create(role=Role.VIEWER, name=name).key.name == "viewer"


def test_times_that_cannot_be_are_refused(keys: AccessKeys) -> None:
    for days in (0, 3651, -1):
        with pytest.raises(InputError):
            keys.create(role=Role.VIEWER, days=days)
    prefix = keys.create(role=Role.VIEWER).key.prefix
    for hours in (-1, 721):
        with pytest.raises(InputError):
            keys.rotate(prefix, grace_hours=hours)


def test_unknown_key_is_named_as_one(keys: AccessKeys) -> None:
    for ask in (keys.get, keys.revoke, keys.rotate):
        with pytest.raises(InputError) as caught:
            ask("0" * 12)
        assert caught.value.code is ErrorCode.ACCESS_KEY_UNKNOWN


def test_administrator_manages_keys_over_http(service: Service) -> None:
    made = service.post("/v1/access/keys", "admin", json={"role": "tester", "name": "ci", "expires_days": 30})
    assert made.status_code == 201
    document = made.json()
    path = made.headers["location"]
    assert path == f"/v1/access/keys/{document['prefix']}"
    bearer = {"Authorization": f"Bearer {document['key']}"}
    assert service.get("/v1/access/me", headers=bearer).json() == {
        "id": f"key:{document['prefix']}",
        "kind": "key",
        "roles": ["tester"],
        "scopes": ["read", "test"],
    }
    shown = service.get(path, "admin")
    assert "key" not in shown.json()
    assert document["key"] not in shown.text
    rotated = service.post(f"{path}/rotation", "admin", json={"grace_hours": 0}).json()
    assert service.get("/v1/access/me", headers=bearer).status_code == 401
    bearer = {"Authorization": f"Bearer {rotated['key']}"}
    assert service.get("/v1/access/me", headers=bearer).status_code == 200
    assert service.request("DELETE", path, "admin").json()["state"] == "revoked"
    assert service.get("/v1/access/me", headers=bearer).status_code == 401
    assert [each["state"] for each in service.get("/v1/access/keys", "admin").json()["keys"]].count("revoked") == 1


def test_list_is_walked_to_its_end(service: Service) -> None:
    made = {service.context.keys.create(role=Role.VIEWER).key.prefix for _ in range(5)}
    made.add(service.key("admin").split("_")[1])
    found: list[str] = []
    path = "/v1/access/keys?limit=2"
    for _ in range(3):
        answer = service.get(path, "admin")
        found += [each["prefix"] for each in answer.json()["keys"]]
        link = answer.headers.get("link")
        if link is None:
            break
        assert link.endswith('>; rel="next"')
        path = link[1:].partition(">")[0]
        assert "limit=2" in path
    assert link is None
    assert found == sorted(made)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dTpw", "ireu_0_0", "Bearer a b", "bearer " + "x" * 20_000, "Bearer é"]
)
def test_strange_authorization_is_refused_and_no_fault(service: Service, header: str) -> None:
    answer = service.get("/v1/access/me", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_two_authorizations_are_refused(service: Service) -> None:
    key = service.key("admin").encode()
    headers = [(b"authorization", b"Bearer " + key), (b"authorization", b"Bearer " + key)]
    assert service.client.get("/v1/access/me", headers=headers).status_code == 401


def test_scheme_is_read_in_any_case(service: Service) -> None:
    assert service.get("/v1/access/me", headers={"Authorization": f"bEARER {service.key('viewer')}"}).status_code == 200


def test_keys_survive_a_restart(removal: RecordedRemoval) -> None:
    with open_service(removal) as first:
        key = first.key("viewer")
    with open_service(removal) as second:
        assert second.get("/v1/access/me", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_key_is_revoked_by_another_process_at_once(removal: RecordedRemoval) -> None:
    with open_service(removal) as opened:
        key = opened.key("viewer")
        with ServiceStore.open(removal.workspace) as store:
            AccessKeys(store).revoke(key.split("_")[1])
        assert opened.get("/v1/access/me", "viewer").status_code == 401
