"""Reads a manifest with pyarrow, geopandas and stac_geoparquet and prints what they saw, as JSON."""

import json
import sys

import geopandas
import pyarrow.parquet as pq
import shapely
import stac_geoparquet.arrow

path = sys.argv[1]
table = pq.read_table(path)
frame = geopandas.read_parquet(path)
items = list(stac_geoparquet.arrow.stac_table_to_items(table))
print(
    json.dumps(
        {
            "columns": table.column_names,
            "nulls": {name: table[name].null_count for name in table.column_names},
            "rows": [
                {
                    "id": r["id"],
                    "split": r["split"],
                    "row": r["row"],
                    "col": r["col"],
                    "height": r["height"],
                    "width": r["width"],
                    "times": [t.isoformat() for t in r["times"]],
                    "slots": r["slots"],
                    "bbox": r["bbox"],
                }
                for r in table.to_pylist()
            ],
            "crs": frame.crs.to_string(),
            "valid": bool(frame.geometry.is_valid.all()),
            "area_m2": list(frame.to_crs("EPSG:32631").area),
            "inside": [
                bool(
                    g.within(
                        shapely.box(
                            b["xmin"] - 1e-9,
                            b["ymin"] - 1e-9,
                            b["xmax"] + 1e-9,
                            b["ymax"] + 1e-9,
                        )
                    )
                )
                for g, b in zip(frame.geometry, table["bbox"].to_pylist(), strict=True)
            ],
            "items": [
                {
                    "id": i["id"],
                    "type": i["type"],
                    "collection": i["collection"],
                    "split": i["properties"]["split"],
                    "geometry": i["geometry"]["type"],
                    "bbox": i["bbox"],
                    "assets": i["assets"],
                }
                for i in items
            ],
        },
        default=str,
    )
)
