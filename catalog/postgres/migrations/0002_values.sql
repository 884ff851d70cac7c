-- How items are read. Everything here gives NULL for what is not there or is of another type.

CREATE FUNCTION property_number(properties jsonb, name text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(properties -> name) WHEN 'number' THEN (properties -> name)::float8 END;

CREATE FUNCTION property_text(properties jsonb, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(properties -> name) WHEN 'string' THEN properties ->> name END;

CREATE FUNCTION property_bool(properties jsonb, name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(properties -> name) WHEN 'boolean' THEN (properties -> name)::boolean END;

CREATE FUNCTION property_list(properties jsonb, name text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(properties -> name) WHEN 'array' THEN properties -> name END;

CREATE FUNCTION property_scalar(properties jsonb, name text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(properties -> name) IN ('string', 'number', 'boolean') THEN properties -> name END;

CREATE FUNCTION property_from(moments jsonb, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (moments -> name -> 0)::bigint;

CREATE FUNCTION property_to(moments jsonb, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (moments -> name -> 1)::bigint;

-- What orders items by a property: numbers, moments and booleans by a number, other strings by a text.
CREATE FUNCTION rank_number(properties jsonb, moments jsonb, name text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(properties -> name)
        WHEN 'number' THEN (properties -> name)::float8
        WHEN 'boolean' THEN (properties -> name)::boolean::integer::float8
        WHEN 'string' THEN (moments -> name -> 0)::float8
    END;

CREATE FUNCTION rank_text(properties jsonb, moments jsonb, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(properties -> name) = 'string' AND moments -> name IS NULL THEN properties ->> name END;

-- Properties that have an index: item_ranked_<row> over all items and item_ranked_<row>_in over each collection's. Those that are
-- not ready are being made, or were left so.
CREATE TABLE ranked (
    row      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    property text COLLATE "C" NOT NULL UNIQUE,
    ready    boolean NOT NULL
);
INSERT INTO ranked (property, ready) VALUES ('eo:cloud_cover', true);
CREATE INDEX item_ranked_1 ON item
    (rank_number(properties, moments, 'eo:cloud_cover'), (rank_text(properties, moments, 'eo:cloud_cover') COLLATE "C"), collection, id);
CREATE INDEX item_ranked_1_in ON item
    (collection, rank_number(properties, moments, 'eo:cloud_cover'), (rank_text(properties, moments, 'eo:cloud_cover') COLLATE "C"), id);

-- The arithmetic of filters (cql2.Calculate). Of numbers of usual size nothing can fail; others are tried.
CREATE FUNCTION calculate(op text, a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF op <> '^' AND (a = 0 OR abs(a) BETWEEN 1e-150 AND 1e150)
        AND (abs(b) BETWEEN 1e-150 AND 1e150 OR b = 0 AND op IN ('+', '-', '*')) THEN
        RETURN CASE op WHEN '+' THEN a + b WHEN '-' THEN a - b WHEN '*' THEN a * b WHEN '/' THEN a / b
            WHEN 'div' THEN trunc(a / b) WHEN '%' THEN a - b * trunc(a / b) END;
    END IF;
    BEGIN
        RETURN CASE op WHEN '+' THEN a + b WHEN '-' THEN a - b WHEN '*' THEN a * b WHEN '/' THEN a / b
            WHEN 'div' THEN trunc(a / b) WHEN '%' THEN a - b * trunc(a / b) WHEN '^' THEN power(a, b) END;
    EXCEPTION WHEN numeric_value_out_of_range OR division_by_zero OR invalid_argument_for_power_function THEN
        RETURN NULL;
    END;
END $$;

-- The day of a time in microseconds.
CREATE FUNCTION day_of(us bigint) RETURNS date LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN date '1970-01-01' + ((us - (us % 86400000000 + 86400000000) % 86400000000) / 86400000000)::integer;

CREATE FUNCTION year_of(us bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN extract(year FROM day_of(us))::float8 + CASE WHEN extract(year FROM day_of(us)) < 0 THEN 1 ELSE 0 END;

-- The text of a scalar: a string itself, and a number as the shortest that reads as the double, with an exponent where JSON has one.
CREATE FUNCTION scalar_text(v jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE jsonb_typeof(v)
        WHEN 'string' THEN v #>> '{}'
        WHEN 'boolean' THEN v #>> '{}'
        WHEN 'number' THEN CASE WHEN v::float8 = 0 OR abs(v::float8) >= 1e-6 AND abs(v::float8) < 1e21
            THEN trim_scale(v::float8::text::numeric)::text ELSE regexp_replace(v::float8::text, 'e-0', 'e-') END
    END;

-- The predicates on arrays take them as sets of scalars; an array or object in one is equal to nothing.
CREATE FUNCTION list_within(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN a IS NOT NULL AND b IS NOT NULL
        THEN b @> a AND NOT jsonb_path_exists(a, 'strict $[*] ? (@.type() == "array" || @.type() == "object")') END;

CREATE FUNCTION lists_meet(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN EXISTS (SELECT 1 FROM jsonb_array_elements(a) x JOIN jsonb_array_elements(b) y ON x.value = y.value
        WHERE jsonb_typeof(x.value) NOT IN ('array', 'object'));

-- A pattern of LIKE that ends with a lone \ takes it for itself.
CREATE FUNCTION like_pattern(pattern text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN pattern COLLATE "C" ~ '(^|[^\\])(\\\\)*\\$' THEN pattern || '\' ELSE pattern END;
