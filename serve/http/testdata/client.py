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

# The extensions: a class that the client does not find advertised is a warning, and warnings are errors here.
for method in ("GET", "POST"):
    few = client.search(method=method, collections=["s2"], filter="eo:cloud_cover < 4", filter_lang="cql2-text", sortby="-properties.eo:cloud_cover") if method == "GET" else client.search(
        method=method, collections=["s2"], filter={"op": "<", "args": [{"property": "eo:cloud_cover"}, 4]}, sortby=[{"field": "properties.eo:cloud_cover", "direction": "desc"}])
    assert [i.properties["eo:cloud_cover"] for i in few.items()] == [3, 2, 1], method
    assert few.matched() == 3
    query = client.search(method=method, collections=["s2"], query={"eo:cloud_cover": {"gte": 24}}, limit=1)
    assert len(list(query.items())) == 2, method
    part = client.search(method=method, collections=["s2"], fields=["id", "properties.eo:cloud_cover"] if method == "GET" else {"include": ["id", "properties.eo:cloud_cover"]}, limit=7)
    pages = list(part.items_as_dicts())
    assert len(pages) == 25 and all("geometry" not in i for i in pages), method

found = client.collection_search(q="scenes", sortby="-id", limit=1)
assert [c.id for c in found.collections()] == ["s2", "dataset-crops-v1"]
assert found.matched() == 2
found = client.collection_search(bbox=[3, 50, 4, 51], datetime="2021", filter="id = 's2'", filter_lang="cql2-text")
assert [c.id for c in found.collections()] == ["s2"]
assert not list(client.collection_search(bbox=[100, 0, 101, 1]).collections())
assert "eo:cloud_cover" in client.get_queryables()["properties"]
assert "eo:cloud_cover" in client.get_collection("s2").get_queryables()["properties"]
assert "eo:cloud_cover" in client.get_merged_queryables(["s2", "dataset-crops-v1"])["properties"]
for name in ("ITEM_SEARCH", "COLLECTIONS", "FEATURES", "FILTER", "QUERY", "FIELDS", "SORT", "COLLECTION_SEARCH", "COLLECTION_SEARCH_FREE_TEXT"):
    assert client.conforms_to(name), name
