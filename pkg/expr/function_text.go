package expr

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"batchctl/pkg/record"
)

func textFunctions() []function {
	return []function{
		{Function{"upper", "upper(text)", "in capital letters"}, 1, 1, []kinds{texts}, changeCase('a', 'z', strings.ToUpper)},
		{Function{"lower", "lower(text)", "in small letters"}, 1, 1, []kinds{texts}, changeCase('A', 'Z', strings.ToLower)},
		{Function{"trim", "trim(text)", "without blanks, tabs and line breaks at both ends"}, 1, 1, []kinds{texts}, textToText(strings.TrimSpace)},
		{Function{"len", "len(text)", "the number of characters"}, 1, 1, []kinds{texts}, bindLen},
		{Function{"substr", "substr(text, from, length)", "length characters beginning with the from-th, counted from 1; to the end where length is left out"}, 2, 3, []kinds{texts, ints}, bindSubstr},
		{Function{"left", "left(text, n)", "the first n characters"}, 2, 2, []kinds{texts, ints}, cutText(func(s string, n int) string { return s[:charsFrom(s, n)] })},
		{Function{"right", "right(text, n)", "the last n characters"}, 2, 2, []kinds{texts, ints}, cutText(lastChars)},
		{Function{"replace", "replace(text, old, new)", "with every old replaced by new"}, 3, 3, []kinds{texts}, bindReplace},
		{Function{"regex_replace", "regex_replace(text, pattern, new)", "with every match of a pattern replaced; $1 in new stands for the first group"}, 3, 3, []kinds{texts}, bindRegexReplace},
		{Function{"split_part", "split_part(text, separator, n)", "the n-th part between separators, counted from 1; an empty text where there are fewer"}, 3, 3, []kinds{texts, texts, ints}, bindSplitPart},
		{Function{"concat", "concat(a, b, ...)", "the texts joined; null is left out"}, 1, 16, []kinds{texts}, bindConcat},
		{Function{"lpad", "lpad(text, length, fill)", "filled up at the left, with blanks where fill is left out; never cut"}, 2, 3, []kinds{texts, ints, texts}, pad(true)},
		{Function{"rpad", "rpad(text, length, fill)", "filled up at the right, with blanks where fill is left out; never cut"}, 2, 3, []kinds{texts, ints, texts}, pad(false)},
		{Function{"starts_with", "starts_with(text, start)", "whether it does, as text startsWith start"}, 2, 2, []kinds{texts}, searchFunction(strings.HasPrefix)},
		{Function{"ends_with", "ends_with(text, end)", "whether it does, as text endsWith end"}, 2, 2, []kinds{texts}, searchFunction(strings.HasSuffix)},
	}
}

func textToText(apply func(string) string) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict1(record.Text, func(_ env, s record.Value) (record.Value, error) {
			return record.OfText(apply(s.Text())), nil
		})
	}
}

// changeCase binds upper and lower: ASCII in the arena, the rest by the library.
func changeCase(first, last byte, library func(string) string) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict1(record.Text, func(e env, s record.Value) (record.Value, error) {
			if !isASCII(s.Text()) {
				return record.OfText(library(s.Text())), nil
			}
			to, err := room(e.arena, len(s.Text()))
			for i := range to {
				to[i] = s.Text()[i]
				if to[i] >= first && to[i] <= last {
					to[i] ^= 'a' - 'A'
				}
			}
			return record.OfText(record.String(to)), err
		})
	}
}

func bindLen(c call) (code, error) {
	return c.strict1(record.Int, func(_ env, s record.Value) (record.Value, error) {
		return record.OfInt(int64(utf8.RuneCountInString(s.Text()))), nil
	})
}

// charsFrom returns how many bytes the first n characters of s have.
func charsFrom(s string, n int) int {
	if n <= 0 {
		return 0
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func lastChars(s string, n int) string {
	return s[charsFrom(s, utf8.RuneCountInString(s)-max(n, 0)):]
}

func cutText(cut func(s string, n int) string) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict2(record.Text, func(_ env, s, count record.Value) (record.Value, error) {
			n, err := integer(count, "the number of characters")
			if err != nil {
				return s, err
			}
			return record.OfText(cut(s.Text(), n)), nil
		})
	}
}

func bindSubstr(c call) (code, error) {
	if len(c.args) == 2 {
		return c.strict2(record.Text, func(_ env, s, from record.Value) (record.Value, error) {
			first, err := integer(from, "the first character")
			if err != nil {
				return s, err
			}
			return record.OfText(s.Text()[charsFrom(s.Text(), first-1):]), nil
		})
	}
	return c.strict3(record.Text, func(_ env, s, from, length record.Value) (record.Value, error) {
		first, err := integer(from, "the first character")
		if err != nil {
			return s, err
		}
		n, err := integer(length, "the length")
		if err != nil {
			return s, err
		}
		if first < 1 { // as in SQL: what lies before the text counts
			first, n = 1, n+first-1
		}
		rest := s.Text()[charsFrom(s.Text(), first-1):]
		return record.OfText(rest[:charsFrom(rest, n)]), nil
	})
}

