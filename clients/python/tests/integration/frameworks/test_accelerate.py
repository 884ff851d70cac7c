"""accelerate: the loader itself is prepared and saved; a DataLoader around it is refused."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: accelerate is not tested")
accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed: .ci/setup frameworks")


@pytest.fixture
def accelerator(tmp_path):
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    accelerate.state.GradientState._reset_state()
    return accelerate.Accelerator(cpu=True, project_dir=tmp_path)


def step(accelerator, model, optimiser, batch) -> float:
    with accelerator.accumulate(model):
        image = batch["image"].float().flatten(1, 2) / 1e4
        loss = torch.nn.functional.cross_entropy(model(image), batch["label"].long().clamp(0, 1))
        accelerator.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
    return loss.item()


def test_a_prepared_loader_trains_and_is_saved_with_the_rest(make, epochs, accelerator, tmp_path) -> None:
    loader = make()
    model = torch.nn.Conv2d(loader.spec.slots * len(loader.spec.bands), 2, 1)
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    model, optimiser, prepared = accelerator.prepare(model, optimiser, loader)
    assert prepared is loader
    assert (loader.rank, loader.world_size) == (accelerator.process_index, accelerator.num_processes)
    accelerator.register_for_checkpointing(loader)
    seen = []
    for number, batch in enumerate(prepared):
        step(accelerator, model, optimiser, batch)
        seen.append(batch["ids"])
        if number == 2:
            accelerator.save_state(tmp_path / "state")
    assert seen == epochs[0]

    resumed = make(seed=77)
    other = accelerate.Accelerator(cpu=True)
    model, optimiser, resumed = other.prepare(
        torch.nn.Conv2d(loader.spec.slots * len(loader.spec.bands), 2, 1), optimiser.optimizer, resumed
    )
    other.register_for_checkpointing(resumed)
    other.load_state(tmp_path / "state")
    assert [batch["ids"] for batch in resumed] == epochs[0][3:]
    assert [batch["ids"] for batch in resumed] == epochs[1]


def test_a_prepared_dataloader_would_move_the_loader_and_is_refused(make, accelerator) -> None:
    data = accelerator.prepare(torch.utils.data.DataLoader(make(), batch_size=None, num_workers=0))
    with pytest.raises(Exception, match="accelerator.prepare"):
        next(iter(data))
