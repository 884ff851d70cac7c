-- Shapes as catalog/geo takes them.

-- PostGIS's predicates may refuse a polygon whose outlines meet, or find nothing in it: it becomes the area within (that of
-- several together), and flat ones become lines and points.
CREATE FUNCTION sound(g geometry) RETURNS geometry LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ST_IsValid(g) THEN g ELSE ST_MakeValid(g, 'method=structure keepcollapsed=true') END;

-- A collection, which has parts of several dimensions, has an answer to s_intersects and s_disjoint only.
CREATE FUNCTION alike(g geometry) RETURNS geometry LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN GeometryType(g) <> 'GEOMETRYCOLLECTION' THEN g END;

-- Whether parts of collections meet: prepared for many questions, GEOS 3.11 overlooks points in them. False for others.
CREATE FUNCTION parts_meet(a geometry, b geometry) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF GeometryType(a) <> 'GEOMETRYCOLLECTION' AND GeometryType(b) <> 'GEOMETRYCOLLECTION' THEN
        RETURN false;
    END IF;
    RETURN (SELECT bool_or(ST_Intersects(x.geom, y.geom)) FROM ST_Dump(a) x, ST_Dump(b) y);
END $$;
