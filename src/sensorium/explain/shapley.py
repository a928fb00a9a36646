"""Shapley values of the players of a game, and of their pairs, from what coalitions are worth."""

import itertools
from math import comb
from typing import NamedTuple

import numpy as np

__all__ = ["Coalitions", "coalitions_of", "pairs_of", "shares", "shares_of_present"]

MOST = 256  # coalitions asked for at most: all of 8 players


class Coalitions(NamedTuple):
    """Some subsets of players. The first is empty, the last holds everyone.

    members: (C, players) bool. weights: (C,) of the least squares in `shares`; of the first and the last they count nothing.
    exact: whether they are all there are.
    """

    members: np.ndarray
    weights: np.ndarray
    exact: bool


def coalitions_of(players: int, most: int = MOST, seed: int = 0) -> Coalitions:
    """All coalitions, or as many as may be asked for, with their weights in Shapley's least squares.

    Sizes are taken whole from both ends inwards, as long as they fit: the coalitions of one player and of all but one weigh
    most. Of the sizes in the middle some are drawn, each with all others beside it, which halves the error.

    Reference: Lundberg and Lee 2017 (the weights); Covert and Lee 2021 (pairs of a coalition and its complement).

    Args:
        players: 1 or more.
        most: coalitions, 2 * players + 2 or more, so that those of one player and of all but one are among them.
        seed: of what is drawn.

    Example:
        >>> coalitions_of(2).members.astype(int).tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    weights: dict[tuple[int, ...], float] = {}
    left = max(most, 2 * players + 2) - 2
    sizes = list(range(1, players // 2 + 1))
    mass = {size: (players - 1) / (size * (players - size)) * (1 if 2 * size == players else 2) for size in sizes}
    while sizes:
        size = sizes[0]
        count = comb(players, size) * (1 if 2 * size == players else 2)
        if count > left:
            break
        for chosen in itertools.combinations(range(players), size):
            weights[chosen] = weights[_others(chosen, players)] = mass[size] / count
        left -= count
        sizes.pop(0)
    if sizes and (draws := left // 2):
        random = np.random.default_rng(seed)
        masses = np.array([mass[size] for size in sizes])
        for size in random.choice(sizes, draws, p=masses / masses.sum()):
            chosen = tuple(sorted(random.choice(players, size, replace=False).tolist()))
            for part in (chosen, _others(chosen, players)):
                weights[part] = weights.get(part, 0.0) + masses.sum() / (2 * draws)
    inner = sorted(weights, key=lambda chosen: (len(chosen), chosen))
    members = np.zeros((len(inner) + 2, players), dtype=bool)
    members[-1] = True
    for row, chosen in enumerate(inner, 1):
        members[row, list(chosen)] = True
    return Coalitions(members, np.array([0.0, *(weights[chosen] for chosen in inner), 0.0]), not sizes)


def pairs_of(players: int) -> list[tuple[int, int]]:
    """All pairs, in the order in which `shares` gives their values."""
    return list(itertools.combinations(range(players), 2))


def shares(coalitions: Coalitions, worth: np.ndarray, order: int = 1) -> np.ndarray:
    """How what all players together are worth, above none of them, is shared among them, and, of order 2, their pairs.

    It is the additive game (of order 2: additive in players and pairs) that is nearest to the given one in Shapley's
    weights and equals it where all players are in and where none is. Of order 1 and all coalitions those are exactly the
    Shapley values; of order 2 they are Faith-Shap's, in which players' own shares and pairs' add up to the whole.

    Reference: Charnes et al. 1988 (Shapley values as least squares); Tsai, Yeh and Ravikumar 2023, Faith-Shap.

    Args:
        coalitions: asked.
        worth: of each coalition (C,), or of many games at once (C, ...).
        order: 1 or 2.

    Returns:
        (players, ...) or, of order 2, (players + pairs, ...): the pairs as `pairs_of` has them.

    Example:
        >>> shares(coalitions_of(2), np.array([0.0, 0.0, 0.0, 1.0]), order=2).round(6).tolist()  # worth only together
        [0.0, 0.0, 1.0]
    """
    members = coalitions.members.astype(np.float64)
    terms = members
    if order == 2:
        first, second = np.array(pairs_of(members.shape[1]), dtype=int).reshape(-1, 2).T
        terms = np.concatenate([members, members[:, first] * members[:, second]], axis=1)  # (C, terms)
    worth = np.asarray(worth, dtype=np.float64)
    above = (worth - worth[:1]).reshape(len(worth), -1)  # (C, games)
    # All shares sum to the whole, so the last is what the others leave; they alone are fitted.
    root = np.sqrt(coalitions.weights)[:, None]
    fitted = np.linalg.pinv(root * (terms[:, :-1] - terms[:, -1:])) @ (root * (above - terms[:, -1:] * above[-1:]))
    found = np.concatenate([fitted, above[-1:] - fitted.sum(0, keepdims=True)])
    return found.reshape(len(found), *worth.shape[1:])


def shares_of_present(coalitions: Coalitions, worth: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`shares` of both orders in games that some players take no part in; those have exactly 0, their pairs NaN.

    Args:
        coalitions: asked.
        worth: (C, games).
        present: (games, players) bool.

    Returns:
        Shapley values (players, games); Faith-Shap values of pairs (pairs, games), as `pairs_of` has them.
    """
    players = present.shape[1]
    singles, pairs = np.zeros((players, len(present))), np.full((len(pairs_of(players)), len(present)), np.nan)
    for pattern in np.unique(present, axis=0):
        games = (present == pattern).all(1)
        if not pattern.any():
            continue
        inner = coalitions._replace(members=coalitions.members[:, pattern])
        singles[np.ix_(pattern, games)] = shares(inner, worth[:, games])
        both = np.array([pattern[a] and pattern[b] for a, b in pairs_of(players)], dtype=bool)
        pairs[np.ix_(both, games)] = shares(inner, worth[:, games], order=2)[pattern.sum() :]
    return singles, pairs


def _others(chosen: tuple[int, ...], players: int) -> tuple[int, ...]:
    return tuple(player for player in range(players) if player not in chosen)
