/* csv_test.c - odd inputs and their messages, the parser at its seams, options,
 * constraints, failures. */
#include "base/mem.h"
#include "check.h"
#include "format/session_test.h"
#include "os/os.h"

#include <stdlib.h>

/* ---------------------------------------------------------- a table of odd inputs ---- */

struct odd {
    const char *columns, *options, *in;
    size_t bytes; /* 0: strlen */
    kdk_status status;
    const char *want; /* Rows, or something of the error. */
};
static const struct odd odds[] = {
    /* Text format: escapes. */
    {"a text", "", "\\x4a\\x4\\x\\112\\7x\n", 0, KDK_OK, "J\x04xJ\ax\n"},
    {"a text", "", "a\\\nb\n", 0, KDK_OK, "a\nb\n"},
    {"a text", "", "tail\\", 0, KDK_OK, "tail\n"},
    {"a text", "", "\\xc3\\xa9\n", 0, KDK_OK, "\xc3\xa9\n"},
    {"a text", "", "\\xc3(\n", 0, KDK_BAD_ENCODING, "0xc3"},
    {"a text", "", "a\\0b\n", 0, KDK_BAD_ENCODING, "0x00"},
    {"a text, b text", "", "\\N\t\\\\N\n", 0, KDK_OK, "NULL|\\N\n"},
    {"a text, b text", "delimiter '|'", "x\\|y|\\z\n", 0, KDK_OK, "x|y|z\n"},
    {"a text, b text", "null ''", "\t\n", 0, KDK_OK, "NULL|NULL\n"},
    {"a text", "", "\n\nx\n", 0, KDK_OK, "\n\nx\n"},
    /* The end marker. */
    {"a text", "", "x\n\\.\ny\n", 0, KDK_OK, "x\n"},
    {"a text", "", "x\\.\ny\n", 0, KDK_OK, "x\n"},
    {"a text", "", "x\r\n\\.\r\ny\r\n", 0, KDK_OK, "x\n"},
    {"a text", "", "x\n\\.\r\ny\n", 0, KDK_BAD_COPY,
     "end-of-copy marker does not match previous newline style"},
    {"a text", "", "x\n\\.y\n", 0, KDK_BAD_COPY, "end-of-copy marker corrupt"},
    {"a text", "", "x\n\\.", 0, KDK_BAD_COPY, "end-of-copy marker corrupt"},
    {"a text", "", "x\r\n\\.\n", 0, KDK_BAD_COPY,
     "end-of-copy marker does not match previous newline style"},
    {"a text", "format csv", "x\n\\.", 0, KDK_OK, "x\n\\.\n"},
    {"a text", "format csv", "x\n\\.y\n", 0, KDK_OK, "x\n\\.y\n"},
    {"a text", "format csv", "x\n\\.\nrubbish \xff", 0, KDK_OK, "x\n"},
    {"a text", "format csv", "x\r\n\\.\n", 0, KDK_BAD_COPY,
     "unquoted newline found in data"},
    /* Line ends. */
    {"a text", "", "x\ny\rz\n", 0, KDK_BAD_COPY,
     "literal carriage return found in data\n\nUse \"\\r\" to represent carriage return."},
    {"a text", "", "x\ry\n", 0, KDK_BAD_COPY,
     "literal newline found in data\n\nUse \"\\n\" to represent newline.\nCOPY t, line 2"},
    {"a text", "", "x\r\ny\rz\r\n", 0, KDK_BAD_COPY,
     "literal carriage return found in data"},
    {"a text", "format csv", "x\ny\r\n", 0, KDK_BAD_COPY,
     "unquoted carriage return found in data\n\nUse quoted CSV field to represent carriage "
     "return."},
    {"a text", "format csv", "x\ry\n", 0, KDK_BAD_COPY, "unquoted newline found in data"},
    {"a text", "format csv", "\"x\ry\"\n\"a\r\nb\"\n", 0, KDK_OK, "x\ry\na\r\nb\n"},
    {"a text", "", "x\r", 0, KDK_OK, "x\n"},
    /* Structure. */
    {"a int, b int", "format csv", "1,2\n3,4,5\n", 0, KDK_BAD_COPY,
     "extra data after last expected column\n\n\nCOPY t, line 2: \"3,4,5\""},
    {"a int, b int", "format csv", "1,2\n3\n", 0, KDK_BAD_COPY,
     "missing data for column \"b\"\n\n\nCOPY t, line 2: \"3\""},
    {"a int, b int", "format csv", "1,2\nx\n", 0, KDK_BAD_TEXT,
     "COPY t, line 2, column a: \"x\""},
    {"a int, b int", "format csv", "1,y\nx\n", 0, KDK_BAD_TEXT,
     "COPY t, line 1, column b: \"y\""},
    {"a int, b int", "format csv", "1,2\nx,y\n", 0, KDK_BAD_TEXT,
     "COPY t, line 2, column a: \"x\""},
    {"a int, b int", "format csv", "1,2\n1,y\nx,2\n", 0, KDK_BAD_TEXT,
     "COPY t, line 2, column b: \"y\""},
    {"a int, b int", "format csv", "1,\"2\nx", 0, KDK_BAD_COPY,
     "unterminated CSV quoted field\n\n\nCOPY t, line 2: \"1,\"2\nx\""},
    {"a int, b int", "", "1\n", 0, KDK_BAD_COPY, "missing data for column \"b\""},
    {"a int", "", "1\t2\n", 0, KDK_BAD_COPY, "extra data after last expected column"},
    {"a int", "", "\n", 0, KDK_BAD_TEXT,
     "invalid input syntax for type integer: \"\"\n\n\nCOPY t, line 1, column a: \"\""},
    /* Quotes. */
    {"a text, b text", "format csv", "\"\",\n", 0, KDK_OK, "|NULL\n"},
    {"a text, b text", "format csv", "a\"b,c\"d,\"\"\"\"\n", 0, KDK_OK, "ab,cd|\"\n"},
    {"a text, b text", "format csv", "\"a\"\"\"b\",x\"\n", 0, KDK_BAD_COPY,
     "missing data for column \"b\""},
    {"a text, b text", "format csv, escape '\\'", "\"a\\\\\",\"\\\"\"\n", 0, KDK_OK,
     "a\\|\"\n"},
    {"a text, b text", "format csv, escape '\\'", "a\\\"b\",\"c\\d\"\n", 0, KDK_OK,
     "a\\b|c\\d\n"},
    {"a text, b text", "format csv, quote '''', escape '\\'", "'x\n\\'',y\n", 0, KDK_OK,
     "x\n'|y\n"},
    {"a text, b text", "format csv, delimiter '\\'", "\\.\\x\n", 0, KDK_BAD_COPY,
     "extra data"},
    /* NULLs. */
    {"a text, b text", "format csv, null 'n', force_null (b)", "n,\"n\"\n\"n\",n\n", 0,
     KDK_OK, "NULL|NULL\nn|NULL\n"},
    {"a text, b text", "format csv, null 'n', force_not_null (a), force_null (a)",
     "n,\"n\"\n\"n\",n\n", 0, KDK_OK, "n|n\nNULL|NULL\n"},
    {"a int", "format csv, force_not_null (a)", "1\n\n", 0, KDK_BAD_TEXT,
     "COPY t, line 2, column a: \"\""},
    /* Encoding. */
    {"a text", "", "x\0y\n", 4, KDK_BAD_ENCODING,
     "invalid byte sequence for encoding \"UTF8\": 0x00\n\n\nCOPY t, line 1"},
    {"a text", "format csv", "x\n\xe2\x28\xa1\n", 0, KDK_BAD_ENCODING,
     "0xe2 0x28 0xa1\n\n\nCOPY t, line 2"},
    {"a text", "format csv", "ok\n\xe2\x82", 0, KDK_BAD_ENCODING, "0xe2 0x82"},
    {"a int", "format csv", "x\n\xff\n", 0, KDK_BAD_TEXT, "line 1, column a"},
    {"a int", "format csv, header", "\xff\n1\n", 0, KDK_BAD_ENCODING, "COPY t, line 1"},
    {"a text", "format csv", "\xef\xbb\xbfx\n", 0, KDK_OK, "\xef\xbb\xbfx\n"},
    /* Headers. */
    {"a int, b int", "format csv, header match", "a,b\n1,2\n", 0, KDK_OK, "1|2\n"},
    {"a int, b int", "format csv, header match", "a,\"b\"\n", 0, KDK_OK, ""},
    {"a int, b int", "format csv, header match", "a,c\n1,2\n", 0, KDK_BAD_COPY,
     "column name mismatch in header line field 2: got \"c\", expected \"b\""},
    {"a int, b int", "format csv, header match", "a,\n1,2\n", 0, KDK_BAD_COPY,
     "column name mismatch in header line field 2: got null value (\"\"), expected \"b\""},
    {"a int, b int", "format csv, header match", "a\n1,2\n", 0, KDK_BAD_COPY,
     "wrong number of fields in header line: field count is 1, expected is 2"},
    {"a int, b int", "format csv, header match", "a,b,c\n1,2\n", 0, KDK_BAD_COPY,
     "field count is 3, expected is 2"},
    {"a int, b int", "header", "rubbish\n1\t2\n", 0, KDK_OK, "1|2\n"},
    {"a int, b int", "format csv, header", "\"two\nlines\"\n1,x\n", 0, KDK_BAD_TEXT,
     "COPY t, line 3, column b"},
    /* Values: the fast paths and their limits. */
    {"a smallint, b bigint", "format csv",
     "-32768,-9223372036854775808\n+1,0000000000000000000001\n 7 ,9223372036854775807\n", 0,
     KDK_OK, "-32768|-9223372036854775808\n1|1\n7|9223372036854775807\n"},
    {"a smallint", "format csv", "32768\n", 0, KDK_OUT_OF_RANGE,
     "value \"32768\" is out of range for type smallint"},
    {"a int", "format csv", "-\n", 0, KDK_BAD_TEXT, "\"-\""},
    {"a int", "format csv", "-2147483649\n", 0, KDK_OUT_OF_RANGE, "integer"},
    {"a numeric(5,2), b numeric(38,0)", "format csv",
     "1,99999999999999999999999999999999999999\n-.5,1e3\n999.994,-0\n1.,12\n", 0, KDK_OK,
     "1.00|99999999999999999999999999999999999999\n-0.50|1000\n999.99|0\n1.00|12\n"},
    {"a numeric(5,2)", "format csv", "1000\n", 0, KDK_OUT_OF_RANGE,
     "A field with precision 5, scale 2 must round"},
    {"a numeric(5,2)", "format csv", ".\n", 0, KDK_BAD_TEXT, "numeric"},
    {"a numeric(3,3)", "format csv", "0.999\n.1\n", 0, KDK_OK, "0.999\n0.100\n"},
    {"a varchar(3), b char(3)", "format csv",
     "abc,a\n\xc3\xa9\xc3\xa9\xc3\xa9,x  \nab    ,abc\n", 0, KDK_OK,
     "abc|a  \n\xc3\xa9\xc3\xa9\xc3\xa9|x  \nab |abc\n"},
    {"a varchar(3)", "format csv", "abcd\n", 0, KDK_STRING_TRUNCATED,
     "value too long for type character varying(3)"},
    {"a date, b timestamp", "format csv",
     "infinity,2024-02-29 12:00\n0044-03-15 BC,-infinity\n", 0, KDK_OK,
     "infinity|2024-02-29 12:00:00\n0044-03-15 BC|-infinity\n"},
    {"a bytea, b real", "format csv", "\\x00ff,1.5\nabc,nan\n", 0, KDK_OK,
     "\\x00ff|1.5\n\\x616263|NaN\n"},
    {"a int, b int", "format csv", "", 0, KDK_OK, ""},
};

