"""What models give away of the rows that they learned from, with and without differential privacy.

    python benchmarks/privacy_attack.py --data FOLDER [--tables digits exercises] [--epsilons inf 8 1] [--seeds 0] [--rows 500]
        [--shadows 0]

The networks and tables are those of benchmarks/privacy.py. One thread. Rows found take their places in
benchmarks/results/privacy_attack.{json,md}; those of other tables, budgets and seeds stay.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

from privacy import COMMON, RESULTS, TABLES, read

LONG = {"digits": 60, "exercises": 150}  # epochs of the fit that is to learn its rows by heart
METRICS = ("advantage", "auc", "tpr_at_1_fpr")


def attack(
    folder: Path, name: str, epsilon: float, seed: int, most: int, shadows: int, by_heart: bool
) -> dict[str, Any]:
    """One fit, and the attacks on it.

    Args:
        folder, name: of the table.
        epsilon: the budget; infinite: none.
        seed: of the fit.
        most: rows to learn from; the first ones of the table.
        shadows: models for the second attack.
        by_heart: trained for LONG epochs, of which the last is kept: validated with the rows that it learns from.
    """
    import sensorium as sm

    told, start = TABLES[name], time.process_time()
    train, valid, test = (read(folder, name, side) for side in ("train", "valid", "test"))
    train = train.dropna(subset=told["target"])[:most]
    options = {**told["config"]["training"], **COMMON}
    if by_heart:
        valid, options = train, {**options, "epochs": LONG[name], "patience": LONG[name]}
    config = {key: value for key, value in told["config"].items() if key != "training"}
    config |= {"imbalance": "none", "balance": "none"}
    private = {"privacy": epsilon} if math.isfinite(epsilon) else {}
    run = sm.fit(train, told["target"], valid=valid, config=config, seed=seed, **private, **options)
    found = run.privacy(test, train, shadows=shadows)
    row = {
        "table": name, "epsilon": epsilon if math.isfinite(epsilon) else None, "by_heart": by_heart, "seed": seed,
        "rows": found["rows"], "accuracy": run.evaluate(test)["metrics"]["accuracy"]["value"],
        "attacks": found["targets"][told["target"]], "seconds": time.process_time() - start,
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def told(rows: list[dict[str, Any]]) -> str:
    """The table, a line a fit and attack."""

    def cell(score: dict[str, float]) -> str:
        return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"

    lines = [
        "# What a model gives away of the rows that it learned from",
        "`python benchmarks/privacy_attack.py --data FOLDER`",
        "Attacks on small networks, by the loss of each row or with shadow models. Unseen rows: the test table. Advantage: share "
        "found less share of false alarms, 0 by chance; AUC .5 by chance; found at 1 % false alarms, .01 by chance. 95 % "
        "intervals over rows; seeds are separate lines. By heart: many more epochs, the last one kept.",
        "| table | rows | epsilon | seed | accuracy | attack | advantage | AUC | found at 1 % |\n|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        budget = "none, by heart" if row["by_heart"] else "none" if row["epsilon"] is None else f"{row['epsilon']:g}"
        for kind, found in row["attacks"].items():
            name = "loss" if kind == "loss" else f"{found['models']} shadow models"
            cells = [row["table"], f"{row['rows']['learned']} + {row['rows']['unseen']}", budget, row["seed"]]
            cells += [f"{row['accuracy']:.3f}", name, *(cell(found[metric]) for metric in METRICS)]
            lines[-1] += "\n| " + " | ".join(map(str, cells)) + " |"
    seconds = statistics.median(row["seconds"] for row in rows)
    return "\n\n".join([*lines, f"Processor time of a fit with its attacks: {seconds:.0f} s (median)."]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--epsilons", nargs="+", type=float, default=[math.inf, 8, 1])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--shadows", type=int, default=0)
    given = parser.parse_args()
    path = RESULTS / "privacy_attack.json"
    key = ("table", "by_heart", "epsilon", "seed")
    rows = {tuple(row[k] for k in key): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    for name in given.tables:
        for seed in given.seeds:
            kinds = [(epsilon, False) for epsilon in given.epsilons] + [(math.inf, True)] * (math.inf in given.epsilons)
            for epsilon, by_heart in kinds:
                row = attack(given.data, name, epsilon, seed, given.rows, given.shadows, by_heart)
                rows[tuple(row[k] for k in key)] = row
                found = sorted(
                    rows.values(),
                    key=lambda r: (r["table"], not r["by_heart"], -(r["epsilon"] or math.inf), r["seed"]),
                )
                path.write_text(json.dumps(found, indent=1) + "\n")
                path.with_suffix(".md").write_text(told(found))


if __name__ == "__main__":
    main()
