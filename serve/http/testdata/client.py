"""Search and walk a STAC API as users do, with pystac-client."""

import sys

import pystac
import pystac_client

client = pystac_client.Client.open(sys.argv[1])
client.set_self_href(sys.argv[1])
collections = sorted(c.id for c in client.get_collections())
assert collections == ["dataset-crops-v1", "s2"], collections

for method in ("GET", "POST"):
    search = client.search(method=method, collections=["s2"], bbox=[3, 50, 4, 51], limit=4)
    items = list(search.items())
    assert len(items) == 25 == len({i.id for i in items}), (method, len(items))
    assert search.matched() == 25
    assert [i.datetime for i in items] == sorted((i.datetime for i in items), reverse=True)
    assert all(a.href.startswith(sys.argv[1]) or a.href.startswith("s3://") for i in items for a in i.assets.values())
    found = client.search(method=method, ids=["scene 07"], datetime="2020-01-01/2020-01-31").item_collection()
    assert [i.id for i in found] == ["scene 07"] * 2
    none = client.search(method=method, intersects={"type": "Point", "coordinates": [100, 0]}).item_collection()
    assert len(none) == 0

item = pystac.Item.from_file(client.get_collection("s2").get_item("scene 03").self_href)
for got, want in ((item.get_collection(), "s2"), (item.get_root(), "terrapin"), (item.get_parent(), "s2")):
    assert got.id == want, (got, want)
assert len(list(client.get_collection("s2").get_items())) == 25
source = client.get_collection("dataset-crops-v1").get_single_link("derived_from").get_absolute_href()
assert pystac.Collection.from_file(source).id == "s2", source