TEST(csv, odd_inputs_become_what_postgresql_makes_of_them)
{
    struct session s;
    session_open(&s, os_real());
    for (size_t i = 0; i < COUNT_OF(odds); i++) {
        const struct odd *o = &odds[i];
        char sql[400];
        struct buf text = {0};
        CHECK_EQ(buf_printf(&text, "create table t (%s)", o->columns), KDK_OK);
        session_do(&s, text.data);
        buf_clear(&text);
        CHECK_EQ(buf_printf(&text, "copy t from stdin%s%s%s", *o->options ? " with (" : "",
                            o->options, *o->options ? ")" : ""),
                 KDK_OK);
        CHECK(text.len < sizeof sql);
        memcpy(sql, text.data, text.len + 1);
        buf_deinit(&text);
        for (size_t step = 0; step < 3; step++) {
            s.in_step = step;
            session_in(&s, o->in, o->bytes ? o->bytes : strlen(o->in));
            if (o->status != KDK_OK)
                session_fails(&s, sql, o->status, o->want);
            else
                session_do(&s, sql);
            session_rows(&s, "select * from t", o->status == KDK_OK ? o->want : "");
            session_do(&s, "delete from t");
        }
        session_do(&s, "drop table t");
    }
    session_close(&s);
}

/* ------------------------------------------------------------------- volume ---- */

