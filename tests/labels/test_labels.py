"""What is known to have happened in recordings of others is found, and nothing else is told.

`python benchmarks/detection.py` does the same with all of them, which takes minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import detection, labels


@pytest.mark.usefixtures("shared_data")
@pytest.mark.parametrize("name", detection.QUICK)
def test_every_prefix_that_flaps_is_found(name: str) -> None:
    (label,) = [each for each in labels.flap_labels() if each["file"] == name]
    score = labels.flaps(label)
    assert score.labels == len(label["top"]) > 0
    assert score.found == score.labels
    assert score.found + score.meets == label["flapping_prefixes"]
    assert score.unexplained == []


@pytest.mark.usefixtures("shared_data")
def test_a_quiet_quarter_of_an_hour_raises_nothing() -> None:
    score = labels.quiet(labels.QUIET[:1])
    assert score.name.endswith(f"{labels.STABLE} prefixes")
    assert score.events == 78_639
    assert score.unexplained == []


def test_the_files_that_a_quick_run_reads_have_labels(shared_data: Path) -> None:
    assert {each["file"] for each in labels.flap_labels()} >= set(detection.QUICK)
    assert all((shared_data / name).is_file() for name in labels.QUIET)


@pytest.mark.usefixtures("shared_data")
def test_the_hijack_of_june_2026_is_found_to_the_second() -> None:
    """AS18101 announces 15 prefixes of Telegram: each opens then, and ends with its last peer."""
    score = labels.telegram()
    assert (score.events, score.labels) == (9_723, 15)
    assert score.found == score.labels
    assert score.unexplained == []
