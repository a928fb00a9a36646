"""Tables of examples, and typos."""

import numpy as np
import pandas as pd
import pytest

from sensorium.examples.splits import mistyped, write_splits


def test_tables_name_the_files_that_are_written(tmp_path):
    def make_row(split, row):
        return {"photo": "", "label": f"{split} {row}"}, {"photo": ("txt", f"{split}{row}".encode())}

    paths = write_splits(tmp_path / "made", (3, 1, 2), make_row, "A title.\n\nWhat it is.\n")
    assert {name: path.name for name, path in paths.items()} == {
        "train": "train.csv", "valid": "valid.csv", "test": "test.csv", "readme": "README.md",
    }  # fmt: skip
    table = pd.read_csv(paths["test"])
    assert list(table.columns) == ["photo", "label"]
    assert [(tmp_path / "made" / name).read_text() for name in table["photo"]] == ["test0", "test1"]
    assert len(pd.read_csv(paths["train"])) == 3
    assert paths["readme"].read_text() == "# A title\n\nWhat it is.\n"


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_so_many_letters_are_wrong(share):
    text = "a" * 30_000
    typed = mistyped(text, share, np.random.default_rng(0))
    # A third is left out, a third doubled, a third another letter (in 1 of 26 the same): the length stays.
    assert len(typed) == pytest.approx(30_000, abs=4 * (30_000 * share * 2 / 3) ** 0.5)
    struck = sum(letter != "a" for letter in typed)
    assert struck == pytest.approx(30_000 * share / 3 * 25 / 26, abs=4 * (30_000 * share / 3) ** 0.5)
    assert mistyped("12 - !", 1.0, np.random.default_rng(0)) == "12 - !"
