"""Run stac-api-validator without a network.

    python validator.py ROOT_URL COLLECTION GEOMETRY SCHEMAS

Schemas are taken from the folder SCHEMAS (see catalog/stac/testdata/schemas); one that is not there
allows everything and is named on standard error. All else outside of the loopback address fails as
it would without a network. The exit status is that of the validator, which prints its findings.
"""

import io
import json
import pathlib
import sys
import urllib.error
import urllib.request
import urllib.response
from email.message import Message
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

root_url, collection, geometry, folder = sys.argv[1:5]

known: dict[str, bytes] = {}
for path in pathlib.Path(folder).rglob("*.json"):
    text = path.read_bytes()
    uri = json.loads(text)["$id"].rstrip("#")
    if "/item-spec/" in uri:  # common.json misprints its own
        uri = uri.rsplit("/", 1)[0] + "/" + path.name
    known[uri] = text


def local(url: str) -> bytes | None:
    """Return the schema at a URL, None for anything else."""
    uri = url.split("#")[0]
    if uri in known:
        return known[uri]
    if "schema" in uri:
        print("no schema for", uri, file=sys.stderr)
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": uri}
        if "projjson" in uri:  # one of several in a oneOf, so not anything
            schema["type"] = "object"
        known[uri] = json.dumps(schema).encode()
        return known[uri]
    return None


adapter_send = HTTPAdapter.send
opener_open = urllib.request.OpenerDirector.open
pool_urlopen = urllib3.PoolManager.urlopen


def send(self, request, **kwargs):
    if urlsplit(request.url).hostname == "127.0.0.1":
        return adapter_send(self, request, **kwargs)
    body = local(request.url)
    if body is None:
        raise requests.ConnectionError(f"no network here: {request.url}")
    response = requests.Response()
    response.status_code, response.url, response.request = 200, request.url, request
    response.headers["Content-Type"] = "application/json"
    response.raw, response.encoding = io.BytesIO(body), "utf-8"
    return response


def open_url(self, fullurl, *args, **kwargs):
    url = fullurl if isinstance(fullurl, str) else fullurl.full_url
    if urlsplit(url).hostname == "127.0.0.1":
        return opener_open(self, fullurl, *args, **kwargs)
    body = local(url)
    if body is None:
        raise urllib.error.URLError(f"no network here: {url}")
    headers = Message()
    headers["Content-Type"] = "application/json"
    return urllib.response.addinfourl(io.BytesIO(body), headers, url, 200)


def pool_open(self, method, url, *args, **kwargs):
    if urlsplit(url).hostname == "127.0.0.1":
        return pool_urlopen(self, method, url, *args, **kwargs)
    body = local(url)
    if body is None:
        raise urllib3.exceptions.HTTPError(f"no network here: {url}")
    return urllib3.HTTPResponse(io.BytesIO(body), {"Content-Type": "application/json"}, 200, preload_content=False)


HTTPAdapter.send = send
urllib3.PoolManager.urlopen = pool_open
urllib.request.OpenerDirector.open = open_url

from stac_api_validator.__main__ import main
from stac_api_validator.validations import QueryConfig, validate_api

# The classes that the command line does not offer, although there are checks for them.
more = ["item-search#filter", "features#filter"]
nothing = QueryConfig(*[None] * 13)
warnings, errors = validate_api(root_url, more, collection, geometry, None, None, None, False, nothing, None, {})
for error in errors:
    print("-", error)
if errors:
    sys.exit(1)

classes = ["core", "children", "collections", "features", "item-search", "filter", "item-search#sort", "item-search#fields", "item-search#query",
           "features#sort", "features#fields", "features#query", "transaction"]
arguments = ["--root-url", root_url, "--collection", collection, "--geometry", geometry, "--validate-pagination",
             "--transaction-collection", "mine", "--fields-nested-property", "properties.eo:cloud_cover"]
query = {"comparison-field": "eo:cloud_cover", "eq-value": "7", "neq-value": "7", "lt-value": "7", "lte-value": "7", "gt-value": "7", "gte-value": "7",
         "substring-field": "platform", "starts-with-value": "sent", "ends-with-value": "2a", "contains-value": "tinel", "in-field": "instruments", "in-values": "msi,oli"}
arguments += [a for name, value in query.items() for a in ("--query-" + name, value)]
main([*arguments, *(a for c in classes for a in ("--conformance", c))], prog_name="stac-api-validator")