/* Rows of many shapes over several buffers: each value comes back, and so does each line
 * number. */
TEST(csv, long_and_many_records_cross_buffers_and_batches)
{
    struct session s;
    struct buf in = {0}, want = {0};
    uint64_t lines = 0;
    session_open(&s, os_real());
    session_do(&s, "create table t (id bigint, x text, d numeric(12,2), b boolean)");
    for (uint32_t i = 0; i < 9000; i++) {
        static const char tail[] =
            "the quick brown fox jumps over the lazy dog and then sleeps";
        uint32_t n = (i * 7919u) % 60;
        CHECK_EQ(buf_printf(&in, "%u,\"%.*s\n\"\"%u\",%u.%02u,%s\n", i, (int)n, tail, i, i,
                            i % 100, i % 3 ? "t" : ""),
                 KDK_OK);
        CHECK_EQ(buf_printf(&want, "%u|%.*s\n\"%u|%u.%02u|%s\n", i, (int)n, tail, i, i,
                            i % 100, i % 3 ? "true" : "NULL"),
                 KDK_OK);
        lines += 2;
    }
    CHECK_EQ(buf_printf(&in, "9000,\""), KDK_OK);
    for (uint32_t i = 0; i < 3000000; i += 10)
        CHECK_EQ(buf_add(&in, "0123456789", 10), KDK_OK);
    CHECK_EQ(buf_add_str(&in, "\",1,t\n"), KDK_OK);
    session_in(&s, in.data, in.len);
    session_do(&s, "copy t from stdin with (format csv)");
    CHECK_EQ(s.affected, 9001);
    CHECK_EQ(s.progress_done, in.len);
    CHECK(s.progress_calls > 1);
    session_rows(&s, "select * from t where id < 9000", want.data);
    session_rows(&s, "select length(x) from t where id = 9000", "3000000\n");
    CHECK_EQ(buf_add_str(&in, "x,,,\n"), KDK_OK);
    session_in(&s, in.data, in.len);
    char line[64];
    struct buf text = {0};
    CHECK_EQ(
        buf_printf(&text, "line %llu, column id: \"x\"", (unsigned long long)lines + 2),
        KDK_OK);
    memcpy(line, text.data, MIN(text.len + 1, sizeof line));
    session_fails(&s, "copy t from stdin with (format csv)", KDK_BAD_TEXT, line);
    session_rows(&s, "select count(*) from t", "9001\n");
    buf_deinit(&text);
    buf_deinit(&in);
    buf_deinit(&want);
    session_close(&s);
}

