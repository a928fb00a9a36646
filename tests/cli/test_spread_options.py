"""Options of several devices and of a cluster that do not go together; what they do is tested in training/ and cluster/."""

import pytest

from sensorium.cluster import connect


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", 2], "--workers: for --cluster alone, which is not given."),
        (["--storage", "s3://b", "--min-workers", 1], "--min-workers, --storage: for --cluster alone"),
        (["--cluster", "local", "--devices", 2], "--devices is for this machine alone; give --workers with --cluster."),
        (["--devices", 2, "--strategy", "dp"], "strategy: unknown value 'dp'. There is: ddp."),
        (
            ["--cluster", "local", "--workers", 1, "--min-workers", 2],
            "the fewest workers must be from 1 to all of them (1)",
        ),
    ],
)
def test_fit_refuses(sensorium, table, tmp_path, monkeypatch, words, message):
    monkeypatch.setattr(connect, "load_ray", lambda: pytest.fail("a cluster was asked for"))
    code, _, err = sensorium("fit", table, "--target", "label", "--out", tmp_path / "run", *words)
    assert code == 2
    assert message in " ".join(err.split())


def test_tune_refuses_workers_without_a_cluster(sensorium, table, tmp_path):
    code, _, err = sensorium("tune", table, "--target", "label", "--out", tmp_path, "--workers", 2)
    assert code == 2
    assert "--workers: for --cluster alone, which is not given." in err
