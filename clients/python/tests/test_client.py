"""Control over HTTP: addresses, errors, uploads, the actor, and the thin verbs."""

import getpass
import json
import pickle
import socket
from pathlib import Path

import pytest

import terrapin
from double import Double


def test_the_flight_address_is_the_host_that_was_connected_to(double: Double) -> None:
    tp = terrapin.connect(double.url + "/")
    assert tp.flight == f"grpc://127.0.0.1:{double.port}"
    assert tp.url == double.url
    assert tp.version == "0"


def test_nothing_listening_is_said_with_a_cure() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(terrapin.UnavailableError, match=f"no Terrapin server answers at http://127.0.0.1:{port}") as e:
        terrapin.connect(f"http://127.0.0.1:{port}")
    assert "terrapin serve" in e.value.cure


@pytest.mark.parametrize("url", ["localhost:8080", "grpc://localhost:1", "http://", ""])
def test_something_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(terrapin.InvalidError, match="not an http"):
        terrapin.connect(url)


def test_a_server_of_another_kind_is_refused(double: Double) -> None:
    with pytest.raises(terrapin.InvalidError, match="not JSON"):
        terrapin.connect(double.url + "/raw")


def test_an_http_error_keeps_kind_message_and_cure(client: terrapin.Client) -> None:
    with pytest.raises(terrapin.NotFoundError) as e:
        client.verb("no.such")
    assert (e.value.message, e.value.cure) == ("no verb no.such", "see the list")


def test_uploads_arrive_byte_for_byte_under_their_names(
    client: terrapin.Client, double: Double, tmp_path: Path
) -> None:
    double.answers["ingest"] = {"accepted": []}
    folder = tmp_path / "scenes"
    folder.mkdir()
    (folder / "b.tif").write_bytes(bytes(range(256)) * 5000)
    (folder / "a.tif").write_bytes(b"\r\n--x\r\n")
    item = tmp_path / "item.json"
    item.write_text(json.dumps({"assets": {"x": {"href": "./scenes/a.tif"}, "y": {"href": "https://e.org/y.tif"}}}))
    report = client.ingest("s2", [folder, item, tmp_path / "missing.tif"], datetime_pattern="s2_%Y%m%d")
    assert report == {"accepted": []}
    ((name, args, files, _),) = double.verbs
    assert name == "ingest"
    assert args == {
        "cube": "s2",
        "datetime_pattern": "s2_%Y%m%d",
        "sources": [str(folder), str(item), str(tmp_path / "missing.tif")],
        "layout": ["0/scenes/a.tif", "0/scenes/b.tif", "1/item.json", "1/scenes/a.tif"],
    }
    assert [f[0] for f in files] == ["a.tif", "b.tif", "item.json", "a.tif"]
    assert files[0][1] == b"\r\n--x\r\n"
    assert files[1][1] == bytes(range(256)) * 5000


def test_labels_recipes_and_models_go_as_the_command_line_sends_them(
    client: terrapin.Client, double: Double, tmp_path: Path
) -> None:
    double.answers |= {"labels.import": {}, "dataset.commit": {}}
    classes = tmp_path / "classes.json"
    classes.write_text('{"maize": 1}')
    labels = tmp_path / "fields.geojson"
    labels.write_text("{}")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: crops\n")
    client.import_labels("cropland", labels, cube="s2", classes=classes, replace=True)
    client.commit(recipe)
    client.commit("name: crops\ncube: s2\n")
    model = client.models.register(
        "unet", framework="PyTorch", classes={1: "yes"}, artifact=classes, dataset="crops@v1"
    )
    assert model == "unet"
    assert [v[1] for v in double.verbs] == [
        {"labels": "cropland", "cube": "s2", "classes": '{"maize": 1}', "classes_name": "classes.json",
         "replace": True, "files": [str(labels)], "layout": ["0/fields.geojson"]},
        {"recipe": "name: crops\n", "name": str(recipe)},
        {"recipe": "name: crops\ncube: s2\n"},
        {"id": "unet", "classes": [{"value": 1, "name": "yes"}], "framework": "PyTorch", "dataset": "crops@v1",
         "files": [str(classes)], "layout": ["0/classes.json"]},
    ]  # fmt: skip


def test_the_actor_goes_along(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    terrapin.connect(double.url, actor="ada").verb("cube.show")
    monkeypatch.setenv("TERRAPIN_USER", "grace")
    tp = terrapin.connect(double.url)
    pickle.loads(pickle.dumps(tp)).verb("cube.show")
    monkeypatch.delenv("TERRAPIN_USER")
    terrapin.connect(double.url).verb("cube.show")
    assert [v[3] for v in double.verbs] == ["ada", "grace", getpass.getuser()]
    terrapin.connect(double.url, actor="Łukasz").loader("crops@v1")
    with pytest.raises(terrapin.InvalidError, match="printable"):
        terrapin.connect(double.url, actor="a\r\nb")


def test_a_proxy_does_not_stand_before_this_machine(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert len(terrapin.connect(double.url).loader("crops@v1")) == 2


@pytest.mark.parametrize("path", ["", None, 3])
def test_no_path_is_not_the_folder_one_stands_in(path) -> None:
    with pytest.raises(terrapin.InvalidError, match="no path") as caught:
        terrapin.open(path, binary="/nowhere/terrapin")
    assert "folder" in caught.value.cure