TEST(csv, defaults_conditions_and_constraints_apply)
{
    struct session s;
    session_open(&s, os_real());
    session_do(&s, "create table t (id int primary key, a int not null check (a > 0), d "
                   "text default 'none', e int default 6 * 7, check (e < 100))");
    session_in(&s, "5,1\n6,2\n", 8);
    session_do(&s, "copy t (a, id) from stdin with (format csv)");
    session_rows(&s, "select * from t order by id", "1|5|none|42\n2|6|none|42\n");
    session_in(&s, "7,-1\n8,4\n9,5\n", 13);
    session_do(&s, "copy t (a, id) from stdin with (format csv) where a > 7");
    CHECK_EQ(s.affected, 2);
    session_rows(&s, "select id, a from t order by id", "1|5\n2|6\n4|8\n5|9\n");
    session_in(&s, "7,10,x,1\n8,-1,y,2\n", 18);
    session_fails(&s, "copy t from stdin with (format csv)", KDK_CHECK,
                  "new row for relation \"t\" violates check constraint "
                  "\"t_a_check\"\nFailing row contains (8, -1, y, 2).\n\nCOPY t, line 2");
    session_in(&s, "7,10,x,1\n8,,y,2\n9,-1,z,3\n", 25);
    session_fails(&s, "copy t from stdin with (format csv)", KDK_NOT_NULL,
                  "null value in column \"a\" of relation \"t\" violates not-null "
                  "constraint\nFailing row contains (8, null, y, 2).\n\nCOPY t, line 2");
    session_in(&s, "7,10,x,1\n8,1,y,100\n9,,z,3\n", 26);
    session_fails(&s, "copy t from stdin with (format csv)", KDK_CHECK, "COPY t, line 2");
    session_in(&s, "7,10,x,1\n1,1,y,2\n", 17);
    session_fails(&s, "copy t from stdin with (format csv)", KDK_UNIQUE, NULL);
    session_in(&s, "7,1\n0,2\n", 8);
    session_fails(&s, "copy t (id, a) from stdin with (format csv) where 10 / id > 0",
                  KDK_DIVISION_BY_ZERO, "COPY t, lines 1 to 2");
    session_rows(&s, "select count(*) from t", "4\n");
    session_close(&s);
}

