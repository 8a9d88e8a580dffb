"""Endless batches: every image once per epoch, sources in equal shares, labels beside their images."""

from __future__ import annotations

import pytest
import torch

from dabench.data.augment import Augmenter, Stream
from dabench.plugins.contract import Augment, View

CPU = torch.device("cpu")


def numbered(n: int, start: int = 0, labelled: bool = True) -> View:
    """Return a view whose image i is filled with the value start + i, which is its label too."""
    values = torch.arange(start, start + n)
    images = values.to(torch.uint8)[:, None, None, None].expand(n, 1, 4, 4)
    return View(f"from-{start}", ("x",), images, values if labelled else None)


def stream(
    views: list[View], batch: int, seed: int = 0, augment: Augment | None = None, training: bool = True, **how: bool
) -> Stream:
    augmenter = Augmenter(augment or Augment(), 4, 4, CPU)
    return Stream(views, batch, augmenter, torch.Generator().manual_seed(seed), training, **how)


def drawn(of: Stream, batches: int) -> list[int]:
    return [v for _ in range(batches) for v in (next(of).images[:, 0, 0, 0] * 255).round().long().tolist()]


def test_every_image_comes_once_per_epoch() -> None:
    values = drawn(stream([numbered(10)], 4), 5)  # two epochs; the third batch is in both
    assert sorted(values[:10]) == sorted(values[10:]) == list(range(10))


def test_epochs_have_orders_of_their_own() -> None:
    values = drawn(stream([numbered(10)], 5), 4)
    assert values[:10] != values[10:]


def test_labels_are_those_of_the_images() -> None:
    batch = next(stream([numbered(50), numbered(50, 100)], 32))
    assert torch.equal(batch.require_labels(), (batch.images[:, 0, 0, 0] * 255).round().long())


def test_views_have_equal_shares_whatever_their_size() -> None:
    batch = next(stream([numbered(20), numbered(200, 20)], 16))
    assert int((batch.require_labels() < 20).sum()) == 8


def test_a_batch_that_does_not_divide_evenly_is_full() -> None:
    batch = next(stream([numbered(50), numbered(50, 50), numbered(50, 100)], 32))
    assert torch.bincount(batch.view).tolist() == [11, 11, 10]


@pytest.mark.parametrize(
    ("sizes", "batch", "shares"),
    [((20, 60), 16, [4, 12]), ((50, 50, 50), 32, [11, 11, 10]), ((1, 2, 240), 16, [1, 1, 14]), ((30,), 8, [8])],
)
def test_proportional_shares_follow_the_sizes_of_the_views(sizes: tuple[int, ...], batch: int, shares: list[int]) -> None:
    of = stream([numbered(n) for n in sizes], batch, proportional=True)
    assert torch.bincount(next(of).view).tolist() == shares


def test_proportional_views_are_read_once_in_the_same_number_of_batches() -> None:
    values = drawn(stream([numbered(10), numbered(30, 10)], 8, proportional=True), 5)
    assert sorted(values) == list(range(40))


def test_view_numbers_say_where_an_image_is_from() -> None:
    batch = next(stream([numbered(50), numbered(50, 50)], 16))
    assert torch.equal(batch.view, batch.require_labels() // 50)


def test_fewer_shots_than_a_batch_give_all_of_them_each_time() -> None:
    of = stream([numbered(5)], 32)
    assert [sorted(drawn(of, 1)) for _ in range(3)] == [list(range(5))] * 3


def test_withheld_labels_cannot_be_asked_for() -> None:
    batch = next(stream([numbered(5, labelled=False)], 4))
    with pytest.raises(PermissionError, match="withheld"):
        _ = batch.require_labels()


def test_labels_of_one_view_do_not_hide_that_another_has_none() -> None:
    assert next(stream([numbered(5), numbered(5, 5, labelled=False)], 4)).labels is None


def test_the_same_generator_gives_the_same_batches() -> None:
    assert drawn(stream([numbered(20)], 8, seed=1), 5) == drawn(stream([numbered(20)], 8, seed=1), 5)


def test_another_generator_gives_other_batches() -> None:
    assert drawn(stream([numbered(20)], 8, seed=1), 5) != drawn(stream([numbered(20)], 8, seed=2), 5)


def test_without_augmentation_a_stream_takes_the_centre() -> None:
    pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    batch = next(stream([View("one", ("x",), pixels)], 1, augment=Augment(crop=2), training=False))
    assert torch.equal((batch.images * 255).round().to(torch.uint8), pixels[:, :, 1:3, 1:3])


def test_a_stream_goes_on_where_its_state_was_taken() -> None:
    one, other = (stream([numbered(10), numbered(7, 10)], 6, augment=Augment(crop=3, rotate=9)) for _ in range(2))
    drawn(one, 4)
    other.load_state_dict(one.state_dict())
    assert all(torch.equal(next(one).images, next(other).images) for _ in range(5))


def test_an_index_is_the_place_of_an_image_in_its_view() -> None:
    views = [numbered(10), numbered(20, 100)]
    of = Stream(views, 8, Augmenter(Augment(), 4, 4, torch.device("cpu")), torch.Generator().manual_seed(0), augment=False)
    for _ in range(5):
        batch = next(of)
        for image, view, index in zip(batch.images, batch.view.tolist(), batch.index.tolist(), strict=True):
            assert torch.equal((image * 255).round().to(torch.uint8), views[view].images[index])


def test_copies_are_augmented_each_by_itself_and_the_first_is_the_images() -> None:
    view = View("v", ("a",), torch.randint(0, 256, (16, 1, 12, 12), dtype=torch.uint8), torch.zeros(16, dtype=torch.int64))
    augmenter = Augmenter(Augment(crop=8), 12, 12, torch.device("cpu"))
    first, second, strong = (
        batch := next(Stream([view], 16, augmenter, torch.Generator().manual_seed(0), copies=3, strong=True))
    ).copies
    assert torch.equal(first, batch.images)
    assert not torch.equal(first, second)
    assert not torch.equal(second, strong)
    assert strong.shape == first.shape
    assert all(len(torch.unique(image)) < 64 for image in strong)  # a part of each image is one grey
