"""Items wait for one another, keep their order, and are never lost in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from spine_assets.orchestration.storage.batch_writer import Batches

LONG = 60.0  # longer than any of these tests takes
SOON = 0.05


class Full(Exception):
    """What is written to takes no more."""


class Paper:
    """Keeps the batches that were written; fails while it is full."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.full = False
        self.tries = 0

    def write(self, batch: list[str]) -> None:
        self.tries += 1
        if self.full:
            raise Full
        self.batches.append(batch)

    @property
    def items(self) -> list[str]:
        return [item for batch in self.batches for item in batch]


def batches(
    write: Callable[[list[str]], None], delay_seconds: float = LONG, most: int = 100
) -> Batches[str]:
    """Batches of the items with the same first letter."""
    return Batches(write, key=lambda item: item[0], delay_seconds=delay_seconds, most=most)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30  # a machine under load
    while not holds():
        assert time.monotonic() < end, "it did not come to pass in 30 s"
        time.sleep(0.01)


def test_items_wait_until_they_are_asked_for() -> None:
    paper = Paper()
    queue = batches(paper.write)
    for item in ("a1", "a2", "a3"):
        queue.add(item)
    assert paper.batches == []
    queue.flush()
    assert paper.batches == [["a1", "a2", "a3"]]
    queue.flush()
    assert paper.tries == 1


def test_items_are_written_after_the_delay_with_nobody_asking() -> None:
    paper = Paper()
    queue = batches(paper.write, delay_seconds=SOON)
    for number in range(3):
        queue.add(f"a{number}")
        until(lambda number=number: paper.items[-1:] == [f"a{number}"])  # type: ignore[misc]
    until(lambda: all(thread.name != "batches" for thread in threading.enumerate()))


def test_so_many_items_are_written_at_once() -> None:
    paper = Paper()
    queue = batches(paper.write, most=3)
    for number in range(7):
        queue.add(f"a{number}")
    assert paper.batches == [["a0", "a1", "a2"], ["a3", "a4", "a5"]]


def test_only_adjoining_items_of_a_key_share_a_batch() -> None:
    paper = Paper()
    queue = batches(paper.write)
    for item in ("a1", "a2", "b1", "a3"):
        queue.add(item)
    queue.flush()
    assert paper.batches == [["a1", "a2"], ["b1"], ["a3"]]


def test_what_cannot_be_written_waits_and_the_next_caller_is_told_until_it_is_written() -> None:
    paper = Paper()
    queue = batches(paper.write, delay_seconds=SOON)
    paper.full = True
    queue.add("a1")
    until(lambda: paper.tries == 1)
    time.sleep(2 * SOON)
    for item in ("a2", "a3"):
        with pytest.raises(Full):
            queue.add(item)
    with pytest.raises(Full):
        queue.flush()
    paper.full = False
    queue.add("a4")
    queue.flush()
    assert paper.items == ["a1", "a2", "a3", "a4"]


def test_a_batch_that_fails_holds_up_those_after_it() -> None:
    paper = Paper()
    queue = batches(paper.write)
    queue.add("a1")
    queue.add("b1")
    paper.full = True
    with pytest.raises(Full):
        queue.flush()
    assert paper.tries == 1
    paper.full = False
    queue.flush()
    assert paper.batches == [["a1"], ["b1"]]


def test_who_asks_does_not_wait_for_items_that_others_go_on_adding() -> None:
    paper = Paper()
    queue = batches(paper.write, delay_seconds=SOON)
    stop = threading.Event()

    def add_on() -> None:
        number = 0
        while not stop.is_set():
            queue.add(f"a{number}")
            number += 1

    adding = threading.Thread(target=add_on)
    adding.start()
    try:
        for _ in range(20):
            queue.flush()
    finally:
        stop.set()
        adding.join()
    queue.flush()
    assert paper.items == [f"a{number}" for number in range(len(paper.items))]


def test_items_of_many_threads_are_all_written_once_and_each_thread_in_order() -> None:
    paper = Paper()
    queue = batches(paper.write, delay_seconds=0.001, most=7)

    def add_all(name: str) -> None:
        for number in range(300):
            queue.add(f"{name}{number}")
            if number % 50 == 0:
                queue.flush()

    threads = [threading.Thread(target=add_all, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.flush()
    for name in "abcd":
        assert [item for item in paper.items if item[0] == name] == [
            f"{name}{number}" for number in range(300)
        ]
