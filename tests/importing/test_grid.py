import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import ConfigError, DataError

# As LipNet's sample swwp2s.align.
ALIGN = """0 12250 sil
12250 19250 set
19250 27250 white
27250 30500 with
30500 36000 p
36000 43250 two
43250 55250 soon
55250 74500 sil
"""


def make(folder, *names, align=ALIGN):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(align if path.suffix == ".align" else "x")
    return folder


def read(paths):
    return {split: pd.read_csv(path, keep_default_na=False) for split, path in paths.items()}


def test_words_come_from_the_alignment_or_from_the_name(tmp_path):
    copy = "video/mpg_6000"  # of a second quality
    folder = make(
        tmp_path, "s1/swwp2s.mpg", "align/s1/swwp2s.align", "s1/bbaf2n.mpg", "s2/lwbsza.mpg",
        f"s2/{copy}/id2_vcd_pgiz9p.mpg", f"s2/{copy}/id2_vcd_lwbsza.mpg", "s2/intro.mpg",
    )  # fmt: skip
    said = []
    paths = sm.import_set("grid", folder, tmp_path / "t", target=["words", "digit", "letter"], say=said.append)
    rows = pd.concat(read(paths).values()).set_index("video").sort_index()
    assert list(rows.columns) == ["words", "letter", "digit"]
    assert rows.to_dict("index") == {
        "../s1/bbaf2n.mpg": {"words": "bin blue at f two now", "letter": "f", "digit": "two"},
        "../s1/swwp2s.mpg": {"words": "set white with p two soon", "letter": "p", "digit": "two"},
        "../s2/intro.mpg": {"words": "", "letter": "", "digit": ""},
        "../s2/lwbsza.mpg": {"words": "lay white by s zero again", "letter": "s", "digit": "zero"},
        f"../s2/{copy}/id2_vcd_pgiz9p.mpg": {"words": "place green in z nine please", "letter": "z", "digit": "nine"},
    }  # fmt: skip
    assert said[-4:] == [
        "4 of 5 clips have no .align file of six words; their names spell the words.",
        "1 of 5 clips have a name that spells nothing; their target is empty.",
        "Of 2 speakers rows were dealt out, each digit in the same shares.",
        "To learn: words, digit, letter. Left out, as other targets: command, color, preposition, adverb.",
    ]


def test_alignments_of_two_speakers_are_not_mixed_up(tmp_path):
    folder = make(tmp_path, "s1/bbaf2n.mpg", "s2/bbaf2n.mpg", "s1/align/bbaf2n.align")
    rows = pd.concat(read(sm.import_set("grid", folder, target="words")).values()).set_index("video")["words"]
    assert rows.to_dict() == {"s1/bbaf2n.mpg": "set white with p two soon", "s2/bbaf2n.mpg": "bin blue at f two now"}


def test_lipnets_speakers_test_and_nobody_is_in_two_splits(tmp_path):
    speakers = ["s1", "s2", "s3", "s4", "s5", "s20", "s30"]
    folder = make(tmp_path, *(f"{speaker}/bbaf{digit}n.mpg" for speaker in speakers for digit in "1234"))
    found = read(sm.import_set("grid", folder))
    who = {split: set(rows["video"].str.partition("/")[0]) for split, rows in found.items()}
    assert who["test"] == {"s1", "s2", "s20"}
    assert len(who["valid"]) == 1
    assert who["train"] | who["valid"] == {"s3", "s4", "s5", "s30"}
    assert sum(map(len, found.values())) == 28
    assert list(found["train"].columns) == ["video", "digit"]


def test_of_other_speakers_each_is_in_one_split(tmp_path):
    folder = make(tmp_path, *(f"s{speaker}/bbaf{digit}n.mpg" for speaker in (3, 4, 5, 6) for digit in "12"))
    who = [set(rows["video"].str.partition("/")[0]) for rows in read(sm.import_set("grid", folder)).values()]
    assert [len(names) for names in who] == [2, 1, 1]
    assert len(set.union(*who)) == 4


def test_what_is_no_grid_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"as grid: looked for s1/\*\.mpg, .* with \*\.align; there is none"):
        sm.import_set("grid", tmp_path)
    make(tmp_path, "s1/bbaf2n.mpg", "s1/bbaf2n.align", align="0 12250 sil\n12250 bin\n")
    with pytest.raises(DataError, match=r"bbaf2n\.align, line 2: must be START END WORD; got '12250 bin'"):
        sm.import_set("grid", tmp_path)


def test_a_target_must_be_one_of_the_set(tmp_path):
    with pytest.raises(ConfigError, match=r"grid has no target 'word' to choose\. Did you mean 'words'"):
        sm.import_set("grid", make(tmp_path, "s1/bbaf2n.mpg"), target="word")
