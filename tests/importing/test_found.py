import pytest

from sensorium.errors import DataError
from sensorium.importing.found import columns_of, files, find


def test_files_are_found_in_order_through_links_and_once(tmp_path):
    real, folder = tmp_path / "real", tmp_path / "set"
    for path in (real / "b.mpg", folder / "s2" / "c.mpg", folder / ".cache" / "d.mpg", folder / ".e.mpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "s1").symlink_to(real)
    (real / "loop").symlink_to(folder)
    assert list(files(folder)) == [folder / "s1" / "b.mpg", folder / "s2" / "c.mpg"]


def test_a_name_is_found_two_folders_down_and_the_first_name_leads(tmp_path):
    for path in ("dev", "x/dev_splits_complete", "x/y/z/deep"):
        (tmp_path / path).mkdir(parents=True)
    assert find(tmp_path, "dev_splits_complete", "dev") == tmp_path / "x" / "dev_splits_complete"
    assert find(tmp_path, "no", "dev") == tmp_path / "dev"
    assert find(tmp_path, "deep") is None


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "label.csv"
    path.write_text("id,text,more\n07,NA,\n")
    assert columns_of(path, ("id", "text"), ("more", "other")) == {"id": ["07"], "text": ["NA"], "more": [""]}
    with pytest.raises(
        DataError, match=r"label\.csv has no column 'mode'; looked for id, mode\. It has: id, text, more\."
    ):
        columns_of(path, ("id", "mode"))
