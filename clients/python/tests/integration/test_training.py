"""A PyTorch loop on the real server, through torch's own DataLoader."""

import pytest

import terrapin

torch = pytest.importorskip("torch", reason="torch is not installed: no training loop is run")


def test_a_loop_in_a_dataloader_learns_and_keeps_its_state(served: terrapin.Client) -> None:
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    loader = served.loader("crops@v1", batch_size=16, seed=1)
    channels = loader.spec.slots * len(loader.spec.bands)
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(channels), torch.nn.Conv2d(channels, 2, 1))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(6):
        for batch in DataLoader(loader, batch_size=None, num_workers=0):
            observed = batch["valid"].bool()[:, :, None]
            image = torch.where(observed, batch["image"].float() / 1e4, 0.0).flatten(1, 2)
            loss = torch.nn.functional.cross_entropy(model(image), batch["label"].long(), ignore_index=255)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    assert loader.epoch == 6
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
