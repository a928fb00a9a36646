"""What a run is known by."""

import sensorium as sm
from sensorium.search.digest import run_digest


def test_it_is_the_same_after_saving_and_loading_and_another_for_other_weights(run):
    first, second = sm.load(run), sm.load(run)
    assert run_digest(first) == run_digest(second)
    assert len(run_digest(first)) == 64
    next(second.model.parameters()).data.add_(1e-3)
    assert run_digest(first) != run_digest(second)


def test_it_is_another_where_a_text_is_read_otherwise(make):
    first, second = make(), make()
    assert run_digest(first) == run_digest(second)
    second.readers["note"].max_tokens = 3
    assert run_digest(first) != run_digest(second)


def test_what_is_in_memory_is_known_as_what_is_on_disk(table, config, tmp_path):
    training = {**config["training"], "epochs": 1}
    predictor = sm.fit(table, "label", config={**config, "training": training}, wide=False, out=tmp_path / "run")
    assert run_digest(predictor) == run_digest(sm.load(tmp_path / "run"))
