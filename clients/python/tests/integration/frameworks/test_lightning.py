"""Lightning: epochs, checkpoints in the middle of one and at its end, and fits that go on from them."""

import pytest

import terrapin

torch = pytest.importorskip("torch", reason="torch is not installed: Lightning is not tested")
lightning = pytest.importorskip("pytorch_lightning", reason="Lightning is not installed: .ci/setup frameworks")


class Net(lightning.LightningModule):
    """A linear model that remembers what it saw, and may break off."""

    def __init__(self, channels: int, stop: int | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(channels, 2, 1)
        self.stop = stop
        self.seen: list[list[str]] = []

    def training_step(self, batch, index):
        if len(self.seen) == self.stop:
            raise InterruptedError("the machine goes down")
        self.seen.append(batch["ids"])
        image = batch["image"].float().flatten(1, 2) / 1e4
        return torch.nn.functional.cross_entropy(self.layer(image), batch["label"].long().clamp(0, 1))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def trainer(folder, every: int | None = None, **options: object):
    saves = lightning.callbacks.ModelCheckpoint(
        folder, filename="{step}", save_top_k=-1, every_n_train_steps=every, every_n_epochs=None if every else 1
    )
    return lightning.Trainer(
        max_epochs=2, accelerator="cpu", devices=1, logger=False, callbacks=[saves], enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, **options,
    )  # fmt: skip


def channels(loader: terrapin.Loader) -> int:
    return loader.spec.slots * len(loader.spec.bands)


def test_two_epochs_are_two_epochs(make, epochs, tmp_path) -> None:
    loader = make(run="lightning")
    net = Net(channels(loader))
    trainer(tmp_path).fit(net, loader)
    assert net.seen == epochs[0] + epochs[1]
    for epoch in range(2):
        assert loader.verify_epoch(epoch, raises=True).verified


@pytest.mark.parametrize("at", ["early", "late", "end", "second"])
def test_a_fit_goes_on_from_a_checkpoint_in_the_middle(make, epochs, tmp_path, at: str) -> None:
    steps = len(epochs[0])
    step = {"early": 2, "late": steps - 1, "end": steps, "second": steps + 3}[at]
    loader = make()
    broken = Net(channels(loader), stop=step + 1)
    with pytest.raises(InterruptedError):
        trainer(tmp_path, every=step).fit(broken, loader)
    net = Net(channels(loader))
    trainer(tmp_path).fit(net, make(), ckpt_path=tmp_path / f"step={step}.ckpt")
    assert broken.seen[:step] + net.seen == epochs[0] + epochs[1]


def test_a_fit_goes_on_from_a_checkpoint_between_two_epochs(make, epochs, tmp_path) -> None:
    steps = len(epochs[0])
    loader = make()
    broken = Net(channels(loader), stop=steps + 2)
    with pytest.raises(InterruptedError):
        trainer(tmp_path).fit(broken, loader)
    net = Net(channels(loader))
    trainer(tmp_path).fit(net, make(), ckpt_path=tmp_path / f"step={steps}.ckpt")
    assert net.seen == epochs[1]


def test_validation_in_between_does_not_move_what_is_trained_on(make, epochs, tmp_path) -> None:
    loader, validation = make(), make(split="validate", shuffle=False)
    net = Net(channels(loader))
    seen = []
    net.validation_step = lambda batch, batch_idx: seen.append(batch["ids"])
    trainer(tmp_path, val_check_interval=0.5, num_sanity_val_steps=2).fit(net, loader, validation)
    assert net.seen == epochs[0] + epochs[1]
    each = [batch["ids"] for batch in make(split="validate", shuffle=False, tensors="numpy")]
    assert seen == each[:2] + 4 * each


def test_an_order_that_lightning_may_not_change_is_kept(make, epochs, tmp_path) -> None:
    """overfit_batches turns shuffling off by a sampler of its own, where there is a DataLoader."""
    loader = make()
    net = Net(channels(loader))
    trainer(tmp_path, overfit_batches=2).fit(net, loader)
    assert net.seen == epochs[0][:2] + epochs[1][:2]
