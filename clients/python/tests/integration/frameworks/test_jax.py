"""JAX takes batches through DLPack, on the memory in which they came."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed: .ci/setup frameworks")


def test_arrays_become_jax_arrays_with_the_same_numbers(make) -> None:
    for batch in make(tensors="numpy"):
        for name in ("image", "valid", "label"):
            array = jax.dlpack.from_dlpack(batch[name])
            assert (array.shape, array.dtype) == (batch[name].shape, batch[name].dtype)
            np.testing.assert_array_equal(np.asarray(array), batch[name])


def test_batches_come_as_jax_arrays(make) -> None:
    for plain, batch in zip(make(tensors="numpy"), make(tensors="jax"), strict=True):
        assert batch["ids"] == plain["ids"]
        for name in ("image", "valid", "label"):
            assert isinstance(batch[name], jax.Array)
            np.testing.assert_array_equal(np.asarray(batch[name]), plain[name])
        for name in ("times", "position"):
            np.testing.assert_array_equal(batch[name], plain[name])
            assert batch[name].dtype == np.int64


def test_kept_arrays_stay_as_they_were(make) -> None:
    """JAX holds on to the memory of a batch: a ring does not use it again."""
    kept, want = [], []
    for batch in make(tensors="numpy", batch_size=2):
        kept.append(jax.dlpack.from_dlpack(batch["image"]))
        want.append(batch["image"].copy())
    del batch
    for array, numbers in zip(kept, want, strict=True):
        np.testing.assert_array_equal(np.asarray(array), numbers)


def test_a_model_is_fitted(make) -> None:
    jnp = jax.numpy

    def loss(weights, image, valid, label):
        observed = jnp.where(valid[:, :, None], image.astype(jnp.float32) / 1e4, 0)
        logits = jnp.einsum("ntchw,tck->nhwk", observed, weights)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.clip(label, 0, 1)[..., None], -1).mean()

    loader = make(tensors="numpy")
    weights = jnp.zeros((loader.spec.slots, len(loader.spec.bands), 2))
    gradient = jax.jit(jax.value_and_grad(loss))
    losses = []
    for _ in range(4):
        for batch in loader:
            image, valid, label = (jax.dlpack.from_dlpack(batch[k]) for k in ("image", "valid", "label"))
            value, slope = gradient(weights, image, valid, label.astype(jnp.int32))
            weights -= 0.05 * slope
            losses.append(float(value))
    assert sum(losses[-5:]) < sum(losses[:5])
