from __future__ import annotations

import socket

import pytest

from ttame.backbones import downloading
from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings


def test_a_hub_out_of_reach_is_asked_once(unreachable_hub) -> None:
    """The six tries over 23 s of huggingface_hub sleep in between; here none does."""
    with pytest.raises(TTameError, match=r"could not be downloaded .*put them at resnet26\.safetensors") as caught:
        load_backbone("x", ModelSettings(model="resnet26"))
    assert "\n" not in str(caught.value)
    assert unreachable_hub.HF_HUB_OFFLINE is False


def test_a_hub_that_answers_is_asked(monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(downloading, "_hub_answers", lambda: True)
    with downloading.reachable_hub():
        assert constants.HF_HUB_OFFLINE is False


def test_a_download_with_urllib_does_not_wait_for_ever(monkeypatch) -> None:
    seen: list[float | None] = []

    def download(*_: object, **__: object) -> None:
        seen.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", download)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    with pytest.raises(TTameError, match=r"put them at .*resnet18-\w+\.pth"):
        load_backbone("x", ModelSettings(model="resnet18"))
    assert seen == [downloading.STALLED]
    assert socket.getdefaulttimeout() is None
