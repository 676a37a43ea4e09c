"""The data sets by name: splits, shapes, offline behaviour and messages."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from xkd_core.errors import BadInputError, DataUnavailableError, UnknownNameError
from xkd_core.images import cifar, datasets, digits, photos
from xkd_core.images.statistics import channel_statistics
from xkd_core.settings import data_dir

OFFLINE = ["scenes", "digits", "photos"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", OFFLINE)
def test_every_split_keeps_the_promise_of_its_info(name: str) -> None:
    info = datasets.info(name)
    for split, count in info.splits.items():
        data = datasets.load(name, split)
        size = info.transform.size
        assert (data.info, data.split, len(data)) == (info, split, count)
        assert data.pixels([0, 2]).shape == (2, size, size, 3)
        assert data.pixels([2]).dtype == np.uint8
        assert data.pixels([]).shape == (0, size, size, 3)
        assert data.labels().shape == (count, len(info.classes))
        sample = data[2]
        assert sample.pixels.dtype == np.uint8
        assert tuple(np.flatnonzero(data.labels()[2])) == sample.labels
        assert all(mask.shape == sample.pixels.shape[:2] for mask in sample.masks.values())
        with pytest.raises(BadInputError, match=f"0 to {count - 1}"):
            data[count]
        with pytest.raises(BadInputError):
            data[-1]


def test_an_unknown_name_or_split_tells_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'scenes'"):
        datasets.load("scene", "test")
    with pytest.raises(UnknownNameError, match="Did you mean 'val'"):
        datasets.load("cifar10", "vall")
    with pytest.raises(UnknownNameError, match="data set"):
        datasets.info("imagenet")


def test_asking_what_the_data_sets_are_imports_no_torch() -> None:
    code = (
        "import sys; from xkd_core.images import datasets, spec; datasets.load('scenes', 'test')[0];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["scenes", "digits"])
def test_the_constants_of_the_transform_are_those_of_the_training_split(name: str) -> None:
    data = datasets.load(name, "teacher" if name == "scenes" else "train")
    if name == "scenes":
        # All 12,000 images take a minute: the first 400 must agree roughly.
        pixels = data.pixels(range(400)).reshape(-1, 3) / 255
        mean, deviation, tolerance = pixels.mean(axis=0), pixels.std(axis=0), 0.015
    else:
        mean, deviation = channel_statistics(data)
        tolerance = 1e-9
    assert np.allclose(mean, data.info.transform.mean, atol=tolerance)
    assert np.allclose(deviation, data.info.transform.std, atol=tolerance)


def test_digits_are_split_without_overlap_and_their_ink_is_the_mask() -> None:
    parts = [digits._chosen(split) for split in digits.SPLITS]
    assert sorted(np.concatenate(parts).tolist()) == list(range(1_797))
    sample = datasets.load("digits", "test")[0]
    (label,) = sample.labels
    assert np.array_equal(sample.masks[label], sample.pixels[..., 0] >= 128)
    assert 0.05 < sample.masks[label].mean() < 0.6


def test_digits_are_enlarged_like_torch_does() -> None:
    torch = pytest.importorskip("torch")
    from sklearn.datasets import load_digits

    small = torch.from_numpy(load_digits().images[:5])[:, None]
    large = torch.nn.functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    ours = digits._all_digits()[0][:5]
    assert np.abs(ours - large.numpy() / 16 * 255).max() <= 0.5 + 1e-6


@pytest.mark.usefixtures("no_network")
def test_photos_are_real_pictures_with_titles_and_a_square_cut() -> None:
    data = datasets.load("photos", "all")
    for index in range(len(data)):
        sample = data[index]
        full = sample.facts["full"]
        assert isinstance(sample.facts["title"], str)
        assert sample.pixels.shape == (min(full.shape[:2]), min(full.shape[:2]), 3)
        assert len(np.unique(sample.pixels)) > 60  # no drawing, no chart
    assert np.array_equal(photos.centred_square(np.arange(24).reshape(2, 4, 3))[0, 0], [3, 4, 5])


def test_crops_of_the_photographs_repeat_and_differ() -> None:
    found = photos.crops(20, 32)
    assert found.shape == (20, 32, 32, 3) and found.dtype == np.uint8
    assert np.array_equal(found, photos.crops(20, 32)) and not np.array_equal(found, photos.crops(20, 32, seed=1))
    assert len({image.tobytes() for image in found}) == 20


def test_a_missing_photo_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(photos, "_folder", lambda: tmp_path)
    with pytest.raises(DataUnavailableError, match=r"lacks astronaut\.png.*requirements\.txt"):
        photos.Photos()


def test_cifar10_train_and_val_share_no_image() -> None:
    train, val = cifar._chosen("train"), cifar._chosen("val")
    assert (len(train), len(val)) == (45_000, 5_000)
    assert sorted(np.concatenate([train, val]).tolist()) == list(range(50_000))
    assert hashlib.sha256(val.astype("<i8").tobytes()).hexdigest().startswith("5a8796ccf185b3e1")


def test_cifar10_that_is_not_here_names_the_place_and_two_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    with pytest.raises(DataUnavailableError) as caught:
        datasets.load("cifar10", "test")
    for words in (str(tmp_path), "XKD_DATA_DIR", "cifar-10-batches-py", "download"):
        assert words in str(caught.value)


@pytest.mark.usefixtures("no_network")
def test_a_download_without_network_says_so_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    with pytest.raises(DataUnavailableError, match=r"could not be downloaded.*no network in this test.*Two ways"):
        datasets.load("cifar10", "val", download=True)
    assert list(tmp_path.iterdir()) == []


class Reply(io.BytesIO):
    """What urlopen gives: bytes with headers."""

    headers = MappingProxyType({"Content-Length": "600000"})


def test_a_download_of_something_else_is_thrown_away_after_progress(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Reply(b"x" * 600_000))
    told: list[tuple[int, int]] = []
    with pytest.raises(DataUnavailableError, match="md5 differs"):
        datasets.load("cifar10", "val", download=True, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (600_000, 600_000)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_leaves_no_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Broken(Reply):
        def read(self, *_: object) -> bytes:
            raise urllib.error.URLError("connection reset")

    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Broken())
    with pytest.raises(DataUnavailableError, match="connection reset"):
        datasets.load("cifar10", "val", download=True)
    assert not list(tmp_path.glob("*.gz"))


def test_damaged_cifar10_files_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"not a pickle")
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    with pytest.raises(DataUnavailableError, match="damaged"):
        datasets.load("cifar10", "train")


@pytest.mark.skipif(not (data_dir() / "cifar-10-batches-py").is_dir(), reason="CIFAR-10 is not on this machine")
def test_cifar10_on_this_machine_has_its_splits() -> None:
    data = datasets.load("cifar10", "val")
    assert len(data) == 5_000
    assert data.pixels([0, 1]).shape == (2, 32, 32, 3)
    assert (data.labels().sum(axis=1) == 1).all()
    assert data[4].labels == tuple(np.flatnonzero(data.labels()[4]))
    with pytest.raises(BadInputError, match="0 to 4999"):
        data[5_000]
