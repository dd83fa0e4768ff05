package config

import "testing"

func TestResolvedShowsValuesButNoneOfTheEnvironment(t *testing.T) {
	t.Parallel()
	d := Decoder{Scope: testScope(), Base: "/base"}
	n := parse(t, "path: in/${params.file} # where\nlater: ${steps.load.write_count}\nenv: ${env.SHOP}-${file:secret}\nunknown: ${params.none2}\nnested: [1, {a: \"${params.chunk}\"}]\n").Root
	want := "path: in/x.csv\nlater: ${steps.load.write_count}\nenv: ${env.SHOP}-${file:secret}\nunknown: ${params.none2}\nnested: [1, {a: 12}]\n"
	if got := d.Resolved(n); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
