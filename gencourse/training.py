"""The training loop: one for every family.

`fit` minimises `model.loss` with Adam. Where several players have losses of their own, as in a
GAN, `model.players()` names them, and in every step each of them moves once, in turn. A run can be
stopped and taken up again at any step, and what it returns then is, bit for bit, what it would
have returned without the stop: model, optimisers, order of the data and random generator are saved
together, after a step and never within one.
"""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from tqdm import tqdm

__all__ = ["Data", "History", "Interrupted", "Player", "Trainable", "cosine_decay", "fit"]

Data = Tensor | tuple[Tensor, Tensor]
"""What an epoch trains on: x (N, ...), or x with a condition (N, ...) for each of its rows."""


class Trainable(Protocol):
    """What `fit` asks of a model: an nn.Module with a scalar loss whose draws can be repeated.

    A model with a method `players()` is trained by the losses of its players instead.
    """

    def loss(self, x: Tensor, *, generator: Generator) -> Tensor: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...
    def train(self) -> Any: ...
    def eval(self) -> Any: ...


@dataclass(frozen=True)
class Player:
    """One side of a game: the parameters it moves, and the loss that it alone minimises.

    loss(x, generator=...) returns a scalar, and takes `condition` where the data has one.
    """

    name: str
    parameters: Sequence[torch.nn.Parameter]
    loss: Callable[..., Tensor]


@dataclass
class History:
    """What a training run leaves behind besides the model.

    `losses` holds the mean training loss of every epoch (the first player's, where there are
    several), `seconds` the wall time of all sittings.
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
    data: Callable[[int], Data],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    betas: tuple[float, float] = (0.9, 0.999),
    max_grad_norm: float | None = None,
    ema_decay: float | None = None,
    state: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` in place: Adam (Kingma and Ba, 2015), its learning rate on a cosine to zero.

    data(epoch) returns what to train on in that epoch: x (N, ...), the same tensor each time or a
    fresh draw, or a pair of x and a condition for each of its rows. The last batch of an epoch is
    the remainder. `seed` fixes the order of the data and all noise; the initial weights are the
    caller's. On one machine, with one number of threads, the result depends on nothing else.

    `betas` are Adam's. A player's gradient longer than `max_grad_norm` is scaled down to it. With
    `ema_decay` = β the model is left with a running average of its parameters in place of the last
    ones, a ← β a + (1 − β) θ after each step, whose memory is about 1/(1 − β) steps. It is kept
    from the first step on with β no larger than (1 + t)/(10 + t), so that the start is forgotten.

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
        "betas": betas,
        "max_grad_norm": max_grad_norm,
        "ema_decay": ema_decay,
    }
    generator = torch.Generator().manual_seed(seed)
    players = _players(model)
    optimizers = [torch.optim.Adam(p.parameters, lr=learning_rate, betas=betas) for p in players]
    average = [parameter.detach().clone() for parameter in model.parameters()]
    parts = _parts(data(0))
    size = len(parts[0])
    steps_per_epoch = math.ceil(size / batch_size)
    steps = epochs * steps_per_epoch

    step, order, total, losses, seconds = 0, torch.empty(0, dtype=torch.long), 0.0, [], 0.0
    if resume and state is not None and state.exists():
        saved = _load(state, settings)
        model.load_state_dict(saved["model"])
        for optimizer, content in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(content)
        average = saved["average"]
        generator.set_state(saved["generator"])
        step, order, total = saved["step"], saved["order"], saved["total"]
        losses, seconds = saved["losses"], saved["seconds"]
        parts = _parts(data(min(step, steps - 1) // steps_per_epoch))
    began = time.monotonic() - seconds

    def save() -> None:
        if state is not None:
            content = {
                "settings": settings,
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "average": average,
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
                    parts = _parts(data(epoch))
                order = torch.randperm(size, generator=generator)
                total = 0.0
            chosen = order[place * batch_size : (place + 1) * batch_size]
            batch = [part[chosen] for part in parts]
            losses_now = []
            for player, optimizer in zip(players, optimizers, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * cosine_decay(step, steps)
                loss = player.loss(*batch, generator=generator)
                optimizer.zero_grad()
                loss.backward()
                if max_grad_norm is not None:
                    torch.nn.utils.clip_grad_norm_(player.parameters, max_grad_norm)
                optimizer.step()
                losses_now.append(loss.item())
            if ema_decay is not None:
                with torch.no_grad():
                    fresh = 1 - min(ema_decay, (1 + step) / (10 + step))
                    torch._foreach_lerp_(average, list(model.parameters()), fresh)
            step += 1
            total += losses_now[0] * len(chosen)
            bar.update()
            for player, value in zip(players, losses_now, strict=True):
                if not math.isfinite(value):
                    whose = f"{player.name}'s loss" if len(players) > 1 else "loss"
                    raise FloatingPointError(
                        f"The {whose} became {value} at step {step} of {steps}. The usual causes: "
                        f"a learning rate too large ({learning_rate:g} here), or NaN in the data."
                    )
            if step % steps_per_epoch == 0:
                losses.append(total / size)
                bar.set_postfix_str(f"epoch {epoch + 1}/{epochs}, loss {losses[-1]:.2f}", False)
                save()
            if interrupt.is_set():
                save()
                raise Interrupted(f"stopped after step {step} of {steps}; all is saved in {state}")
    if ema_decay is not None:
        with torch.no_grad():
            for parameter, mean in zip(model.parameters(), average, strict=True):
                parameter.copy_(mean)
    model.eval()
    return History(losses, time.monotonic() - began)


def _players(model: Trainable) -> list[Player]:
    """The players that the model names, or the one player that every other model is."""
    if hasattr(model, "players"):
        players: list[Player] = model.players()
        return players
    return [Player("model", list(model.parameters()), model.loss)]


def _parts(data: Data) -> tuple[Tensor, ...]:
    """What the loss takes: x alone, or x and its condition."""
    return (data,) if isinstance(data, Tensor) else data


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
