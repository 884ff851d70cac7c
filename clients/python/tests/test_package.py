"""The package as a whole: public names, independence of extras, the wheel."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import terrapin

HERE = Path(__file__).parents[1]

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set("torch jax tensorflow icechunk zarr xarray matplotlib pandas fsspec".split()):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
import terrapin, terrapin.order
assert "torch" not in sys.modules
sys.path.insert(0, sys.argv[1])
from double import Double
d = Double()
tp = terrapin.connect(d.url)
assert sum(len(b["ids"]) for b in tp.loader("crops@v1")) == 50
d.answers["dataset.show"] = {"dataset": "crops", "version": "v1", "digest": d.digest}
for kind in ("jax", "tensorflow"):
    try:
        tp.loader("crops@v1", tensors=kind)
    except terrapin.UnsupportedError as e:
        assert f"pip install {kind}" in e.cure, e
    else:
        raise AssertionError("an extra was found")
for call in (lambda: tp.loader("crops@v1", tensors="torch"), tp.cube("s2").xarray, tp.dataset("crops@v1").plot):
    try:
        call()
    except terrapin.UnsupportedError as e:
        assert "pip install 'terrapin[" in e.cure, e
    else:
        raise AssertionError("an extra was found")
d.stop()
"""


def test_the_core_works_without_any_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(HERE / "tests")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_public_names_are_those_listed() -> None:
    public = {
        name for name, value in vars(terrapin).items() if not name.startswith("_") and type(value).__name__ != "module"
    }
    assert public == set(terrapin.__all__)
    assert terrapin.__all__ == sorted(terrapin.__all__)


@pytest.mark.parametrize("path", sorted((HERE / "src" / "terrapin").glob("*.py")), ids=lambda p: p.stem)
def test_only_adapters_import_extras(path: Path) -> None:
    extras = {"torch", "jax", "tensorflow", "icechunk", "zarr", "xarray", "matplotlib"}
    adapters = {
        "torch.py": {"torch"},
        "jax.py": {"jax"},
        "tensorflow.py": {"tensorflow"},
        "xarray.py": {"icechunk", "xarray"},
        "_plot.py": {"matplotlib"},
    }
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    assert found & extras == adapters.get(path.name, set())


def test_the_wheel_has_the_package_and_its_types(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="setuptools 77 is not installed: the wheel is not built")
    source = tmp_path / "source"
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("tests", "build", "*.egg-info", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "terrapin/py.typed" in names
    assert {f"terrapin/{p.name}" for p in (HERE / "src" / "terrapin").glob("*.py")} <= set(names)
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert f"Version: {terrapin.__version__}" in metadata
    assert "Requires-Python: >=3.11" in metadata
