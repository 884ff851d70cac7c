// Package bulk is how many STAC documents come into a catalog and go out of it: newline-JSON, lists of items,
// STAC-GeoParquet and another STAC API as sources, newline-JSON and STAC-GeoParquet as targets, and the upgrade of
// documents of older versions to 1.1.0. It owns those formats and the batches of a load; it refuses what is no STAC
// document, each with its place, and asks no host but the one that it was given; it opens no asset. It knows no
// database. The invariant: a load that was broken off and begun again leaves what one that went through leaves.
package bulk
