"""Made-up vectors of given classes: a conditional Wasserstein GAN with gradient penalty."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sensorium.config import Imbalance
from sensorium.errors import DataError

__all__ = ["FEWEST", "VectorGAN", "check_rows", "gradient_penalty"]

FEWEST = 3  # rows of a class: of fewer, copies are all that can be learned
BATCH, CRITIC_STEPS, RATE = 128, 5, 1e-3
AVERAGE = 0.98  # of the running mean of the generator's weights, a step


def check_rows(target: str, classes: list[str], counts: list[int]) -> None:
    """Refuse classes of too few rows.

    Raises:
        DataError: a class has fewer than FEWEST rows.

    Example:
        >>> check_rows("label", ["a", "b"], [9, 3])
    """
    for name, count in zip(classes, counts, strict=True):
        if count < FEWEST:
            raise DataError(
                f"imbalance.method=gan: class '{name}' of target '{target}' must have {FEWEST} or more rows to learn "
                f"from; it has {count}. Add rows, merge it with another class, or take another method."
            )


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """mean((|gradient of the critic| - 1)^2) at points between real and made-up rows.

    Reference:
        Gulrajani et al. 2017, Improved Training of Wasserstein GANs.

    Args:
        critic: one number a row, that depends on its own row alone.
        share: of the real row in each point, in [0, 1].

    Shape:
        real, fake: (B, D). share: (B, 1). Returns a scalar, with a gradient for the critic.

    Example:
        >>> slope = torch.tensor([3.0, 4.0])  # of length 5
        >>> gradient_penalty(lambda x: x @ slope, torch.zeros(2, 2), torch.ones(2, 2), torch.rand(2, 1)).item()
        16.0
    """
    points = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)  # (B, D)
    return (slope.norm(dim=1) - 1).square().mean()


class VectorGAN:
    """Learns the vectors of every class, to make more of the rare ones.

    What is learned is how vectors lie about their class' mean, in units of the deviation within classes. All classes
    share one generator and one critic, which are told the class: what varies within a frequent class helps with a rare
    one. Batches hold every class alike. Numbers that are constant stay so.

    Reference:
        Gulrajani et al. 2017, with the class as in Mirza and Osindero 2014, Conditional Generative Adversarial Nets.
        Differs, for some hundred rows and seconds: two hidden layers, rates of 1e-3 that fall to 0, a penalty of weight
        0.5 and not 10 (with 10 the few steps leave the means off), vectors made by the running mean of the generator's
        weights (Yazici et al. 2019, The Unusual Effectiveness of Averaging in GANs).

    Args:
        vectors: (N, D), to learn from.
        classes: (N,) class numbers, each of 0..K-1 in a row or more.
        options: the gan_ ones count.
        seed: of weights and noise; the same gives the same.
    """

    def __init__(self, vectors: Tensor, classes: Tensor, options: Imbalance, seed: int):
        self.counts = classes.bincount()
        self.classes, self.noise = len(self.counts), options.gan_noise
        self.random = torch.Generator().manual_seed(seed)
        sums = torch.zeros(self.classes, vectors.shape[1]).index_add_(0, classes, vectors)
        self.means = sums / self.counts[:, None]  # (K, D)
        rest = vectors - self.means[classes]
        self.scale = rest.square().mean(0).sqrt()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator = _layers(self.noise + self.classes, options.gan_hidden, vectors.shape[1])
            critic = _layers(vectors.shape[1] + self.classes, options.gan_hidden, 1)
        real = rest / self.scale.where(self.scale > 0, torch.ones_like(self.scale))
        order = classes.argsort(stable=True)
        self.generator = self._learn(generator, critic, real[order], options)

    def _learn(self, generator: nn.Module, critic: nn.Module, real: Tensor, options: Imbalance) -> nn.Module:
        """The mean generator, from rows sorted by their class."""
        mean = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
        optimisers = [torch.optim.Adam(net.parameters(), lr=RATE, betas=(0.0, 0.9)) for net in (critic, generator)]
        schedules = [torch.optim.lr_scheduler.LinearLR(one, 1.0, 0.0, options.gan_steps) for one in optimisers]
        ends = self.counts.cumsum(0)

        def judge(vectors: Tensor, label: Tensor) -> Tensor:
            return critic(torch.cat([vectors, label], dim=1))[:, 0]

        for _ in range(options.gan_steps):
            for _ in range(CRITIC_STEPS):
                drawn, label = self._draw()
                places = (ends - self.counts)[drawn] + (
                    torch.rand(BATCH, generator=self.random) * self.counts[drawn]
                ).long()
                given = real[places.minimum(ends[drawn] - 1)]  # a float just below 1 times a count may be the count
                made = self._make(generator, label).detach()
                share = torch.rand(BATCH, 1, generator=self.random)
                penalty = gradient_penalty(partial(judge, label=label), given, made, share)
                loss = judge(made, label).mean() - judge(given, label).mean() + options.gan_penalty * penalty
                _step(optimisers[0], loss)
            _, label = self._draw()
            _step(optimisers[1], -judge(self._make(generator, label), label).mean())
            mean.update_parameters(generator)
            for schedule in schedules:
                schedule.step()
        return mean.module

    def _draw(self) -> tuple[Tensor, Tensor]:
        """A batch of classes, each as likely: their numbers, and one-hot."""
        drawn = torch.randint(self.classes, (BATCH,), generator=self.random)
        return drawn, F.one_hot(drawn, self.classes).float()

    def _make(self, generator: nn.Module, label: Tensor) -> Tensor:
        noise = torch.randn(len(label), self.noise, generator=self.random)
        return generator(torch.cat([noise, label], dim=1))

    @torch.no_grad()
    def sample(self, classes: Tensor) -> Tensor:
        """A new vector of each class given: (M,) -> (M, D)."""
        label = F.one_hot(classes, self.classes).float()
        return self.means[classes] + self.scale * self._make(self.generator, label)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _layers(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, outputs),
    )  # fmt: skip
