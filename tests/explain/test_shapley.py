"""Shapley and Faith-Shap values of games whose answers are known."""

import itertools
from math import comb, factorial

import numpy as np
import pytest

from sensorium.explain.shapley import coalitions_of, pairs_of, shares, shares_of_present


def worths(coalitions, game):
    """What each coalition is worth, of a game that reads the set of its players."""
    return np.array([float(game(frozenset(np.flatnonzero(row).tolist()))) for row in coalitions.members])


def subsets(players):
    return (frozenset(s) for n in range(len(players) + 1) for s in itertools.combinations(sorted(players), n))


def random_game(players, seed):
    random = np.random.default_rng(seed)
    table = {s: random.normal() for s in subsets(range(players))}
    return table.__getitem__


def shapley_by_permutations(players, game):
    """The definition: what a player adds to those before it, on average over all orders."""
    found = np.zeros(players)
    for order in itertools.permutations(range(players)):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            found[player] += game(before | {player}) - game(before)
    return found / factorial(players)


def faith_shap_by_moebius(players, game, order=2):
    """Tsai, Yeh and Ravikumar 2023, theorem 19: from the game's Moebius coefficients, sets of 1 to `order` players."""
    moebius = {s: sum((-1) ** (len(s) - len(t)) * game(t) for t in subsets(s)) for s in subsets(range(players))}
    found = []
    sets = [frozenset(s) for n in range(1, order + 1) for s in itertools.combinations(range(players), n)]
    for s in sets:
        larger = (t for t in moebius if s < t and len(t) > order)
        rest = sum(comb(len(t) - 1, order) / comb(len(t) + order - 1, order + len(s)) * moebius[t] for t in larger)
        factor = (-1) ** (order - len(s)) * len(s) / (order + len(s)) * comb(order, len(s))
        found.append(moebius[s] + factor * rest)
    return np.array(found)


@pytest.mark.parametrize(
    ("players", "game", "expected"),
    [
        (4, lambda s: 3 + sum((1.0, -2.0, 0.5, 0.0)[p] for p in s), [1.0, -2.0, 0.5, 0.0]),  # additive
        (2, lambda s: len(s) == 2, [1 / 2, 1 / 2]),  # AND
        (3, lambda s: len(s) == 3, [1 / 3, 1 / 3, 1 / 3]),
        (3, lambda s: min(len(s & {0, 1}), len(s & {2})), [1 / 6, 1 / 6, 4 / 6]),  # two left gloves and a right one
        (3, lambda s: len(s) >= 2, [1 / 3, 1 / 3, 1 / 3]),  # majority
        (1, lambda s: 5.0 * len(s), [5.0]),
    ],
)  # fmt: skip
def test_shapley_values_of_known_games(players, game, expected):
    coalitions = coalitions_of(players)
    assert coalitions.exact
    assert len(coalitions.members) == 2**players
    np.testing.assert_allclose(shares(coalitions, worths(coalitions, game)), expected, atol=1e-9)


@pytest.mark.parametrize("players", [2, 3, 4, 5])
def test_shapley_values_are_the_mean_over_all_orders(players):
    game, coalitions = random_game(players, players), coalitions_of(players)
    found = shares(coalitions, worths(coalitions, game))
    np.testing.assert_allclose(found, shapley_by_permutations(players, game), atol=1e-9)


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_interactions_are_faith_shap(players):
    game, coalitions = random_game(players, players), coalitions_of(players)
    found = shares(coalitions, worths(coalitions, game), order=2)
    np.testing.assert_allclose(found, faith_shap_by_moebius(players, game), atol=1e-9)


def test_interactions_of_known_games():
    coalitions = coalitions_of(3)

    def pairs(game):
        return dict(zip(pairs_of(3), shares(coalitions, worths(coalitions, game), order=2)[3:], strict=True))

    both = pairs(lambda s: {0, 1} <= s)  # the first counts only with the second
    assert both == pytest.approx({(0, 1): 1.0, (0, 2): 0.0, (1, 2): 0.0}, abs=1e-9)
    either = pairs(lambda s: bool({0, 1} & s))  # the second says again what the first said
    assert either == pytest.approx({(0, 1): -1.0, (0, 2): 0.0, (1, 2): 0.0}, abs=1e-9)
    assert pairs(lambda s: 2.0 * len(s)) == pytest.approx(dict.fromkeys(pairs_of(3), 0.0), abs=1e-9)


@pytest.mark.parametrize("players", [1, 3, 8, 12])
def test_efficiency_symmetry_and_dummy(players):
    """All shares add up to the whole, sampled or not; players who do the same get the same; who does nothing, nothing."""

    def game(s):
        return 1.5 + len(s & {0, 1}) ** 2 + 3 * (2 in s) * (1 + len(s & {0, 1})) + (0.2 if 5 in s else 0)

    coalitions = coalitions_of(players)
    worth = worths(coalitions, game)
    singles = shares(coalitions, worth)
    assert singles.sum() == pytest.approx(worth[-1] - worth[0])
    assert shares(coalitions, worth, order=2).sum() == pytest.approx(worth[-1] - worth[0])
    if players == 8:
        assert singles[0] == pytest.approx(singles[1])
        np.testing.assert_allclose(singles[[3, 4, 6, 7]], 0, atol=1e-9)


