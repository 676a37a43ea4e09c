"""How quickly scenes are made: ``pytest tests/benchmarks/test_scenes_speed.py`` (goal: 200 images a second a core)."""

from __future__ import annotations

from typing import Any

from xkd_core.images import scenes


def test_scenes_with_masks_at_64_px(benchmark: Any) -> None:
    scenes.batch("teacher", range(16))  # texture tables are made once a process

    def hundred() -> None:
        for index in range(100):
            scenes.render("teacher", index)

    benchmark.pedantic(hundred, rounds=5, warmup_rounds=1)
    benchmark.extra_info["images_per_second"] = round(100 / benchmark.stats.stats.min, 1)


def test_labels_of_a_whole_split(benchmark: Any) -> None:
    assert benchmark(scenes.labels, "teacher").shape == (12_000, 8)


def test_one_crisp_scene_at_512_px(benchmark: Any) -> None:
    assert benchmark(scenes.render, "test", 0, size=512).pixels.shape == (512, 512, 3)
