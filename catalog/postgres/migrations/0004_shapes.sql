-- Shapes as catalog/geo takes them.

-- A polygon whose outline meets itself is what lies inside by counting outlines, flat ones are lines; several that overlap are one.
-- PostGIS's predicates may refuse them, or find nothing in them, as they are.
CREATE FUNCTION sound(g geometry) RETURNS geometry LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ST_IsValid(g) THEN g ELSE (SELECT ST_SetSRID(ST_Union(ST_MakeValid(d.geom)), ST_SRID(g)) FROM ST_Dump(g) d) END;

-- A collection with parts of several dimensions has an answer to s_intersects and s_disjoint only.
CREATE FUNCTION alike(g geometry) RETURNS geometry LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN GeometryType(g) <> 'GEOMETRYCOLLECTION' THEN g
        WHEN (SELECT count(DISTINCT ST_Dimension(d.geom)) FROM ST_Dump(g) d) = 1 THEN ST_CollectionExtract(ST_CollectionHomogenize(g), ST_Dimension(g) + 1) END;
