"""Validate STAC documents against a folder of JSON schemas, without a network.

    python validate.py SCHEMAS < documents

Standard input holds one JSON document or a list of them. Every schema file below SCHEMAS is known
by its $id. One line per error goes to standard output, and the exit status is 1 if there is any;
extensions without a schema are named on standard error.
"""

import json
import pathlib
import sys

from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

CORE = {
    "Feature": "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json",
    "Collection": "https://schemas.stacspec.org/v1.1.0/collection-spec/json-schema/collection.json",
    "Catalog": "https://schemas.stacspec.org/v1.1.0/catalog-spec/json-schema/catalog.json",
}


def load(folder: str) -> dict[str, dict]:
    """Read every schema; the $id of common.json is misprinted, so core files go by their names."""
    schemas = {}
    for path in pathlib.Path(folder).rglob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        uri = schema["$id"].rstrip("#")
        if "/item-spec/" in uri:
            uri = schema["$id"] = uri.rsplit("/", 1)[0] + "/" + path.name
        schemas[uri] = schema
    return schemas


def drop_foreign(node: object, known: dict[str, dict], lacking: set[str]) -> None:
    """Take out references to schemas that are not here: they then allow anything."""
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith("http"):
            uri = ref.split("#")[0]
            if uri not in known and "json-schema.org" not in uri:
                lacking.add(uri)
                del node["$ref"]
                if "projjson" in uri:  # one of several in a oneOf, so not anything
                    node["type"] = "object"
        for child in node.values():
            drop_foreign(child, known, lacking)
    elif isinstance(node, list):
        for child in node:
            drop_foreign(child, known, lacking)


def main() -> int:
    schemas, lacking = load(sys.argv[1]), set()
    drop_foreign(list(schemas.values()), schemas, lacking)
    registry = Registry().with_resources(
        (uri, Resource.from_contents(schema, default_specification=DRAFT7)) for uri, schema in schemas.items()
    )
    documents = json.load(sys.stdin)
    if not isinstance(documents, list):
        documents = [documents]
    errors = 0
    for doc in documents:
        for uri in [CORE[doc["type"]], *doc.get("stac_extensions", [])]:
            if uri not in schemas:
                lacking.add(uri)
                continue
            validator = Draft7Validator(schemas[uri], registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)
            for error in validator.iter_errors(doc):
                leaves = sorted(error.context, key=lambda e: len(e.path), reverse=True)[:4] if error.context else []
                detail = "".join(f"\n    {e.json_path}: {e.message[:300]}" for e in leaves)
                print(f"{doc.get('id')}: {uri}: {error.json_path}: {error.message[:300]}{detail}")
                errors += 1
    for uri in sorted(lacking):
        print("no schema for", uri, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