/* -------------------------------------------------------------------- COPY TO ---- */

TEST(csv, copy_to_prints_as_postgresql)
{
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"copy t to stdout", "1\ta\\tb\\\\\\n\\r\\b\\f\\v\x01\tt\t1."
                             "50\n2\t\\N\t\\N\t\\N\n3\t\tf\t-0.05\n4\tx,y\"z\tt\t0.00\n"},
        {"copy t to stdout with (format csv)", "1,\"a\tb\\\n\r\b\f\v\x01\",t,1.50\n2,,,\n3,"
                                               "\"\",f,-0.05\n4,\"x,y\"\"z\",t,0.00\n"},
        {"copy t (s, id) to stdout with (format csv, header, force_quote (id), null '-')",
         "s,id\n\"a\tb\\\n\r\b\f\v\x01\",\"1\"\n-,\"2\"\n,\"3\"\n\"x,y\"\"z\",\"4\"\n"},
        {"copy (select s, id from t where id > 2 order by id desc) to stdout with (format "
         "csv, force_quote *, quote '''', escape '\\', delimiter ';')",
         "'x,y\"z';'4'\n'';'3'\n"},
        {"copy t to stdout with (header, delimiter '|', null 'NIL')",
         "id|s|b|n\n1|a\\tb\\\\\\n\\r\\b\\f\\v\x01|t|1.50\n2|NIL|NIL|NIL\n3||f|-0.05\n4|x,"
         "y\"z|t|0.00\n"},
        {"copy (select '\\.') to stdout with (format csv)", "\"\\.\"\n"},
        {"copy (select '\\.', 'a') to stdout with (format csv)", "\\.,a\n"},
        {"copy (select '\\.' as \"x,y\") to stdout with (format csv, header)",
         "\"x,y\"\n\"\\.\"\n"},
        {"copy (select 'NULL', null) to stdout with (format csv, null 'NULL')",
         "\"NULL\",NULL\n"},
        {"copy (select cast('a' as char(3)), cast('\\x00ff' as bytea), date '2024-02-29', "
         "1e300::float8) to stdout with (format csv)",
         "a  ,\\x00ff,2024-02-29,1e+300\n"},
        {"copy (select cast('\\x5c' as bytea)) to stdout", "\\\\x5c\n"},
        {"copy (select 'o''clock') to stdout with (format csv, quote '''', escape '''')",
         "'o''clock'\n"},
        {"copy (select 1 where false) to stdout with (format csv)", ""},
    };
    struct session s;
    session_open(&s, os_real());
    session_do(&s, "create table t (id int, s text, b boolean, n numeric(6,2))");
    session_do(&s,
               "insert into t values (1, E'a\\tb\\\\\\n\\r\\b\\f\\x0b\\x01', true, 1.5), "
               "(2, null, null, null), (3, '', false, -0.05), (4, 'x,y\"z', true, 0)");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&s.out);
        session_do(&s, cases[i].sql);
        CHECK_STR(s.out.data && s.out.len ? s.out.data : "", cases[i].want);
    }
    s.out_fails = true;
    session_fails(&s, "copy t to stdout", KDK_IO, "writing to STDOUT failed");
    session_close(&s);
}

