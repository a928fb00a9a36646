"""Integrated gradients and Shapley values of functions whose values are known."""

import numpy as np
import pytest
import torch

from sensorium.data.text import TextReader
from sensorium.explain.attribution.gradients import integrated_gradients, reaches
from sensorium.explain.attribution.grid import cells, spread
from sensorium.explain.attribution.image import plain
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.attribution.text import words


def test_integrated_gradients_of_a_sum_and_a_product():
    # Of w x they are w (x - b); of x y from 0 each factor has half of the product (the integral of t dt).
    given, other = torch.tensor([[2.0, -3.0]]), torch.tensor([[5.0]])
    nothing = [[torch.tensor([[1.0, 1.0]]), torch.zeros(1, 1)]]

    def answer(x, y):
        return x @ torch.tensor([4.0, 0.5]) + 0 * y[:, 0]

    (found, none), expected = integrated_gradients(answer, [given, other], nothing)
    assert found[0].tolist() == pytest.approx([4.0, -2.0])
    assert none.item() == 0
    assert expected == pytest.approx(2.0)

    (found,), expected = integrated_gradients(lambda x: x[:, 0] * x[:, 1], [given], [[torch.zeros(1, 2)]])
    assert found[0].tolist() == pytest.approx([-3.0, -3.0])
    assert expected == pytest.approx(-6.0)


def test_of_several_baselines_the_mean_counts():
    given = torch.tensor([[3.0]])
    (found,), expected = integrated_gradients(lambda x: 2 * x[:, 0], [given], [[torch.zeros(1, 1)], [torch.ones(1, 1)]])
    assert found.item() == pytest.approx(5.0)
    assert expected == pytest.approx(5.0)


def test_a_steep_answer_gets_more_steps():
    # 16 points miss a step of width 1/100: the values must still add up.
    asked = []

    def answer(x):
        asked.append(len(x))
        return torch.sigmoid(200 * (x[:, 0] - 0.503))

    (found,), expected = integrated_gradients(answer, [torch.ones(1, 1)], [[torch.zeros(1, 1)]])
    assert sum(asked) >= 16 + 64
    assert expected == pytest.approx(1.0)
    assert found.item() == pytest.approx(1.0, abs=0.03)


def test_whether_gradients_reach():
    assert reaches(lambda x: x.sum(1), torch.ones(1, 2))
    assert not reaches(lambda x: x.detach().sum(1), torch.ones(1, 2))
    assert not reaches(lambda x: torch.ones(1, requires_grad=True) + x.detach().sum(1), torch.ones(1, 2))


class Game:
    """An answer that is worth what `worth` says of the pieces that are left."""

    def __init__(self, worth):
        self.worth = worth

    def whole(self, values, mask):
        return self.worth(values)


def pieces(count):
    return Pieces(count, torch.arange(count), lambda left: (left.float(), left))


def test_shapley_values_of_known_games():
    # Additive: each its own worth. All or nothing: 1 / n each. A glove game (left, left, right): 1/6, 1/6, 4/6.
    found, expected = shapley(Game(lambda left: left @ torch.tensor([1.0, -2.0, 0.5]) + 7), pieces(3))
    assert found.tolist() == pytest.approx([1.0, -2.0, 0.5], abs=1e-5)
    assert expected == pytest.approx(-0.5)

    found, expected = shapley(Game(lambda left: left.prod(1)), pieces(4))
    assert expected == 1
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert found.tolist() == pytest.approx([0.25] * 4, abs=0.2)  # of 64 orders; the deviation is 0.054

    gloves = Game(lambda left: torch.minimum(left[:, :2].amax(1), left[:, 2]))
    assert shapley(gloves, pieces(3))[0].tolist() == pytest.approx([1 / 6, 1 / 6, 4 / 6], abs=0.18)


def test_shapley_values_are_the_same_again():
    game = Game(lambda left: left.prod(1))
    assert torch.equal(shapley(game, pieces(4))[0], shapley(game, pieces(4))[0])


def test_a_grid_over_pixels_keeps_the_sum():
    found = spread(torch.tensor([[[3.0, 6.0], [1.0, 2.0]]]), 5, 3)
    assert found.shape == (1, 5, 3)
    assert float(found.sum()) == pytest.approx(12.0)
    assert cells(4, 4, 2, 2).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


def test_nothing_in_particular_has_the_colour_of_the_background():
    picture = torch.full((1, 3, 8, 8), 0.25)
    picture[:, :, :4, :4] = 1.0
    assert torch.equal(plain(picture), torch.full((1, 3, 8, 8), 0.25))
    clip = picture.repeat(2, 1, 1, 1)
    clip[1] = 0.75  # a flash is no background
    clip = torch.cat([clip, picture, picture])[None]
    assert torch.equal(plain(clip, frames=True), torch.full((1, 4, 3, 8, 8), 0.25))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop, e-mail me.", ["Don't", "stop", ",", "e-mail", "me", "."]),
        ("加点盐 and 糖!", ["加", "点", "盐", "and", "糖", "!"]),
        ("snake_case 3.5", ["snake_case", "3", ".", "5"]),
        ("😀ok", ["😀", "ok"]),
        ("  ", ["  "]),
    ],
)
def test_words(text, found):
    assert [text[start:end] for start, end in words(text)] == found


def test_every_token_lies_in_words():
    from sensorium.explain.attribution.text import _shares

    reader = TextReader("x", vocabulary=300)
    texts = ["a fine  day\n\nit was, 好天气 indeed", "天气好 good"]
    reader.fit([(text,) for text in texts * 3])
    for text in texts:
        code = reader.tokenizer.encode(text)
        share = _shares(code.offsets, code.special_tokens_mask, words(text), len(code.ids))
        np.testing.assert_allclose(share.sum(1), 1)
        assert (share.max(0) > 0).all()  # every word has a token
