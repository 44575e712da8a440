"""The training loop: one for every family.

`fit` minimises `model.loss` with Adam. It can be stopped and taken up again at any step, and what
it returns then is, bit for bit, what it would have returned without the stop: model, optimiser,
order of the data and random generator are saved together, after a step and never within one.
"""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from tqdm import tqdm

__all__ = ["History", "Interrupted", "Trainable", "cosine_decay", "fit"]


class Trainable(Protocol):
    """What `fit` asks of a model: an nn.Module with a scalar loss whose draws can be repeated."""

    def loss(self, x: Tensor, *, generator: Generator) -> Tensor: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...
    def train(self) -> Any: ...
    def eval(self) -> Any: ...


@dataclass
class History:
    """What a training run leaves behind besides the model.

    `losses` holds the mean training loss of every epoch, `seconds` the wall time of all sittings.
    """

    losses: list[float]
    seconds: float


class Interrupted(Exception):
    """Training was stopped by the user after saving everything needed to go on."""


def cosine_decay(step: int, steps: int) -> float:
    """The factor ½ (1 + cos π t/T) on the learning rate: 1 at the first step, 0 after the last."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def fit(
    model: Trainable,
    data: Callable[[int], Tensor],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    max_grad_norm: float | None = None,
    state: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` in place: Adam (Kingma and Ba, 2015), its learning rate on a cosine to zero.

    data(epoch) returns what to train on in that epoch, (N, ...): the same tensor each time, or a
    fresh draw. The last batch of an epoch is the remainder. `seed` fixes the order of the data and
    all noise; the initial weights are the caller's. On one machine, with one number of threads, the
    result depends on nothing else. A gradient longer than `max_grad_norm` is scaled down to it.

    With `state`, a file, everything is saved there at the end of each epoch, and once more when
    Ctrl-C asks the loop to stop; `resume` starts from that file if it exists. The model is left in
    evaluation mode.

    Raises `Interrupted` after a Ctrl-C when there is a `state` (without one, KeyboardInterrupt),
    `ValueError` when `state` belongs to a run with other settings, and `FloatingPointError` when
    the loss is no longer finite.
    """
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "max_grad_norm": max_grad_norm,
    }
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    x = data(0)
    steps_per_epoch = math.ceil(len(x) / batch_size)
    steps = epochs * steps_per_epoch

    step, order, total, losses, seconds = 0, torch.empty(0, dtype=torch.long), 0.0, [], 0.0
    if resume and state is not None and state.exists():
        saved = _load(state, settings)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        generator.set_state(saved["generator"])
        step, order, total = saved["step"], saved["order"], saved["total"]
        losses, seconds = saved["losses"], saved["seconds"]
        x = data(min(step, steps - 1) // steps_per_epoch)
    began = time.monotonic() - seconds

    def save() -> None:
        if state is not None:
            content = {
                "settings": settings,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "generator": generator.get_state(),
                "step": step,
                "order": order,
                "total": total,
                "losses": losses,
                "seconds": time.monotonic() - began,
            }
            # Written aside and renamed: whoever looks finds the old file or the new one, whole.
            aside = state.with_name(state.name + ".writing")
            torch.save(content, aside)
            os.replace(aside, state)

    model.train()
    with (
        _deferred_interrupt(enabled=state is not None) as interrupt,
        tqdm(
            total=steps,
            initial=step,
            disable=not progress,
            file=sys.stderr,
            unit="step",
            mininterval=0.2 if sys.stderr.isatty() else 60,  # a log file wants a line a minute
        ) as bar,
    ):
        while step < steps:
            epoch, place = divmod(step, steps_per_epoch)
            if place == 0:
                if step > 0:
                    x = data(epoch)
                order = torch.randperm(len(x), generator=generator)
                total = 0.0
            batch = x[order[place * batch_size : (place + 1) * batch_size]]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * cosine_decay(step, steps)
            loss = model.loss(batch, generator=generator)
            optimizer.zero_grad()
            loss.backward()
            if max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
            optimizer.step()
            step += 1
            total += loss.item() * len(batch)
            bar.update()
            if not math.isfinite(total):
                raise FloatingPointError(
                    f"The loss became {loss.item()} at step {step} of {steps}. The usual causes: "
                    f"a learning rate too large ({learning_rate:g} here), or NaN in the data."
                )
            if step % steps_per_epoch == 0:
                losses.append(total / len(x))
                bar.set_postfix_str(f"epoch {epoch + 1}/{epochs}, loss {losses[-1]:.2f}", False)
                save()
            if interrupt.is_set():
                save()
                raise Interrupted(f"stopped after step {step} of {steps}; all is saved in {state}")
    model.eval()
    return History(losses, time.monotonic() - began)


def _load(state: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The content of `state`, once it is known to belong to a run with these settings."""
    saved: dict[str, Any] = torch.load(state, weights_only=True)
    if saved["settings"] != settings:
        raise ValueError(
            f"{state} is the state of a run with {saved['settings']}, and this run has {settings}. "
            "A run is resumed with the settings that it began with; to start afresh, delete the "
            "file or leave out `resume`."
        )
    return saved


@contextmanager
def _deferred_interrupt(enabled: bool) -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that the loop ends after a whole step; a second ends it now.

    Signals reach only the main thread; elsewhere Ctrl-C keeps its meaning.
    """
    asked = threading.Event()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handle(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
