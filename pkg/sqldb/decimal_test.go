package sqldb_test

import (
	"strings"
	"testing"

	"batchctl/pkg/fault"
	"batchctl/pkg/sqldb/sqltest"
)

func TestExactArithmeticOfSQLite(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	for expression, want := range map[string]string{
		"decimal_add('0.10', '0.20')":                                   "0.30",
		"decimal_add('1', '-1.00')":                                     "0.00",
		"decimal_add(1, 2)":                                             "3",
		"typeof(decimal_add(1, 2))":                                     "integer",
		"decimal_add(1, '0.5')":                                         "1.5",
		"decimal_add(0.1, 0.2)":                                         "0.3",
		"decimal_add(-9223372036854775808, 9223372036854775807)":        "-1",
		"decimal_add('9223372036854775807', 1)":                         "9223372036854775808",
		"decimal_add('99999999999999999999999999999999999999', '0.01')": "99999999999999999999999999999999999999.01",
		"decimal_add('1e3', '1')":                                       "1001",
		"decimal_add(x'312e35', '1')":                                   "2.5",
		"decimal_add(null, '1') is null":                                "1",
		"decimal_add('1', null) is null":                                "1",
		"decimal_cmp('1.0', 1)":                                         "0",
		"decimal_cmp('-2', '1')":                                        "-1",
		"decimal_cmp('10', '9')":                                        "1",
		"decimal_cmp(null, 1) is null":                                  "1",
		"(select decimal_sum(v) from (select '0.10' as v union all select 0.2 union all select null union all select 3))":                                    "3.30",
		"(select decimal_sum(v) is null from (select 1 as v where 0))":                                                                                       "1",
		"(select group_concat(s, ' ') from (select decimal_sum(v) over (order by v rows 1 preceding) as s from (values ('1.0'), ('2.0'), ('3.0')) as x(v)))": "1.0 3.0 5.0",
	} {
		expression = strings.ReplaceAll(expression, "(values ('1.0'), ('2.0'), ('3.0')) as x(v)", "(select '1.0' as v union all select '2.0' union all select '3.0')")
		if got := texts(t, db, "select "+expression); got[0] != want {
			t.Errorf("%s: got %s, want %s", expression, got[0], want)
		}
	}
}

func TestExactArithmeticOfSQLiteRefuses(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", sqltest.SQLite(t))
	for expression, says := range map[string]string{
		"decimal_add('12abc', '1')":             `"12abc" is not a decimal`,
		"decimal_add('', '1')":                  "not a decimal",
		"decimal_add('NaN', '1')":               "not a decimal",
		"decimal_add(9223372036854775807,1)":    "does not fit 64 bits",
		"decimal_add(-9223372036854775808, -1)": "does not fit 64 bits",
		"decimal_add('1e1000000000', '1')":      "digits",
		"decimal_add(1e999, '1')":               "not a decimal",
		"decimal_sum('x')":                      "not a decimal",
	} {
		rows, err := db.Query(t.Context(), "select "+expression)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			_ = rows.Close()
			if err == nil {
				t.Errorf("%s: no error", expression)
				continue
			}
		}
		if _, err = db.Exec(t.Context(), "create table if not exists t as select "+expression); err == nil || fault.ClassOf(err) != fault.Constraint || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v (class %s), want class constraint and %q", expression, err, fault.ClassOf(err), says)
		}
	}
}
