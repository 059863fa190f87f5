import torch

from ostinato.tasks.split import epoch_rows, stratified_split


def test_split_is_disjoint_complete_and_stratified():
    labels = torch.arange(4).repeat_interleave(torch.tensor([100, 200, 50, 10]))
    parts = stratified_split(labels, (0.7, 0.2), seed=0)
    assert torch.cat(parts).sort().values.tolist() == list(range(360))
    assert [labels[part].bincount().tolist() for part in parts] == [
        [70, 140, 35, 7],
        [20, 40, 10, 2],
        [10, 20, 5, 1],
    ]


def test_split_depends_on_the_seed_only():
    labels = torch.zeros(50, dtype=torch.int64)
    first, again, other = (stratified_split(labels, (0.5,), seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_epoch_reads_every_row_in_its_own_order():
    rows = torch.cat([epoch_rows(10, step, 4, seed=0) for step in range(5)])
    assert sorted(rows[:10].tolist()) == list(range(10)) == sorted(rows[10:].tolist())
    assert not torch.equal(rows[:10], rows[10:])


def test_batch_larger_than_an_epoch():
    whole = epoch_rows(3, 0, 12, seed=0)
    assert [sorted(epoch) for epoch in whole.view(4, 3).tolist()] == [[0, 1, 2]] * 4
    assert torch.equal(whole[6:12], epoch_rows(3, 1, 6, seed=0))