TEST(csv, a_file_appears_whole_or_not_at_all)
{
    struct session s;
    enum os_kind kind;
    char path[] = "/tmp/kdk_format_test.XXXXXX", sql[300];
    CHECK(mkdtemp(path) != NULL);
    session_open(&s, os_real());
    session_do(&s, "create table t (id int)");
    session_do(&s, "insert into t values (1), (2), (0)");
    struct buf text = {0};
#define SQL(...)                                                                           \
    (buf_clear(&text), CHECK_EQ(buf_printf(&text, __VA_ARGS__), KDK_OK),                   \
     CHECK(text.len < sizeof sql), memcpy(sql, text.data, text.len + 1),                   \
     buf_deinit(&text), (char *)sql)
    session_do(&s, SQL("copy t to '%s/a.csv' with (format csv)", path));
    CHECK_EQ(s.affected, 3);
    session_do(&s, SQL("copy t from '%s/a.csv' with (format csv)", path));
    session_rows(&s, "select count(*) from t", "6\n");
    /* A failure on the way leaves the old file, and no other. */
    session_fails(&s,
                  SQL("copy (select 1 / id from t) to '%s/a.csv' with (format csv)", path),
                  KDK_DIVISION_BY_ZERO, NULL);
    session_fails(&s,
                  SQL("copy (select 1 / id from t) to '%s/b.csv' with (format csv)", path),
                  KDK_DIVISION_BY_ZERO, NULL);
    session_rows(&s, SQL("select count(*) from '%s/a.csv'", path), "2\n");
    session_fails(&s, SQL("copy t to '%s' with (format csv)", path), KDK_WRONG_OBJECT_TYPE,
                  "is a directory");
    session_fails(&s, SQL("copy t from '%s' with (format csv)", path),
                  KDK_WRONG_OBJECT_TYPE, "is a directory");
    session_fails(&s, SQL("copy t from '%s/none.csv' with (format csv)", path),
                  KDK_UNDEFINED_FILE, "none.csv");
    session_fails(&s, SQL("copy t to '%s/none/a.csv' with (format csv)", path),
                  KDK_UNDEFINED_FILE, NULL);
    CHECK_EQ(os_remove(os_real(), SQL("%s/a.csv", path), NULL), KDK_OK);
    CHECK_EQ(os_remove_dir(os_real(), path, NULL), KDK_OK); /* Nothing else is in it. */
    CHECK_EQ(os_kind(os_real(), path, &kind, NULL), KDK_OK);
    CHECK_EQ(kind, OS_MISSING);
    session_close(&s);
}

TEST(csv, every_failed_allocation_is_told_and_leaves_nothing)
{
    static const char in[] =
        "1,\"a long text that does not fit a view\",2.50\n2,b,\n3,\"c\"\"\",1\n";
    static const char *const statements[] = {
        "copy t from stdin with (format csv) where id > 0",
        "copy t to stdout with (format csv, header)",
        "copy t to stdout with (format arrow)",
        "copy t from stdin with (format csv, header match)"};
    struct session s;
    uint64_t failed = 0;
    session_open(&s, os_real());
    session_do(&s,
               "create table t (id int check (id < 10), s text, n numeric(6,2) default 1)");
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        for (uint64_t n = 0;; n++) {
            session_in(&s, in, sizeof in - 1);
            buf_clear(&s.out);
            if (i == 3)
                session_in(&s, "id,s,n\n1,a,b\n", 13);
            mem_fail_after(n, true);
            kdk_status status = session_run(&s, statements[i]);
            uint64_t hit = mem_fail_never();
            failed += hit > 0;
            if (!hit) {
                CHECK_EQ(status, i == 3 ? KDK_BAD_TEXT : KDK_OK);
                break;
            }
            /* Where memory is missing for a line of detail alone, the statement fails as it
             * would have. */
            if (status != KDK_OK)
                CHECK(status == KDK_NOMEM || (i == 3 && status == KDK_BAD_TEXT) ||
                      status == KDK_IO);
            if (i == 0)
                session_rows(&s, "select count(*) from t",
                             status == KDK_OK ? "3\n" : "0\n");
            if (i == 0 && status == KDK_OK)
                session_do(&s, "delete from t");
        }
    }
    CHECK(failed > 100);
    session_close(&s);
}

TEST(csv, copy_stops_when_it_is_told_to)
{
    struct session s;
    session_open(&s, os_real());
    session_do(&s, "create table t (id int)");
    session_in(&s, "1\n", 2);
    atomic_store(&s.cancel, 1);
    session_fails(&s, "copy t from stdin", KDK_INTERRUPTED, NULL);
    session_fails(&s, "copy t to stdout", KDK_INTERRUPTED, NULL);
    atomic_store(&s.cancel, 0);
    s.in_fails = true;
    session_fails(&s, "copy t from stdin", KDK_IO, "reading from STDIN failed");
    s.in_fails = false;
    session_fails(&s, "copy t from stdin with (format binary)", KDK_UNSUPPORTED, "binary");
    session_fails(&s, "copy nothing from stdin", KDK_UNDEFINED_TABLE, NULL);
    session_close(&s);
}