func bindReplace(c call) (code, error) {
	return c.strict3(record.Text, func(e env, s, old, replacement record.Value) (record.Value, error) {
		from, to := old.Text(), replacement.Text()
		count := strings.Count(s.Text(), from)
		if from == "" || count == 0 {
			return record.OfText(s.Text()), nil
		}
		made, err := room(e.arena, len(s.Text())+count*(len(to)-len(from)))
		if err != nil {
			return s, err
		}
		at, rest := 0, s.Text()
		for range count {
			before, after, _ := strings.Cut(rest, from)
			at += copy(made[at:], before)
			at += copy(made[at:], to)
			rest = after
		}
		copy(made[at:], rest)
		return record.OfText(record.String(made)), nil
	})
}

func bindRegexReplace(c call) (code, error) {
	pattern, err := constantPattern(c.function.Name, c.args[1])
	if err != nil {
		return code{}, err
	}
	return c.strict3(record.Text, func(_ env, s, _, replacement record.Value) (record.Value, error) {
		compiled, err := pattern()
		if err != nil {
			return s, err
		}
		return replaceMatches(compiled, s.Text(), replacement.Text())
	})
}

// replaceMatches is regexp's ReplaceAllString with a bound on the size of the result.
func replaceMatches(pattern *regexp.Regexp, s, replacement string) (record.Value, error) {
	var made []byte
	end := 0
	for _, match := range pattern.FindAllStringSubmatchIndex(s, -1) {
		made = append(made, s[end:match[0]]...)
		made = pattern.ExpandString(made, replacement, s, match)
		end = match[1]
		if len(made) > MaxText {
			break
		}
	}
	if end == 0 && made == nil {
		return record.OfText(s), nil
	}
	if _, err := room(nil, len(made)+len(s)-end); err != nil {
		return record.Value{}, err
	}
	return record.OfText(string(append(made, s[end:]...))), nil
}

func bindSplitPart(c call) (code, error) {
	return c.strict3(record.Text, func(_ env, s, separator, count record.Value) (record.Value, error) {
		n, err := integer(count, "the number of the part")
		if err != nil {
			return s, err
		}
		if n < 1 {
			return s, mismatch("the number of the part is %d; parts count from 1", n)
		}
		rest := s.Text()
		if separator.Text() == "" {
			return s, mismatch("the separator is an empty text")
		}
		for ; n > 1; n-- {
			_, after, found := strings.Cut(rest, separator.Text())
			if !found {
				return record.OfText(""), nil
			}
			rest = after
		}
		part, _, _ := strings.Cut(rest, separator.Text())
		return record.OfText(part), nil
	})
}

// bindConcat joins from left to right; null counts as an empty text.
func bindConcat(c call) (code, error) {
	return computed(record.Text, c.offset, func(row []record.Value, arena *record.Arena) (record.Value, error) {
		joined := record.OfText("")
		for i, arg := range c.args {
			v, err := arg.eval(row, arena)
			if err != nil {
				return v, err
			}
			if v.IsNull() || v.Kind() == record.Text && v.Text() == "" {
				continue
			}
			if err := c.checkValue(i, v); err != nil {
				return v, err
			}
			if joined.Text() == "" {
				joined = record.OfText(v.Text())
				continue
			}
			if joined, err = joinTexts(arena, joined.Text(), v.Text()); err != nil {
				return v, err
			}
		}
		return joined, nil
	}), nil
}

func pad(atLeft bool) func(call) (code, error) {
	return func(c call) (code, error) {
		if len(c.args) == 2 {
			return c.strict2(record.Text, func(e env, s, length record.Value) (record.Value, error) {
				return padded(e, s.Text(), length, " ", atLeft)
			})
		}
		return c.strict3(record.Text, func(e env, s, length, fill record.Value) (record.Value, error) {
			return padded(e, s.Text(), length, fill.Text(), atLeft)
		})
	}
}

func padded(e env, s string, length record.Value, fill string, atLeft bool) (record.Value, error) {
	n, err := integer(length, "the length")
	if err != nil {
		return record.Value{}, err
	}
	missing := n - utf8.RuneCountInString(s)
	if missing <= 0 || fill == "" {
		return record.OfText(s), nil
	}
	fillChars := utf8.RuneCountInString(fill)
	size := missing/fillChars*len(fill) + charsFrom(fill, missing%fillChars)
	made, err := room(e.arena, len(s)+size)
	if err != nil {
		return record.Value{}, err
	}
	filling := made[copy(made, s):]
	if atLeft {
		copy(made[size:], s)
		filling = made[:size]
	}
	for at := 0; at < len(filling); {
		at += copy(filling[at:], fill)
	}
	return record.OfText(record.String(made)), nil
}

func searchFunction(search func(s, part string) bool) func(call) (code, error) {
	return func(c call) (code, error) {
		return c.strict2(record.Bool, func(_ env, s, part record.Value) (record.Value, error) {
			return record.OfBool(search(s.Text(), part.Text())), nil
		})
	}
}
