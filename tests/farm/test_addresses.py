"""A scheduler that others can reach takes only those with a certificate."""

from __future__ import annotations

import stat

import pytest
from stand_in import StandIn

from detcost.errors import UsageError
from detcost.farm.addresses import Place, make_certificates
from detcost.farm.engine import FarmEngine

pytest.importorskip("distributed")


@pytest.mark.parametrize(
    "place",
    [
        Place("tcp://10.0.0.1:8786"),
        Place("10.0.0.1:8786"),
        Place("tls://box:8786"),
        Place(listen="0.0.0.0:8786"),
        Place(listen="192.168.0.1"),
    ],
)
def test_others_reach_a_scheduler_with_a_certificate_or_with_a_warning(place, tmp_path):
    with pytest.raises(UsageError, match="anyone who reaches a scheduler can run programs"):
        place.checked()
    assert Place(place.address, None, place.listen, None, insecure=True).checked()


def test_an_address_without_encryption_is_refused_even_with_a_certificate(tmp_path):
    make_certificates(tmp_path / "certificates")
    with pytest.raises(UsageError, match="anyone who reaches a scheduler"):
        Place("tcp://10.0.0.1:8786", certificates=str(tmp_path / "certificates")).checked()
    assert Place("tls://10.0.0.1:8786", certificates=str(tmp_path / "certificates")).checked()


def test_this_machine_alone_needs_no_certificate():
    for place in (
        Place(),
        Place("tcp://127.0.0.1:1"),
        Place("tcp://[::1]:1"),
        Place("localhost:1"),
    ):
        assert place.checked()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "tcp://:1", "tcp://127.0.0.1:x"])
def test_what_is_no_address_is_one_line(address):
    with pytest.raises(UsageError, match="is no address"):
        Place(address).checked()


def test_a_key_is_secret_and_is_never_overwritten(tmp_path):
    make_certificates(tmp_path / "certificates")
    mode = (tmp_path / "certificates/farm.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    with pytest.raises(UsageError, match="has a certificate already"):
        make_certificates(tmp_path / "certificates")


@pytest.mark.parametrize("protocol", ["tls", "tcp"])
def test_a_stranger_without_the_certificate_is_turned_away(tmp_path, monkeypatch, protocol):
    monkeypatch.setattr("detcost.farm.engine._ANSWER", 2.0)
    ours, theirs = (str(tmp_path / name) for name in ("ours", "theirs"))
    make_certificates(tmp_path / "ours")
    make_certificates(tmp_path / "theirs")
    engine = FarmEngine(Place(listen="127.0.0.1", certificates=ours).checked(), StandIn())
    stranger = Place(
        engine.address.replace("tls", protocol), certificates=theirs if protocol == "tls" else None
    )
    try:
        assert engine.address.startswith("tls://")
        with pytest.raises(UsageError, match="no scheduler answers"):
            FarmEngine(stranger.checked(), StandIn())
        FarmEngine(Place(engine.address, certificates=ours).checked(), StandIn()).close()
    finally:
        engine.close()


def test_a_folder_without_a_certificate_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no farm\.pem"):
        Place("tls://box:1", certificates=str(tmp_path)).checked()


def test_a_scheduler_s_file_that_tells_nothing_is_named(tmp_path):
    with pytest.raises(UsageError, match="no scheduler has told its address here"):
        Place(scheduler_file=str(tmp_path / "farm.json")).checked()
