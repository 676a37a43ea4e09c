"""Quantus 0.6.0 beside our metrics: values where it is right, and its time. The two environments never mix.

    python tests/benchmarks/quantus_compare.py ours values.npz                 # the app's environment
    quantus-env/bin/python tests/benchmarks/quantus_compare.py quantus values.npz theirs.npz
    python tests/benchmarks/quantus_compare.py compare values.npz theirs.npz

``rounds`` answers each line on stdin with the seconds of one round, by the clock and of the processor:
`test_metric_speed` lets the sides alternate.
Grey images: since 0.6.0 Quantus ranks single channels, so only there its features are our pixels.
"""

from __future__ import annotations

import ctypes
import sys
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

SIZE, N, CHUNKS, STEPS, COLOUR_CHUNKS, COLOURS = 16, 12, 16, 8, 8, 5
BLACK = {"perturb_baseline": "black", "disable_warnings": True, "display_progressbar": False}


def small_net() -> nn.Module:
    """One grey channel, three classes; softmax nowhere near 0, for Quantus cannot divide by that."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 3)
    ).eval()


def made() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    masks = generator.random((N, SIZE, SIZE)) < 0.3
    return {
        "x": generator.normal(size=(N, 1, SIZE, SIZE)).astype(np.float32),
        "maps": np.abs(generator.normal(size=(N, SIZE, SIZE))),
        "signed": generator.normal(size=(N, SIZE, SIZE)),
        "masks": masks,
        "targets": np.arange(N) % 3,
    }


def ours(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from xkd_core.metrics import complexity, curves, faithfulness, localisation
    from xkd_core.metrics.masking import Swap
    from xkd_core.metrics.planner import Case, Settings, ask
    from xkd_core.metrics.probes import measure

    net = small_net()

    def score(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(x)).numpy()

    case = {"it": Case(score=score, maps=data["signed"], targets=data["targets"])}
    positive = {"it": Case(score=score, maps=data["maps"], targets=data["targets"])}
    chosen = Settings(n_chunks=CHUNKS, n_steps=STEPS, n_colour_chunks=COLOUR_CHUNKS, n_colours=1)
    flips = curves.deletion_swaps(SIZE**2, STEPS, "black")
    ends = curves.edges(SIZE**2, COLOUR_CHUNKS)
    blacks = [Swap(low, high, "black", by="size") for low, high in pairwise(ends)]
    answers = ask(data["x"], positive, [*flips, *blacks], chosen)["it"]
    ordered = -np.sort(-data["maps"].reshape(N, -1), axis=1)
    sums = np.add.reduceat(ordered, ends[:-1], axis=1)
    return {
        "FaithfulnessEstimate": measure(data["x"], case, ["faithfulness_estimate@quantus"], chosen)["it"][
            "faithfulness_estimate@quantus"
        ].values,
        "MonotonicityCorrelation": faithfulness.monotonicity_correlation(
            sums, answers.prob(blacks)[..., None], answers.prob(flips[:1])[:, 0]
        ),
        "PixelFlipping": answers.prob(flips)[:, 1:],
        "Monotonicity": measure(data["x"], positive, ["monotonicity"], chosen)["it"]["monotonicity"].values,
        "Complexity": complexity.entropy(data["maps"], compat="quantus"),
        "Sparseness": complexity.gini(data["maps"], compat="quantus"),
        "AttributionLocalisation": localisation.attribution_localisation(
            data["signed"], data["masks"], compat="quantus"
        ),
        "PointingGame": localisation.pointing(data["maps"], data["masks"], compat="quantus"),
        "AUC": localisation.roc_auc(data["maps"], data["masks"]),
    }


def theirs(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import quantus

    quiet = {"disable_warnings": True, "display_progressbar": False}
    net, x, y = small_net(), data["x"].astype(np.float64).astype(np.float32), data["targets"]
    positive, signed, masks = data["maps"][:, None], data["signed"][:, None], data["masks"][:, None]
    pixels = SIZE**2

    def run(metric: object, maps: np.ndarray, *, softmax: bool = False) -> np.ndarray:
        given = {"model": net, "x_batch": x, "y_batch": y, "a_batch": maps.copy(), "s_batch": masks, "device": "cpu"}
        return np.asarray(metric(**given, softmax=softmax), dtype=float)

    return {
        "FaithfulnessEstimate": run(quantus.FaithfulnessEstimate(features_in_step=pixels // CHUNKS, **BLACK), signed),
        "MonotonicityCorrelation": run(
            quantus.MonotonicityCorrelation(nr_samples=1, features_in_step=pixels // COLOUR_CHUNKS, **BLACK),
            positive,
            softmax=True,
        ),
        "PixelFlipping": run(quantus.PixelFlipping(features_in_step=pixels // STEPS, **BLACK), positive, softmax=True),
        "Monotonicity": run(quantus.Monotonicity(features_in_step=pixels // STEPS, **BLACK), positive, softmax=True),
        "Complexity": run(quantus.Complexity(**quiet), positive),
        "Sparseness": run(quantus.Sparseness(**quiet), positive),
        "AttributionLocalisation": run(quantus.AttributionLocalisation(**quiet), signed),
        "PointingGame": run(quantus.PointingGame(**quiet), positive),
        "AUC": run(quantus.AUC(**quiet), positive),
    }


def compare(mine: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    print(f"{'metric':26} largest difference   ours, theirs (means)")
    for name in other:
        gap = np.nanmax(np.abs(mine[name] - other[name]))
        print(f"{name:26} {gap:.2e}             {np.nanmean(mine[name]):.4f}, {np.nanmean(other[name]):.4f}")
    print("Monotonicity is expected to differ: Quantus never inserts the pixels, its value is always 1.")


class Race:
    """One colour image of 64 px, 64 chunks + 16 x 5 colours + 32 flips on a VGG-GAP of the given width.

    composed, whole: the same with the Grad-CAM that is judged, by pytorch-grad-cam and Quantus, and by us. Time depends
    on shapes alone, so the image is noise and the weights are drawn.
    """

    def __init__(self, width: float) -> None:
        from xkd_core.models.architectures import build

        torch.manual_seed(0)
        self.net = build("vgg_gap_64", 8, width=width)
        with torch.no_grad():
            for _ in range(5):  # statistics of batch norm as after a training
                self.net(torch.randn(16, 3, 64, 64))
        self.net.eval().requires_grad_(False)
        generator = np.random.default_rng(1)
        self.x = generator.normal(size=(1, 3, 64, 64)).astype(np.float32)
        self.map = generator.random((1, 64, 64))
        self.target = self._with_a_map()

    def _with_a_map(self) -> np.ndarray:
        """(1,) the class whose Grad-CAM is largest: Quantus takes none that is 0 everywhere."""
        head = [part for part in self.net.modules() if isinstance(part, nn.Linear)][-1]
        with torch.no_grad():
            maps = torch.einsum("kc,chw->khw", head.weight, self.net.features(torch.from_numpy(self.x))[0])
        return maps.flatten(1).amax(dim=1).argmax(dim=0, keepdim=True).numpy()

    def composed(self) -> None:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        self.net.requires_grad_(True)
        with GradCAM(self.net, [self.net.features[-1]]) as cam:
            self.map = cam(torch.from_numpy(self.x), [ClassifierOutputTarget(int(self.target[0]))])
        self.net.requires_grad_(False)
        self.quantus()

    def whole(self, precision: str) -> None:
        from xkd_core.explainers.engine import cams

        found = cams(self.net, torch.from_numpy(self.x), torch.from_numpy(self.target), ["grad_cam"])
        self.map = found["grad_cam"].relu().numpy()
        self.ours(precision)

    def quantus(self) -> None:
        import quantus
        from quantus.helpers import asserts

        # Its features are the 3 x 4096 channels of pixels, yet it wants steps that divide 4096: 64 chunks would not.
        asserts.assert_features_in_step = lambda **_: None
        a = self.map[:, None].repeat(3, axis=1)
        given = {"model": self.net, "x_batch": self.x, "y_batch": self.target, "a_batch": a, "device": "cpu"}
        uniform = BLACK | {"perturb_baseline": "uniform"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantus.FaithfulnessEstimate(features_in_step=192, **BLACK)(**given)
            quantus.MonotonicityCorrelation(nr_samples=5, features_in_step=768, **uniform)(**given)
            quantus.PixelFlipping(features_in_step=384, **BLACK)(**given)

    def ours(self, precision: str) -> None:
        from xkd_core.evaluation.scorers import scorer

        if not hasattr(self, "score"):
            self.score = scorer(self.net, precision=precision)
        self._measure(self.score)

    def _measure(self, score: Callable[[np.ndarray], np.ndarray]) -> None:
        from xkd_core.metrics.planner import Case
        from xkd_core.metrics.probes import measure

        case = Case(score=score, maps=self.map, targets=self.target)
        measure(self.x, {"it": case}, ["faithfulness_estimate", "monotonicity_correlation", "deletion_auc"])

    def plain(self) -> None:
        """As many forwards of the network as it is, in batches of 64."""
        with torch.inference_mode():
            for n in (64, 64, 49):
                self.net(torch.from_numpy(self.x).expand(n, -1, -1, -1))

    def floor(self, precision: str) -> None:
        """The 177 forwards alone, on the same masked images in the same batches, made before."""
        from xkd_core.explainers.fast import answering, laid_out

        if not hasattr(self, "batches"):
            kind = torch.bfloat16 if precision == "bf16" else torch.float32
            self.fast = answering(self.net, kind)
            self.batches: list[Tensor] = []

            def keep(x: np.ndarray) -> np.ndarray:
                self.batches.append(laid_out(torch.from_numpy(x.copy()).to(kind)))
                return np.zeros((len(x), 8))

            self._measure(keep)
        with torch.inference_mode():
            for batch in self.batches:
                self.fast(batch)


def memory_mib(name: str) -> float:
    """VmRSS (now) or VmHWM (the most since the last reset) of this process, on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def rounds(side: str, width: float, precision: str) -> None:
    race = Race(width)
    sides = {
        "quantus": race.quantus,
        "composed": race.composed,
        "ours": lambda: race.ours(precision),
        "whole": lambda: race.whole(precision),
        "floor": lambda: race.floor(precision),
        "plain": race.plain,
    }
    run = sides[side]
    run()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier work freed would hide what a round takes
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from now
    before = memory_mib("VmRSS")
    run()
    print(f"{memory_mib('VmHWM') - before:.0f} 0", flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        run()
        print(f"{time.perf_counter() - wall:.6f} {time.process_time() - processor:.6f}", flush=True)


def main(mode: str, *args: str) -> None:
    if mode == "rounds":
        rounds(args[0], float(args[1]), args[2])
    elif mode == "ours":
        np.savez(args[0], **{f"data_{key}": value for key, value in made().items()}, **ours(made()))
    elif mode == "quantus":
        with np.load(args[0]) as stored:
            data = {key.removeprefix("data_"): stored[key] for key in stored if key.startswith("data_")}
        np.savez(args[1], **theirs(data))
    else:
        with np.load(args[0]) as mine, np.load(args[1]) as other:
            compare(dict(mine), dict(other))


if __name__ == "__main__":
    main(*sys.argv[1:])
