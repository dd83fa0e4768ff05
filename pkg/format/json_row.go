package format

import (
	"encoding/base64"
	"io"
	"strings"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// AppendJSONRow appends the record that a JSON object stands for: a dead letter's. Its values are converted to the kinds
// of schema; keys that schema does not have are left out, and fields that the object does not have are absent. Where
// schema is nil the object's own keys are the fields. The texts of origin are copied. An error is of a data class, and
// into is then as it was.
func AppendJSONRow(into *record.Chunk, schema *record.Schema, object string, origin record.Origin, f *record.Format) error {
	scan := NewJSONReader(JSONReaderOptions{Name: origin.Source, MaxRecord: len(object) + 1})
	if err := scan.Reset(strings.NewReader("["+object+"]"), Position{Line: max(origin.Line, 1)}, 0); err != nil {
		return err
	}
	err := scan.Next()
	if err == io.EOF {
		err = fault.New(fault.Parse, "there is no record")
	}
	if err != nil {
		return err
	}
	arena := &into.In.Arena
	raw, fields := arena.Copy(scan.Record().Raw), scan.Record().Fields
	if schema == nil {
		if schema, err = schemaOfFields(fields); err != nil {
			return fault.Wrap(fault.Parse, err, "record")
		}
	}
	into.In.SetSchema(schema)
	row := into.AddInput(schema.Len(), record.Origin{Source: arena.CopyString(origin.Source), Line: origin.Line, Raw: arena.CopyString(origin.Raw)})
	for i := range fields {
		at, known := schema.Index(string(fields[i].Key))
		if !known {
			continue
		}
		if row[at], err = valueAs(f, fields[i].Value(raw, arena), schema.Field(at).Kind, arena); err != nil {
			into.DropInput()
			return fault.Wrap(fault.Validation, err, "column %s", schema.Field(at).Name)
		}
	}
	return nil
}

func schemaOfFields(fields []JSONField) (*record.Schema, error) {
	columns := make([]record.Field, len(fields))
	for i := range fields {
		columns[i].Name = string(fields[i].Key)
	}
	return record.NewSchema(columns...)
}

// valueAs converts a value of an object to a kind. Bytes stand in JSON as base64.
func valueAs(f *record.Format, v record.Value, kind record.Kind, arena *record.Arena) (record.Value, error) {
	if kind != record.Bytes || v.Kind() != record.Text {
		return f.ConvertIn(arena, v, kind)
	}
	decoded, err := base64.StdEncoding.DecodeString(v.Text())
	if err != nil {
		return v, fault.New(fault.Validation, "the text is not base64")
	}
	return record.OfBytes(arena.Copy(decoded)), nil
}
