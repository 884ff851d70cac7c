"""TensorFlow takes batches through DLPack, on the memory in which they came."""

import importlib.util

import numpy as np
import pytest

import terrapin

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: 1.4 GB, in no environment of the tests",
)


@pytest.mark.parametrize("name", ["ring", "http", "flight"])
def test_batches_come_as_tensors_and_stay_as_they_were(served: terrapin.Client, name: str) -> None:
    """Kept tensors keep their memory: a ring does not use it again."""
    import tensorflow as tf

    client = terrapin.connect(served.url, transport=name)
    plain = list(client.loader("crops@v1", batch_size=2, seed=3, tensors="numpy"))
    batches = list(client.loader("crops@v1", batch_size=2, seed=3, tensors="tensorflow"))
    assert len(batches) == len(plain)
    for want, batch in zip(plain, batches, strict=True):
        assert batch["ids"] == want["ids"]
        for key in ("image", "valid", "label", "times", "position"):
            assert tf.is_tensor(batch[key])
            assert batch[key].dtype.as_numpy_dtype == want[key].dtype
            np.testing.assert_array_equal(batch[key].numpy(), want[key])


def test_a_single_sample_is_a_tensor_too(make) -> None:
    sample = make(tensors="tensorflow")[3]
    np.testing.assert_array_equal(sample["image"].numpy(), make(tensors="numpy")[3]["image"])
