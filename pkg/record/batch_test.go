package record

import (
	"fmt"
	"strings"
	"testing"
)

func mustSchema(t testing.TB, names ...string) *Schema {
	t.Helper()
	fields := make([]Field, len(names))
	for i, name := range names {
		fields[i].Name = name
	}
	s, err := NewSchema(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestArenaTextsStayUntilReset(t *testing.T) {
	t.Parallel()
	var a Arena
	for round := range 3 {
		texts := map[string]string{}
		for i := range 5000 {
			want := strings.Repeat(fmt.Sprintf("%d-%d ", round, i), 1+i%40)
			texts[want] = a.CopyString(want)
		}
		texts[strings.Repeat("L", blockSize)] = a.CopyString(strings.Repeat("L", blockSize))
		for want, got := range texts {
			if got != want {
				t.Fatalf("round %d: a text became %.40q", round, got)
			}
		}
		a.Reset()
	}
}

func TestResetTextsAreOverwrittenWhenPoisoned(t *testing.T) {
	t.Parallel()
	if !Poisoned {
		t.Skip("built without the tag poison")
	}
	var b Batch
	b.SetSchema(mustSchema(t, "a"))
	text := b.Arena.CopyString("kept too long")
	b.Add(1, 0)[0] = OfText(text)
	row := b.Row(0)
	b.Reset()
	if text == "kept too long" || row.At(0).Text() == "kept too long" {
		t.Error("a value that was kept too long still reads well")
	}
}

func TestBatchRowsGrowTruncateAndKeepTheirOrigin(t *testing.T) {
	t.Parallel()
	var b Batch
	s := mustSchema(t, "a", "b")
	b.SetSchema(s)
	for i := range 3000 {
		row := b.Add(2, i*2)
		row[0] = OfInt(int64(i))
		if i%3 == 2 {
			b.Truncate(b.Len() - 1)
		}
	}
	if b.Len() != 2000 || len(b.AppendRows(nil)) != 2000 {
		t.Fatalf("%d rows, want 2000", b.Len())
	}
	for i := range b.Len() {
		input := i/2*3 + i%2
		if r := b.Row(i); r.At(0).Int() != int64(input) || b.From(i) != input*2 || !r.At(1).IsNull() {
			t.Fatalf("row %d is %v from %d", i, r.Values, b.From(i))
		}
	}
	b.Truncate(0)
	if b.Len() != 0 || b.Add(2, 0)[0].Kind() != Absent {
		t.Error("a row after Truncate is not empty")
	}
}

func TestRowsOfAGrownSchemaAreAbsentWhereTheyAreShorter(t *testing.T) {
	t.Parallel()
	var c Chunk
	s := mustSchema(t, "a")
	c.In.SetSchema(s)
	c.AddInput(1, Origin{Line: 1})[0] = OfInt(1)
	grown, err := s.Grow(Field{Name: "b", Kind: Int})
	if err != nil {
		t.Fatal(err)
	}
	c.In.SetSchema(grown)
	copy(c.AddInput(2, Origin{Line: 2}), []Value{OfInt(2), OfInt(3)})
	if first := c.In.Row(0); first.Schema != grown || first.Get("b").Kind() != Absent || first.Get("a").Int() != 1 || first.Get("c").Kind() != Absent {
		t.Errorf("the first row reads %v", first)
	}
	if second := c.In.Row(1); second.Get("b").Int() != 3 {
		t.Errorf("the second row reads %v", second)
	}
	c.DropInput()
	if c.In.Len() != 1 || len(c.Origins) != 1 {
		t.Errorf("%d rows, %d origins after DropInput", c.In.Len(), len(c.Origins))
	}
	if _, err := s.Grow(Field{Name: "a"}); err == nil {
		t.Error("a column may not stand twice")
	}
}

func TestClonesOutliveTheirChunk(t *testing.T) {
	t.Parallel()
	var c Chunk
	c.In.SetSchema(mustSchema(t, "a"))
	c.AddInput(1, Origin{})[0] = OfText(c.In.Arena.CopyString("kept"))
	clone := c.In.Row(0).Clone()
	c.Reset()
	copy(c.In.Arena.Alloc(4), "XXXX")
	if got := clone.Get("a").Text(); got != "kept" {
		t.Errorf("a clone became %q", got)
	}
}

// refilling returns a function that fills a chunk with a thousand records, passes them on, and empties it.
func refilling(tb testing.TB) func() {
	var c Chunk
	s := mustSchema(tb, "a", "b", "c")
	text := []byte("some text of a row that is copied into the arena")
	return func() {
		c.In.SetSchema(s)
		c.Out.SetSchema(s)
		for i := range 1000 {
			in := c.AddInput(3, Origin{Line: int64(i)})
			in[0], in[1] = OfInt(int64(i)), OfText(c.In.Arena.Copy(text))
			copy(c.Out.Add(3, i), in)
		}
		c.Reset()
	}
}

func BenchmarkChunk(b *testing.B) {
	refill := refilling(b)
	b.ReportAllocs()
	for b.Loop() {
		refill()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}

func TestRefillingAChunkDoesNotAllocate(t *testing.T) {
	fill := refilling(t)
	fill()
	if got := testing.AllocsPerRun(20, fill); got != 0 {
		t.Errorf("%v allocations a chunk, want 0", got)
	}
}

func TestGrowingKeepsASchemaOpen(t *testing.T) {
	t.Parallel()
	open, err := NewOpenSchema(Field{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[*Schema]bool{open: true, mustSchema(t, "a"): false} {
		grown, err := s.Grow(Field{Name: "b"})
		if err != nil || s.Open() != want || grown.Open() != want {
			t.Errorf("open %v, grown %v, %v, want %v", s.Open(), grown.Open(), err, want)
		}
	}
	if _, err := NewOpenSchema(Field{Name: "a"}, Field{Name: "a"}); err == nil {
		t.Error("a column may not stand twice")
	}
}

func TestBatchTakesNoMoreMemoryThanTheRowsItExpects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                       string
		expect, rows, fields, most int
	}{
		{"as many as expected", 1000, 1000, 10, 10_000},
		{"few of many", 1_000_000, 10, 10, 1024},
		{"more than expected", 10, 1000, 3, 2 * 3000},
		{"not known", 0, 1000, 10, 2 * 10_000},
	} {
		var b Batch
		b.Expect(c.expect)
		for i := range c.rows {
			row := b.Add(c.fields, i)
			for k := range row {
				row[k] = OfInt(int64(i*c.fields + k))
			}
		}
		if cap(b.values) > c.most {
			t.Errorf("%s: room for %d values, want at most %d", c.name, cap(b.values), c.most)
		}
		for i := range c.rows {
			if row := b.Row(i); len(row.Values) != c.fields || row.At(c.fields-1).Int() != int64((i+1)*c.fields-1) {
				t.Fatalf("%s: row %d is %v", c.name, i, row.Values)
			}
		}
	}
}
