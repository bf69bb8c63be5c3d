"""Banks of embeddings: bounded, diverse, searched exactly, and going on as if they had not stopped."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core.model import checkpoint
from core.model.bank import Bank, Placed
from core.training.learning import losses


def units(count: int, dim: int = 8, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def cheapest(bank: Bank, kind: str) -> float:
    """Cost of letting one of two members stand for both, smallest over all pairs, the slow way."""
    members, weights = bank.members(kind), bank.weights(kind).clamp(max=16).tolist()
    costs = []
    for i, (a, one) in enumerate(zip(members, weights, strict=True)):
        for b, other in list(zip(members, weights, strict=True))[:i]:
            costs.append(one * other / (one + other) * float((a - b).square().sum()))
    return min(costs)


@pytest.mark.parametrize("limit", [5, 20, 64])
def test_a_full_bank_keeps_its_bound_and_its_diversity(limit: int) -> None:
    bank = Bank(8, {"p": 20})
    costs, offered = [], 0
    for seed in range(15):
        bank.add(units(50, seed=seed), "p", limit=limit)
        offered += 50
        assert bank.count("p") <= 20
        assert float(bank.weights("p").sum()) == offered  # every candidate is stood for
        if bank.count("p") == 20:
            costs.append(cheapest(bank, "p"))
    assert len(costs) > 10
    assert all(after >= before - 1e-5 for before, after in itertools.pairwise(costs))
    assert costs[-1] > costs[0]
    closest = min(
        float((a - b).norm()) for i, a in enumerate(bank.members("p")) for b in bank.members("p")[:i]
    )
    assert bank.smallest_distance("p") == pytest.approx(closest, abs=1e-5)


def test_a_flood_of_near_duplicates_does_not_push_out_the_rest() -> None:
    bank = Bank(8, {"p": 8})
    spread = torch.eye(8)  # as far apart as eight can be without being opposite
    assert len(bank.add(spread, "p")) == 8
    flood = F.normalize(spread[:1] + 0.02 * units(2000), dim=1)
    for at in range(0, 2000, 100):
        bank.add(flood[at : at + 100], "p")
    assert {tuple(row) for row in bank.members("p").tolist()} == {tuple(row) for row in spread.tolist()}
    # the other way round, what came first in a flood makes room for what differs
    late = Bank(8, {"p": 8})
    for at in range(0, 2000, 100):
        late.add(flood[at : at + 100], "p")
    late.add(spread, "p")
    assert (late.nearest(spread, "p").similarities > 0.99).all()


def test_a_bank_stands_for_what_is_common_and_not_for_outliers_alone() -> None:
    """What farthest-point selection gets wrong: with an outlier in each batch it would keep little else."""
    generator = torch.Generator().manual_seed(1)
    centres = units(6, seed=2)
    bank, seen = Bank(8, {"p": 12}), []
    for _ in range(20):
        common = centres[torch.randint(6, (60,), generator=generator)]
        batch = F.normalize(common + 0.1 * torch.randn(60, 8, generator=generator), dim=1)
        batch[17] = F.normalize(torch.randn(8, generator=generator), dim=0)
        bank.add(batch, "p")
        seen.append(batch)
    assert (bank.nearest(centres, "p").similarities > 0.95).all()
    everything = torch.cat(seen)
    random = everything[torch.randperm(len(everything), generator=generator)[:12]]
    ours = bank.nearest(everything, "p").similarities.mean()
    assert ours > (everything @ random.T).amax(1).mean()


def test_a_candidate_that_was_placed_stands_where_it_is_said() -> None:
    bank = Bank(8, {"p": 10})
    for seed in range(6):
        candidates = units(30, seed=seed)
        before = bank.members("p").clone()
        placed = bank.add(candidates, "p")
        after = bank.members("p")
        told = {at.slot: candidates[at.candidate] for at in placed}
        for slot, row in enumerate(after):
            assert torch.equal(row, told[slot] if slot in told else before[slot])


def test_the_same_thing_again_takes_no_place() -> None:
    bank = Bank(4, {"p": 10})
    assert len(bank.add(units(1, 4).repeat(5, 1), "p")) == 1
    assert bank.add(3 * units(1, 4), "p") == []
    assert bank.count("p") == 1
    assert bank.smallest_distance("p") == float("inf")


def test_a_bank_of_one_keeps_its_first() -> None:
    bank = Bank(4, {"p": 1})
    bank.add(units(3, 4), "p")
    kept = bank.members("p").clone()
    bank.add(units(9, 4, seed=1), "p")
    assert torch.equal(bank.members("p"), kept)


def test_candidates_without_direction_are_passed_over() -> None:
    bank = Bank(4, {"p": 10})
    rows = units(4, 4)
    rows[0, 1], rows[1, 0], rows[2] = float("nan"), float("inf"), 0.0
    assert bank.add(rows, "p") == [Placed(0, 3)]
    assert torch.equal(bank.members("p"), rows[3:])


def test_a_batch_is_thinned_to_medoids_that_stand_for_all() -> None:
    bank = Bank(3, {"p": 10})
    axes = torch.eye(3)
    many = F.normalize(
        axes.repeat_interleave(20, 0) + 0.05 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0)),
        dim=1,
    )
    placed = bank.add(many, "p", limit=3)
    assert sorted(at.candidate // 20 for at in placed) == [0, 1, 2]  # one for each
    assert bank.weights("p").tolist() == [20, 20, 20]


@pytest.mark.parametrize("count", [1, 7, 300])
def test_nearest_is_brute_force(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.model.bank._SCORES_AT_ONCE", 100)  # many chunks, the last one short
    bank = Bank(8, {"p": 25, "n": 15})
    bank.add(units(200, seed=1), "p")
    bank.add(units(200, seed=2), "n")
    queries = 5 * units(count, seed=3)
    every = torch.cat((bank.members("p"), bank.members("n")))
    expected = F.cosine_similarity(queries[:, None], every[None], dim=-1).sort(dim=1, descending=True)
    found = bank.nearest(queries, ("p", "n"), 4)
    assert torch.equal(found.indices, expected.indices[:, :4])
    assert torch.allclose(found.similarities, expected.values[:, :4], atol=1e-5)
    assert bank.nearest(queries, "n", 99).indices.shape == (count, 15)


def test_an_empty_bank_has_nothing_near() -> None:
    found = Bank(8, {"p": 3}).nearest(units(5), "p", 2)
    assert found.indices.shape == found.similarities.shape == (5, 0)


def test_searching_is_exact_under_autocast() -> None:
    bank = Bank(8, {"p": 30})
    bank.add(units(60), "p")
    plain = bank.nearest(units(40, seed=1), "p", 3)
    with torch.autocast("cpu", torch.bfloat16):
        again = bank.nearest(units(40, seed=1), "p", 3)
    assert torch.equal(plain.similarities, again.similarities)
    assert torch.equal(plain.indices, again.indices)


def test_a_bank_goes_on_from_its_state_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def step(bank: Bank, number: int) -> None:
        bank.add(units(16, seed=number), "p", number, limit=4)
        bank.add(units(16, seed=1000 + number), "n", number)

    through = Bank(8, {"p": 12, "n": 6}, max_age=9)
    for number in range(30):
        step(through, number)
    stopped = Bank(8, {"p": 12, "n": 6}, max_age=9)
    for number in range(14):
        step(stopped, number)
    checkpoint.save_tensors(tmp_path / "state.safetensors", stopped.state_dict(), {})
    resumed = Bank(8, {"p": 12, "n": 6}, max_age=9)
    resumed.load_state_dict(checkpoint.read_tensors(tmp_path / "state.safetensors")[0])
    for number in range(14, 30):
        step(resumed, number)
    for name, tensor in through.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_an_empty_bank_has_a_state_as_well() -> None:
    bank = Bank(8, {"p": 2})
    bank.load_state_dict(Bank(8, {"p": 2}).state_dict())
    assert bank.count("p") == 0


def _state(embedding: Tensor, count: int) -> dict[str, Tensor]:
    return {
        "p.embedding": embedding,
        "p.weight": torch.ones(count),
        "p.step": torch.zeros(count, dtype=torch.int64),
    }


@pytest.mark.parametrize(
    "state",
    [
        {},
        _state(torch.ones(3, 4), 3),
        _state(torch.ones(1, 5), 1),
        _state(torch.ones(2, 4), 1),
        _state(torch.full((2, 4), float("nan")), 2),
        {**_state(torch.ones(2, 4), 2), "p.weight": torch.zeros(2)},
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state: dict[str, Tensor]) -> None:
    bank = Bank(4, {"p": 2})
    bank.add(units(2, 4), "p")
    before = bank.members("p").clone()
    with pytest.raises(ValueError, match="bank"):
        bank.load_state_dict(state)
    assert torch.equal(bank.members("p"), before)


def test_what_is_older_than_allowed_is_forgotten() -> None:
    bank = Bank(4, {"p": 10}, max_age=5)
    bank.add(torch.eye(4)[:1], "p", step=0)
    bank.add(torch.eye(4)[1:2], "p", step=5)
    assert bank.count("p") == 2
    bank.add(torch.eye(4)[2:3], "p", step=6)
    assert torch.equal(bank.members("p"), torch.eye(4)[1:3])


def test_a_bank_refuses_what_does_not_fit() -> None:
    bank = Bank(4, {"p": 2})
    for call in (
        lambda: bank.add(units(2, 5), "p"),
        lambda: bank.add(units(2, 4)[0], "p"),
        lambda: bank.add(units(2, 4), "q"),
        lambda: bank.add(units(2, 4), "p", limit=0),
        lambda: bank.nearest(units(2, 5), "p"),
        lambda: bank.nearest(units(2, 4), "p", 0),
        lambda: Bank(0, {"p": 2}),
        lambda: Bank(4, {"p": 0}),
        lambda: Bank(4, {"p": 10**6}),
        lambda: Bank(4, {"p": 2}, max_age=0),
    ):
        with pytest.raises(ValueError, match=r"need|known"):
            call()


def test_members_serve_as_negatives_of_the_contrastive_loss() -> None:
    bank = Bank(8, {"n": 16})
    bank.add(units(40), "n")
    anchor = units(9, seed=1).T.reshape(1, 8, 3, 3).requires_grad_(True)
    truth, given = anchor.detach()[:, None], -anchor.detach()[:, None]
    near = bank.nearest(anchor.detach().flatten(2)[0].T, "n", 4).indices  # (9, 4)
    wrong = bank.members("n")[near].reshape(1, 3, 3, 4, 8).permute(0, 3, 4, 1, 2)
    weight = torch.ones(1, 3, 3)
    plain, _, _ = losses.contrastive(anchor, truth, given, weight)
    loss, _, _ = losses.contrastive(anchor, truth, torch.cat((given, wrong), 1), weight)
    loss.backward()
    assert loss > plain
    assert anchor.grad is not None
    assert torch.isfinite(anchor.grad).all()
