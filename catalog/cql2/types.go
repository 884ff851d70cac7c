package cql2

// Type is what an expression gives where it gives anything.
type Type int

const (
	// AnyType is that of a property of the document: it depends on the document.
	AnyType Type = iota
	TextType
	NumberType
	BoolType
	// MomentType is a point in time or a whole day.
	MomentType
	IntervalType
	GeometryType
	ListType
)

// The properties that are not members of the document's properties.
const (
	ID         = "id"
	Collection = "collection"
	// Location is the document's geometry. In spatial predicates the parsers read "geom" as this too.
	Location = "geometry"
)

// TypeOf tells an expression's type from its form alone.
func TypeOf(e Expr) Type {
	switch e := e.(type) {
	case Property:
		switch e.Name {
		case ID, Collection:
			return TextType
		case Location:
			return GeometryType
		}
		return AnyType
	case String:
		return TextType
	case Number, Arith:
		return NumberType
	case Timestamp, Date:
		return MomentType
	case Interval:
		return IntervalType
	case Geometry:
		return GeometryType
	case List:
		return ListType
	case Func:
		if e.Name == "casei" || e.Name == "accenti" {
			return TextType
		}
		if f, ok := FunctionNamed(e.Name); ok {
			return f.Returns
		}
		return AnyType
	}
	return BoolType
}

// String names the type as messages do.
func (t Type) String() string {
	return [...]string{"any value", "text", "a number", "a boolean", "a time or date", "an interval", "a geometry", "a list"}[t]
}