def test_many_games_at_once_are_each_for_itself():
    coalitions = coalitions_of(4)
    worth = np.stack([worths(coalitions, random_game(4, seed)) for seed in range(3)], axis=1)  # (16, 3)
    for order in (1, 2):
        together = shares(coalitions, worth, order)
        for game in range(3):
            np.testing.assert_allclose(together[:, game], shares(coalitions, worth[:, game], order), atol=1e-12)


def test_a_sample_comes_to_the_exact_values_as_it_grows():
    """10 players: the error of all values shrinks, to nothing once every coalition is asked."""
    game, exact = random_game(10, 0), coalitions_of(10, 2**10)
    assert exact.exact
    expected = [shares(exact, worths(exact, game), order) for order in (1, 2)]

    def errors(most):
        found = []
        for seed in range(12):
            some = coalitions_of(10, most, seed)
            assert len(some.members) <= most
            assert not some.exact
            worth = worths(some, game)
            found.append([((shares(some, worth, k) - e) ** 2).mean() for k, e in zip((1, 2), expected, strict=True)])
        return np.mean(found, axis=0)

    few, more, most = errors(120), errors(400), errors(900)
    assert (more < 0.5 * few).all()
    assert (most < 0.5 * more).all()


def test_a_sample_is_exact_for_a_game_of_pairs():
    """Least squares of order 2 knows such a game from any sample that tells all its terms."""
    random = np.random.default_rng(0)
    single, pair = random.normal(size=12), np.triu(random.normal(size=(12, 12)), 1)
    coalitions = coalitions_of(12)
    assert not coalitions.exact
    z = coalitions.members.astype(float)
    worth = z @ single + np.einsum("ci,ij,cj->c", z, pair, z)
    found = shares(coalitions, worth, order=2)
    np.testing.assert_allclose(found, [*single, *(pair[a, b] for a, b in pairs_of(12))], atol=1e-8)


def test_a_sample_has_all_of_one_player_and_of_all_but_one_whatever_was_allowed():
    sizes = coalitions_of(20, most=1).members.sum(1)
    assert np.bincount(sizes, minlength=21)[[0, 1, 19, 20]].tolist() == [1, 20, 20, 1]


def test_the_seed_decides_what_is_drawn():
    first, again, other = (coalitions_of(12, seed=seed).members for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize("players", [4, 10])
def test_absent_players_get_nothing_and_the_others_what_they_get_without_them(players):
    game, coalitions = random_game(players, 7), coalitions_of(players)
    present = np.ones((3, players), dtype=bool)
    present[1, [0, 2]] = False
    present[2] = False
    worth = np.stack([worths(coalitions, lambda s, row=row: game(s & set(np.flatnonzero(row)))) for row in present], 1)
    singles, pairs = shares_of_present(coalitions, worth, present)
    assert (singles[[0, 2], 1] == 0).all()
    np.testing.assert_allclose(singles.sum(0), worth[-1] - worth[0], atol=1e-9)
    assert (singles[:, 2] == 0).all()
    there = [present[1, a] and present[1, b] for a, b in pairs_of(players)]
    assert (np.isfinite(pairs[:, 1]) == there).all()
    assert np.isnan(pairs[:, 2]).all()
    if players == 4:
        small = coalitions_of(2)  # of the players 1 and 3 alone
        expected = shares(small, worths(small, lambda s: game(frozenset({(1, 3)[p] for p in s}))), order=2)
        np.testing.assert_allclose(pairs[pairs_of(4).index((1, 3)), 1], expected[2], atol=1e-9)
        np.testing.assert_allclose(singles[[1, 3], 1], expected[:2] + expected[2] / 2, atol=1e-9)


@pytest.mark.parametrize("most", [2**12, 256, 60])
def test_weights_are_shapleys_whatever_is_drawn(most):
    """Of 12 players (12 - 1) / (s (12 - s)) for all coalitions of s players together, each size of the others in the mean."""
    sizes = np.arange(1, 12)
    expected = 11 / (sizes * (12 - sizes))
    coalitions = coalitions_of(12, most)
    counted = coalitions.members.sum(1)
    assert coalitions.weights[[0, -1]].tolist() == [0, 0]
    assert coalitions.weights.sum() == pytest.approx(expected.sum())
    found = np.array([coalitions.weights[counted == size].sum() for size in sizes])
    np.testing.assert_allclose(found[[0, -1]], expected[[0, -1]])  # always whole
    if most == 2**12:
        np.testing.assert_allclose(found, expected)
