"""What a monitor remembers: a file for one log, never forgotten, never taken for another one."""

from __future__ import annotations

import json

import pytest
from builders import MemoryLog, make_keys
from fixtures.monitored import KEYS, Shown, accepted, make_log
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.ledger.log_source import StaticSource, folder_fetcher
from ireu_governance.ledger.monitor import follow
from ireu_governance.ledger.monitor_state import MonitorState


class TestState:
    def refused(self, shown: Shown, says: str) -> None:
        before = shown.state.read_bytes()
        with pytest.raises(ConfigError, match=says) as caught:
            shown.follow()
        assert caught.value.code is ErrorCode.MONITOR_STATE_UNUSABLE
        assert caught.value.hint
        assert shown.state.read_bytes() == before

    def test_state_of_another_log_is_refused(self, shown: Shown) -> None:
        other = MemoryLog(keys=make_keys("other", origin="other.example/log"), origin="other.example/log")
        shown.key_file = other.keys.key_file
        shown.show(make_log(3, log=other))
        accepted(shown.follow())
        shown.key_file = KEYS.key_file
        shown.show(make_log(5))
        self.refused(shown, "other.example/log")

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.update(_type="x"),
            lambda d: d.update(more=1),
            lambda d: d.update(frontier=[]),
            lambda d: d.update(frontier=["00" * 32] * 2),
            lambda d: d.update(checkpoint="x"),
            lambda d: d.update(last_leaf="x"),
            lambda d: d.update(key_file={}),
            lambda d: d.update(key_file=make_keys("o", origin="other.example/log").key_file.to_object()),
        ],
    )
    def test_damaged_state_is_never_taken_for_a_new_one(self, shown: Shown, change: object) -> None:
        shown.show(make_log(3))
        shown.follow()
        document = json.loads(shown.state.read_bytes())
        change(document)  # type: ignore[operator]
        shown.state.write_text(json.dumps(document))
        self.refused(shown, "damaged")

    def test_state_that_cannot_be_read_is_refused(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.state.mkdir()
        with pytest.raises(ConfigError, match="cannot be read"):
            shown.follow()

    def test_state_that_another_monitor_changed_is_not_overwritten(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.follow()
        shown.show(make_log(5))

        class Other(StaticSource):
            def bundle(self, index: int, width: int) -> list[bytes]:
                shown.state.write_bytes(shown.state.read_bytes() + b"\n")
                return super().bundle(index, width)

        source = Other(folder_fetcher(shown.folder), where="here")
        with pytest.raises(ConfigError, match="another monitor"):
            follow(source, shown.state, key_file=KEYS.key_file)

    def test_state_goes_both_ways(self, shown: Shown) -> None:
        shown.show(make_log(300))
        shown.follow()
        data = shown.state.read_bytes()
        state = MonitorState.from_bytes(data)
        assert state.to_bytes() == data
        assert len({state, MonitorState.from_bytes(data)}) == 1
        assert state != data

    @given(st.binary(max_size=200))
    def test_any_bytes_are_answered_with_an_input_error(self, data: bytes) -> None:
        with pytest.raises(InputError):
            MonitorState.from_bytes(data)
