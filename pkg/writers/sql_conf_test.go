package writers

import (
	"reflect"
	"strings"
	"testing"

	"batchctl/pkg/catalog"
	"batchctl/pkg/config"
	"batchctl/pkg/fault"
)

func decodeSQL(t *testing.T, text string) (*sqlConf, error) {
	t.Helper()
	document, err := config.Parse("job.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	entry, ok := Table().Lookup("sql")
	if !ok {
		t.Fatal("no kind sql")
	}
	conf := entry.New()
	decoder := &config.Decoder{What: "writer sql"}
	if err := decoder.Decode(document.Root, conf); err != nil {
		return nil, err
	}
	_, err = entry.Build(conf, &catalog.Env{})
	return conf.(*sqlConf), err
}

func TestColumnsAreAListOrAMapping(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sqlColumns{
		"columns: [id, name]":          {{"id", "id"}, {"name", "name"}},
		"columns: {id: ID, name: who}": {{"id", "ID"}, {"name", "who"}},
	} {
		conf, err := decodeSQL(t, "connection: shop\ntable: p\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(conf.Columns, want) || conf.Mode != "insert" || conf.Bulk != "auto" {
			t.Errorf("%s: got %+v", text, conf)
		}
	}
}

func TestWrongConfigurationsOfTheSQLWriterAreRefused(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"unknown mode", "connection: shop\ntable: p\nmode: upsrt", `upsrt`},
		{"no connection", "table: p", "connection"},
		{"table and statement", "connection: shop\ntable: p\nstatement: delete from p where id = :id", "table means nothing beside statement"},
		{"mode and statement", "connection: shop\nmode: update\nstatement: delete from p where id = :id", "mode means nothing beside statement"},
		{"columns of numbers in a mapping", "connection: shop\ntable: p\ncolumns: {id: [a]}", "id"},
		{"a parameter pasted into SQL", "connection: shop\nstatement: delete from p where id = ${params.id}", "write :id"},
	}
	for _, c := range cases {
		_, err := decodeSQL(t, c.text)
		if err == nil || fault.ClassOf(err) != fault.Definition || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}
