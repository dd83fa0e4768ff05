package processors

import (
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// faults passes the records 1 to 6 through a chain, twice each where the first time fails, and returns what became of them.
func faults(t *testing.T, yaml string) string {
	t.Helper()
	chain, err := build(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for ordinal := int64(1); ordinal <= 6; ordinal++ {
		in := recordOf(t, "id int "+string(rune('0'+ordinal)))
		in.Ordinal = ordinal
		var rows []record.Record
		for range 2 {
			if rows, err = run(t, chain, in); err == nil {
				break
			}
			b.WriteString("x")
		}
		for _, row := range rows {
			b.WriteString(row.At(0).String())
		}
	}
	return b.String()
}

func TestFaultFailsWherePlannedAndPassesTheRest(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"- fault: {at: 4}":                           "123xx56",
		"- fault: {at: 4, times: 1}":                 "123x456",
		"- fault: {at: [1, 6], times: 1}":            "x12345x6",
		"- fault: {every: 3}":                        "12xx45xx",
		"- fault: {when: id > 4}":                    "1234xxxx",
		"- fault: {when: id > 4, at: [3, 5]}":        "1234xx6",
		"- fault: {when: id == nil}":                 "123456",
		"- fault: {at: 2, class: internal, runs: 1}": "1xx3456",
	} {
		if got := faults(t, yaml); got != want {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
}

func TestFaultWithoutARecordToFailAtIsRefused(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		"- fault: {}":                      "nothing says which records fail",
		"- fault: {times: 2}":              "nothing says which records fail",
		"- fault: {at: 4, class: none}":    "there is no sleep",
		"- fault: {when: id}":              "when: id gives a int",
		"- fault: {when: idd == 1}":        `unknown field "idd"`,
		"- fault: {at: 4, clas: internal}": `unknown key "clas"`,
	} {
		chain, err := build(t, yaml)
		if err == nil {
			_, err = bindAll(chain, recordOf(t, "id int 1").Schema)
		}
		if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != fault.Definition {
			t.Errorf("%s: got %v, want %s", yaml, err, want)
		}
	}
}
