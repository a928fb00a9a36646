"""The picture of a training's curves: where they are, and that colour is not needed to tell them apart."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sensorium.pictures import history_plot as plot
from sensorium.pictures.history_plot import history_plot


def rows(**curves):
    count = len(next(iter(curves.values())))
    return [{"epoch": i + 1, **{name: values[i] for name, values in curves.items()}} for i in range(count)]


def picture(history):
    return np.asarray(Image.open(io.BytesIO(history_plot(history))).convert("RGB")).astype(int)


def coloured(image, place):
    """Where the curve of that place is, (N, 2) of y and x, within the axes."""
    colour = np.array([int(plot.COLOURS[place][i : i + 2], 16) for i in (1, 3, 5)])
    inside = np.abs(image - colour).sum(2) < 30
    inside[:, : plot.LEFT] = inside[:, plot.WIDTH - plot.RIGHT + 8 :] = False
    return np.argwhere(inside)


def test_curves_are_where_their_numbers_say():
    image = picture(rows(train_loss=[1.0, 0.8, 0.2], valid_loss=[0.9, 0.4, 0.6]))
    assert image.shape == (plot.HEAD + plot.PANEL + plot.FOOT, plot.WIDTH, 3)
    wide = plot.WIDTH - plot.LEFT - plot.RIGHT
    for place, values in enumerate([[1.0, 0.8, 0.2], [0.9, 0.4, 0.6]]):
        found = coloured(image, place)
        for epoch, value in enumerate(values):
            x, y = plot.LEFT + wide * epoch / 2, plot.HEAD + plot.PANEL * (1.0 - value) / 0.8  # ticks from 0.2 to 1
            assert np.hypot(*(found - [y, x]).T).min() < 3
    right = found[:, 1].max()
    assert right <= plot.LEFT + wide + 5


def test_the_best_epoch_is_marked():
    image = picture(rows(train_loss=[3.0, 2.0, 1.0, 0.5, 0.4], valid_loss=[3.0, 1.0, 2.0, 2.5, 2.9]))
    wide = plot.WIDTH - plot.LEFT - plot.RIGHT
    inside = image[plot.HEAD : plot.HEAD + plot.PANEL].sum(2) < 3 * 0xC0  # darker than the grid
    grey = np.ptp(image[plot.HEAD : plot.HEAD + plot.PANEL], axis=2) < 8
    columns = (inside & grey)[:, plot.LEFT + 4 : plot.LEFT + wide - 4].sum(0)
    assert abs(columns.argmax() + 4 - wide / 4) <= 1


def test_scores_have_axes_of_their_own_and_other_columns_none():
    losses = {"train_loss": [1.0, 0.5], "valid_loss": [1.0, 0.6]}
    one, two = plot.HEAD + plot.PANEL + plot.FOOT, 2 * (plot.HEAD + plot.PANEL + plot.FOOT)
    assert len(picture(rows(**losses, learning_rate=[1, 2], waited=[1, 2], **{"valid_loss a": [9, 9]}))) == one
    assert len(picture(rows(**losses, **{"valid_accuracy a": [0.5, 0.6], "valid_r2 b": [0.1, 0.7]}))) == two
    assert len(picture(rows(**losses, valid_contrast=[2.0, 1.0], valid_rebuild=[1.0, 0.8]))) == one


def test_curves_differ_in_dashes_and_marks():
    assert len(set(plot.DASHES)) == len(set(plot.MARKS)) == len(plot.COLOURS) == 6
    curves = {f"valid_r2 {place}": [float(place)] * 2 for place in range(6)}
    image = picture(rows(train_loss=[1.0, 1.0], valid_loss=[1.0, 1.0], **curves))
    drawn = []
    for place in range(6):
        found = coloured(image, place)
        found = found[found[:, 0] > plot.HEAD + plot.PANEL + plot.FOOT]  # of the second axes
        middle = np.round(found[:, 0].mean())
        drawn.append(tuple(np.unique(found[np.abs(found[:, 0] - middle) <= 1, 1])))
    assert len({columns[len(columns) // 3 :] for columns in drawn}) == 6
    assert len(drawn[0]) > 1.2 * max(map(len, drawn[1:]))


@pytest.mark.parametrize("dashes", [(9, 5), (2, 4), (12, 4, 2, 4)])
def test_dashes_go_round_corners(dashes):
    points = [(0.0, 0.0), (30.0, 40.0), (30.0, 150.0)]  # 160 long
    parts = plot._dashed(points, dashes)
    lengths = [np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in parts]
    period, on = sum(dashes), [start for start in np.cumsum([0, *dashes])[:-1:2]]
    wanted = sum(
        max(0, min(160, turn * period + start + dash) - min(160, turn * period + start))
        for turn in range(160 // period + 1)
        for start, dash in zip(on, dashes[::2], strict=True)
    )
    assert sum(lengths) == pytest.approx(wanted)


def test_names_at_one_height_do_not_cover_each_other():
    places = plot._apart([50.0, 10.0, 12.0, 51.0], 20)
    assert places[1] == 10
    assert places[2] == 30
    assert places == [50, 10, 30, 70]


@pytest.mark.parametrize(
    "history",
    [
        rows(train_loss=[0.5], valid_loss=[0.7], valid_accuracy=[1.0]),
        rows(train_loss=[0.5, 0.5], valid_loss=[0.5, 0.5], valid_accuracy=[float("nan")] * 2),
        rows(train_loss=[1e-7, 2e9], valid_loss=[1e5, -3.0], **{"valid_r2 价格": [-1e12, 0.3]}),
        rows(train_loss=list(np.linspace(1, 0, 500)), valid_loss=list(np.linspace(2, 1, 500))),
    ],
    ids=["one epoch", "flat and none", "wide, and another script", "many epochs"],
)
def test_every_history_is_a_picture(history):
    assert picture(history).std() > 5


def test_a_run_holds_the_picture_of_its_history(run):
    history = pd.read_csv(run / "history.csv").to_dict(orient="records")
    assert (run / "history.png").read_bytes() == history_plot(history)
