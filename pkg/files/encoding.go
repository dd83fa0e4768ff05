package files

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"batchctl/pkg/fault"
)

// encodings are the names that a definition may use. Where the standard has a superset that is in use under its name, it
// is that: EUC-KR is CP949, Shift_JIS is CP932, as browsers have it (encoding.spec.whatwg.org). ISO-8859-1 is itself.
var encodings = []struct {
	names []string
	made  encoding.Encoding
}{
	{[]string{"utf-16"}, unicode.UTF16(unicode.BigEndian, unicode.UseBOM)},
	{[]string{"utf-16le"}, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{[]string{"utf-16be"}, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{[]string{"euc-kr", "cp949", "uhc", "ks_c_5601-1987"}, korean.EUCKR},
	{[]string{"shift_jis", "sjis", "cp932", "windows-31j"}, japanese.ShiftJIS},
	{[]string{"euc-jp"}, japanese.EUCJP},
	{[]string{"iso-2022-jp"}, japanese.ISO2022JP},
	{[]string{"gbk", "cp936", "gb2312"}, simplifiedchinese.GBK},
	{[]string{"gb18030"}, simplifiedchinese.GB18030},
	{[]string{"big5"}, traditionalchinese.Big5},
	{[]string{"iso-8859-1", "latin1"}, charmap.ISO8859_1},
	{[]string{"iso-8859-2", "latin2"}, charmap.ISO8859_2},
	{[]string{"iso-8859-5"}, charmap.ISO8859_5},
	{[]string{"iso-8859-7"}, charmap.ISO8859_7},
	{[]string{"iso-8859-9", "latin5"}, charmap.ISO8859_9},
	{[]string{"iso-8859-15", "latin9"}, charmap.ISO8859_15},
	{[]string{"windows-1250", "cp1250"}, charmap.Windows1250},
	{[]string{"windows-1251", "cp1251"}, charmap.Windows1251},
	{[]string{"windows-1252", "cp1252"}, charmap.Windows1252},
	{[]string{"windows-1254", "cp1254"}, charmap.Windows1254},
	{[]string{"koi8-r"}, charmap.KOI8R},
	{[]string{"cp437"}, charmap.CodePage437},
	{[]string{"cp850"}, charmap.CodePage850},
	{[]string{"macintosh"}, charmap.Macintosh},
}

// Encodings returns all names, in lower case, UTF-8 first.
func Encodings() []string {
	all := []string{"utf-8"}
	for _, e := range encodings {
		all = append(all, e.names...)
	}
	return all
}

// NormalEncoding returns the name as Encodings has it: in lower case, with hyphens in their places.
func NormalEncoding(name string) (string, error) {
	for _, known := range Encodings() {
		if bare(known) == bare(name) {
			return known, nil
		}
	}
	hint := fault.DidYouMean(strings.ToLower(name), Encodings())
	if hint == "" {
		hint = "encodings are utf-8, utf-16, cp949, shift_jis, latin1, windows-1252 and others: see the page on readers"
	}
	return "", fault.New(fault.Definition, "no encoding is called %q", name).WithHint("%s", hint)
}

func bare(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// EncodingOf returns an encoding of Encodings other than UTF-8.
func EncodingOf(name string) (encoding.Encoding, error) {
	for _, e := range encodings {
		for _, known := range e.names {
			if known == name {
				return e.made, nil
			}
		}
	}
	return nil, fault.New(fault.Internal, "no encoding is called %q", name)
}

// strict makes a single byte 0xff of everything that a decoder could not decode and made U+FFFD of.
type strict struct{ transform.Transformer }

var replacement = []byte("\ufffd")

// Transform implements transform.Transformer.
func (s strict) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = s.Transformer.Transform(dst, src, atEOF)
	done := dst[:nDst]
	at := bytes.Index(done, replacement)
	if at < 0 {
		return nDst, nSrc, err
	}
	short := done[:at]
	for at < len(done) {
		if bytes.HasPrefix(done[at:], replacement) {
			short = append(short, 0xff)
			at += len(replacement)
			continue
		}
		short = append(short, done[at])
		at++
	}
	return len(short), nSrc, err
}
