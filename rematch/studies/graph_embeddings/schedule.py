"""The learning rate as one written function of the epoch, in place of three mechanisms that overwrite each other."""

import math

from rematch.studies.graph_embeddings.settings import Settings


def learning_rate(settings: Settings, epoch: int) -> float:
    """The rate in effect during all steps of `epoch`, which counts from 0 across loops.

    With L = epochs per loop, l = epoch // L, t = epoch mod L and base = learning_rate x lr_decay^l:

    * while epoch < W (warm-up): base x (epoch + 1) / W, and nothing else acts;
    * constant: base;
    * cosine: floor x base + (1 - floor) x base x (1 + cos(pi t / L)) / 2, restarted in each loop.

    The document lets warm-up write the rate while a scheduler steps too, with an order that it leaves open (S0-78);
    here warm-up comes first and cosine takes over at its own place in the loop.
    """
    base = settings.learning_rate * settings.lr_decay ** loop(settings, epoch)
    if epoch < settings.warmup_epochs:
        return base * (epoch + 1) / settings.warmup_epochs
    return base * {"constant": _constant, "cosine": _cosine}[settings.schedule](settings, epoch)


def loop(settings: Settings, epoch: int) -> int:
    """The loop that `epoch` belongs to, from 0."""
    return epoch // settings.epochs_per_loop


def _constant(settings: Settings, epoch: int) -> float:
    return 1.0


def _cosine(settings: Settings, epoch: int) -> float:
    length = settings.epochs_per_loop
    wave = (1 + math.cos(math.pi * (epoch % length) / length)) / 2
    return settings.cosine_floor + (1 - settings.cosine_floor) * wave
