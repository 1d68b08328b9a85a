#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check.h"
#include "sql/parse.h"

/* What `text` parses to, printed; or its SQLSTATE and message. Valid until the next
 * call. */
static const char *shown(const char *text, enum ast_print how)
{
    static char result[16384];
    struct arena arena = {0};
    struct ast_list list = {0};
    struct buf out = {0};
    struct err err = {0};
    size_t bytes = strlen(text);
    /* Without a NUL, so that asan sees a read too far. */
    char *exact = malloc(bytes ? bytes : 1);

    memcpy(exact, text, bytes);
    result[0] = 0;
    if (sql_parse(exact, bytes, &arena, &list, &err) != KDK_OK)
        snprintf(result, sizeof result, "%s %s", status_sqlstate(err.status), err.message);
    for (uint32_t i = 0; i < list.count; i++) {
        if (i)
            buf_add_str(&out, "; ");
        CHECK_EQ(ast_print_stmt(list.items[i], how, &out, &err), KDK_OK);
    }
    if (out.len)
        snprintf(result, sizeof result, "%s", out.data);
    free(exact);
    buf_deinit(&out);
    arena_deinit(&arena);
    return result;
}

/* The tree of an expression, every operator in parentheses. */
static const char *tree(const char *text)
{
    char query[4096];
    const char *result;

    snprintf(query, sizeof query, "select %s", text);
    result = shown(query, AST_PRINT_PARENS);
    return strncmp(result, "SELECT ", 7) == 0 ? result + 7 : result;
}

#define PLAIN(TEXT, WANT) CHECK_STR(shown(TEXT, AST_PRINT_PLAIN), WANT)
#define TREE(TEXT, WANT)  CHECK_STR(tree(TEXT), WANT)

/* Every construct of the grammar at least once. */
static const char *const forms[] = {
    "SELECT ALL 1, 2 AS x, a \"Y\", t.*, s.t.c FROM s.t AS q(a,b), LATERAL (SELECT 1) z, "
    "generate_series(1,2) WITH ORDINALITY AS g(n,o), f() AS (a int, b text), 'x.csv' c, O"
    "NLY t2, current_date, coalesce(1,2) k",
    "FROM t",
    "FROM t SELECT x WHERE y GROUP BY ALL HAVING z ORDER BY 1 DESC NULLS LAST, 2 NULLS FI"
    "RST LIMIT 5 OFFSET 3",
    "SELECT DISTINCT ON (a, b) a FROM t",
    "SELECT -1, - -1, +1, -a, - - a, -(-a), 1-(-1), 2 ^ 3 ^ 2, 2 ** 3 ** 2, (2**3)^2, 2**"
    "3^2, -2^2, 0x1F, 0b101, 0o17, 1_000, 1., .5, 1e10, 1.5e-3, 9999999999999999999999999"
    "9999999999999999, -9223372036854775808",
    "SELECT 'a''b', E'a\\n\\t\\\\\\'\\x41\\u0041', U&'\\0041\\+000041', U&'!0041' UESCAPE"
    " '!', $$a'b$$, $x$ $$ $x$, B'01', X'1F', 'a'\n 'b'",
    "SELECT a OR b AND NOT c = d IS NULL, a = b IS NOT TRUE, NOT a LIKE b ESCAPE 'x', a N"
    "OT ILIKE b, a SIMILAR TO b, a BETWEEN SYMMETRIC 1 AND 2 AND c, a NOT IN (1,2), a IN "
    "(SELECT 1), a IN ((SELECT 1), 2), a IN ((SELECT 1))",
    "SELECT (a,b) = (c,d), ROW(1), ROW(), a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b,"
    " a ISNULL, a NOTNULL, a IS UNKNOWN IS NOT FALSE",
    "SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, CASE WHEN a THEN b END, CAST(a AS numeric(10"
    ",2)), a::text::int[], TRY_CAST(x AS double precision), DATE '2020-01-01', TIMESTAMP "
    "WITH TIME ZONE '2020', INTERVAL '1' DAY, INTERVAL '1 2' DAY TO SECOND(3), INTERVAL(3"
    ") '1', char(5) 'x', bpchar 'y', timestamp(3) 'z', time '1'",
    "SELECT EXTRACT(year FROM d), EXTRACT('month' FROM d), SUBSTRING(a FROM 1 FOR 2), SUB"
    "STRING(a FOR 2), SUBSTRING(a,1), POSITION('a' IN b), POSITION((a IN (b)) IN c), TRIM"
    "(a), TRIM(BOTH FROM a), TRIM(LEADING 'x' FROM a), TRIM(TRAILING a), OVERLAY(a PLACIN"
    "G b FROM 1 FOR 2), COALESCE(a,b), NULLIF(a,b), GREATEST(a), LEAST(a,b), \"extract\"("
    "a,b), \"coalesce\"(1)",
    "SELECT count(*), count(DISTINCT a), string_agg(a, ',' ORDER BY b DESC) FILTER (WHERE"
    " c), f(a => 1, b := 2), f(1, VARIADIC ARRAY[1,2]), sum(x) OVER (PARTITION BY a ORDER"
    " BY b ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE TIES), rank() OVER w,"
    " percentile_cont(0.5) WITHIN GROUP (ORDER BY x), x() over (w rows 1 preceding) FROM "
    "t WINDOW w AS (PARTITION BY z), v AS (w ORDER BY q)",
    "SELECT EXISTS (SELECT 1), (SELECT 1), ARRAY(SELECT 1), a = ANY (SELECT 1), a > ALL ("
    "ARRAY[1]), a <> SOME (b), a LIKE ANY (b), a NOT ILIKE ALL (b), ARRAY[[1,2],[3,4]], A"
    "RRAY[]::int[], a[1], a[1:2], a[:], (a).b, (a).*, (a[1]).b.c, ((a).b)[2], $1[1], (sel"
    "ect x)[1]",
    "SELECT CURRENT_DATE, CURRENT_TIMESTAMP(3), LOCALTIME, USER, current_schema, current_"
    "schema(), a AT TIME ZONE 'UTC' AT TIME ZONE 'x', a COLLATE \"C\" || b, a || b COLLAT"
    "E \"de\" < c",
    "SELECT a == b, a != b, a // b, a % b, a || b -> c ->> d, a ~ b, a !~* b, a @> b, @ a"
    ", a <-> b, a OPERATOR(pg_catalog.~) b, a OPERATOR(x.+) b, ~ a, |/ a, 'a'||-1, a<-1, "
    "a=-1, a*-1",
    "SELECT ?, ? FROM t",
    "SELECT 1 UNION SELECT 2 EXCEPT ALL SELECT 3 INTERSECT SELECT 4",
    "SELECT 1 UNION (SELECT 2 UNION ALL SELECT 3 ORDER BY 1) LIMIT 4",
    "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
    "((SELECT 1 ORDER BY 1)) LIMIT 1",
    "SELECT ((SELECT 1) UNION SELECT 2), ((SELECT 1) + 2), (((SELECT 1)))",
    "SELECT * FROM ((SELECT 1) UNION SELECT 2) x, ((SELECT 1) y JOIN t ON a = b), (((a JO"
    "IN b ON x) CROSS JOIN c))",
    "SELECT * FROM a JOIN b JOIN c ON x ON y LEFT OUTER JOIN d USING (a,b) AS j NATURAL F"
    "ULL JOIN e CROSS JOIN (f INNER JOIN g ON TRUE) RIGHT JOIN h ON z",
    "SELECT a FROM t GROUP BY a, (b,c), ROLLUP (a,b), CUBE (a,(b,c)), GROUPING SETS ((a),"
    "(a,b),(),ROLLUP(x)), () HAVING GROUPING(a) = 1",
    "VALUES (1,2),(3,DEFAULT)",
    "TABLE s.t",
    "SELECT * FROM (VALUES (1,'a'),(2,'b')) v(x,y) FETCH FIRST 3 ROWS ONLY",
    "SELECT * FROM t ORDER BY a OFFSET 2 ROWS FETCH NEXT ROW WITH TIES FOR NO KEY UPDATE "
    "OF t, u SKIP LOCKED FOR SHARE NOWAIT",
    "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM a), b AS NOT MATERIALIZED"
    " (TABLE a) SELECT * FROM a, b QUALIFY x",
    "SELECT FROM t",
    "SELECT",
    "SELECT a select_ , b value, c name FROM t",
    "INSERT INTO t VALUES (1, DEFAULT)",
    "INSERT INTO s.t AS x (a, \"B\") SELECT * FROM u ON CONFLICT (a) WHERE a > 1 DO UPDAT"
    "E SET a = excluded.a, (b,c) = (1,DEFAULT), (d) = (SELECT 1) WHERE x.a < 5 RETURNING "
    "*, a + 1 AS z",
    "INSERT INTO t DEFAULT VALUES RETURNING a",
    "INSERT INTO t (SELECT 1) ON CONFLICT DO NOTHING",
    "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1) ON CONFLICT ON CONSTRAINT c DO "
    "NOTHING",
    "WITH x AS (SELECT 1) UPDATE ONLY t AS a SET b = b + 1, c = DEFAULT FROM u, v WHERE a"
    ".b = u.b RETURNING a.*",
    "DELETE FROM t a USING u WHERE a.x = u.x RETURNING a.x",
    "TRUNCATE t, u RESTART IDENTITY CASCADE",
    "CREATE TABLE IF NOT EXISTS s.t (a int PRIMARY KEY, b varchar(10) COLLATE \"C\" NOT N"
    "ULL DEFAULT 'x' || 'y' CHECK (b <> '') UNIQUE, c numeric(10,2) CONSTRAINT cc NOT NUL"
    "L NULL, d timestamp(3) with time zone REFERENCES u (x) MATCH FULL ON DELETE CASCADE "
    "ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED, e int GENERATED ALWAYS AS (a + 1) "
    "STORED, f int GENERATED BY DEFAULT AS IDENTITY, g char, h \"Odd Type\"[], i double p"
    "recision, PRIMARY KEY (a, b) INCLUDE (c), CONSTRAINT u UNIQUE NULLS NOT DISTINCT (c)"
    ", CHECK (a > 0) NO INHERIT, FOREIGN KEY (a, b) REFERENCES p (x, y)) WITH (fillfactor"
    " = 70, x.y = 'z')",
    "CREATE TEMP TABLE t (a, b) ON COMMIT DROP AS SELECT 1, 2 WITH NO DATA",
    "CREATE UNLOGGED TABLE t AS SELECT * FROM u",
    "CREATE TABLE t ()",
    "CREATE OR REPLACE VIEW v (a, b) AS SELECT 1, 2 WITH LOCAL CHECK OPTION",
    "CREATE TEMP RECURSIVE VIEW v(a) AS VALUES (1)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t USING btree (a DESC NULLS LA"
    "ST, lower(b), (a + b), c COLLATE \"C\" ASC) INCLUDE (d) NULLS NOT DISTINCT WITH (x ="
    " 1) WHERE a > 5",
    "CREATE INDEX ON t (a)",
    "CREATE SCHEMA IF NOT EXISTS s AUTHORIZATION joe",
    "CREATE SCHEMA AUTHORIZATION \"Joe\"",
    "DROP TABLE IF EXISTS a, s.b CASCADE",
    "DROP INDEX CONCURRENTLY i RESTRICT",
    "ALTER TABLE IF EXISTS ONLY t ADD COLUMN IF NOT EXISTS a int DEFAULT 1 NOT NULL, DROP"
    " b CASCADE, DROP COLUMN IF EXISTS c, ADD CONSTRAINT k CHECK (a > 0) NOT VALID, DROP "
    "CONSTRAINT IF EXISTS k CASCADE, ALTER a SET DEFAULT 1 + 2, ALTER COLUMN a DROP DEFAU"
    "LT, ALTER a SET NOT NULL, ALTER a DROP NOT NULL, ALTER a TYPE bigint COLLATE \"C\" U"
    "SING a::bigint, ALTER a SET DATA TYPE text",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t RENAME COLUMN a TO b",
    "ALTER TABLE t RENAME a TO b",
    "ALTER TABLE t RENAME CONSTRAINT a TO b",
    "ALTER VIEW v RENAME TO w",
    "ALTER INDEX i RENAME TO j",
    "ALTER SCHEMA s RENAME TO r",
    "ALTER TABLE t SET SCHEMA s",
    "REINDEX TABLE CONCURRENTLY s.t",
    "REINDEX DATABASE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE",
    "START TRANSACTION READ WRITE",
    "END WORK AND CHAIN",
    "ABORT",
    "ROLLBACK TRANSACTION TO SAVEPOINT s",
    "SAVEPOINT \"S\"",
    "RELEASE s",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE VERBOSE DELETE FROM t",
    "EXPLAIN (ANALYZE, COSTS off, FORMAT json, VERBOSE false) (SELECT 1) UNION SELECT 2",
    "EXPLAIN (SELECT 1)",
    "EXPLAIN (VALUES (1)) UNION ALL VALUES (2)",
    "PREPARE p (int, text[]) AS SELECT $1, $2",
    "EXECUTE p (1, 'a' || 'b')",
    "EXECUTE p",
    "DEALLOCATE ALL",
    "DEALLOCATE PREPARE p",
    "SET search_path TO a, \"B c\", 'd'",
    "SET LOCAL x.y = -5",
    "SET SESSION statement_timeout = DEFAULT",
    "SET TIME ZONE 'UTC'",
    "SET TIME ZONE LOCAL",
    "SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE",
    "SET NAMES 'utf8'",
    "SET \"time\" TO on",
    "RESET ALL",
    "RESET x",
    "SHOW ALL",
    "SHOW TIME ZONE",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SHOW x.y",
    "COPY t (a, b) FROM 'f.csv' WITH (FORMAT csv, HEADER, DELIMITER ',', FORCE_NOT_NULL ("
    "a, b), FORCE_QUOTE *, NULL '') WHERE a > 1",
    "COPY t FROM STDIN CSV HEADER DELIMITER AS ',' QUOTE '\"' ESCAPE '\\' NULL 'x' FORCE "
    "NOT NULL a, b",
    "COPY (SELECT 1 ORDER BY 1) TO STDOUT (FORMAT arrow)",
    "COPY BINARY t TO PROGRAM 'x'",
    "CHECKPOINT",
    "CHECKPOINT FREEZE s.t",
    "ANALYZE VERBOSE t (a)",
    "ANALYZE",
    "VACUUM FULL FREEZE t",
    "VACUUM (FULL, ANALYZE false) t (a, b)",
    "SELECT interval, time, \"int\", values, row FROM t",
    "SELECT a.b.c.d, \"a.b\".c, `x y`, \"x\"\"y\" FROM \"T\".\"U\"",
    "SELECT NULL::int AS n, TRUE, FALSE, 1 AS \"select\", 2 AS from_, 3 \"from\"",
    "SELECT $1, $2 + $abc FROM t",
};

/* Printing what was parsed gives text that parses to the same tree: the plain text is the
 * same again, and so is the text that shows each operator's operands. */
TEST(parse, every_form_reads_back_as_the_same_tree)
{
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char plain[16384], parens[16384];
        snprintf(plain, sizeof plain, "%s", shown(forms[i], AST_PRINT_PLAIN));
        snprintf(parens, sizeof parens, "%s", shown(forms[i], AST_PRINT_PARENS));
        if (!CHECK(plain[0] < '0' || plain[0] > '9'))
            fprintf(stderr, "  %s\n  %s\n", forms[i], plain);
        CHECK_STR(shown(plain, AST_PRINT_PLAIN), plain);
        CHECK_STR(shown(plain, AST_PRINT_PARENS), parens);
        CHECK_STR(shown(parens, AST_PRINT_PARENS), parens);
    }
}

TEST(parse, operators_hold_as_in_postgresql)
{
    TREE("a or b and not c", "(a OR (b AND (NOT c)))");
    TREE("not a = b", "(NOT (a = b))");
    TREE("not a is null", "(NOT (a IS NULL))");
    TREE("a = b is null", "((a = b) IS NULL)");
    TREE("a is null = b", "((a IS NULL) = b)");
    TREE("a < b like c", "(a < (b LIKE c))");
    TREE("a like b < c", "((a LIKE b) < c)");
    TREE("a in (1) in (2)", "((a IN (1)) IN (2))");
    TREE("a is distinct from b = c", "(a IS DISTINCT FROM (b = c))");
    TREE("a between 1 and 2 and c", "((a BETWEEN 1 AND 2) AND c)");
    TREE("a between b = c and d", "(a BETWEEN (b = c) AND d)");
    TREE("a || b + c", "(a || (b + c))");
    TREE("a + b || c", "((a + b) || c)");
    TREE("a || b like c", "((a || b) LIKE c)");
    TREE("a -> 'b' = c", "((a -> 'b') = c)");
    TREE("a - b - c", "((a - b) - c)");
    TREE("a + b * c ^ d", "(a + (b * (c ^ d)))");
    TREE("a % b // c / d", "(((a % b) // c) / d)");
    TREE("2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)");
    TREE("2 ** 3 ** 2", "(2 ** (3 ** 2))");
    TREE("2 ** 3 ^ 2", "(2 ** (3 ^ 2))");
    TREE("2 ^ 3 ** 2", "((2 ^ 3) ** 2)");
    TREE("-a ^ 2", "((- a) ^ 2)");
    TREE("-a::int", "(- CAST(a AS int4))");
    TREE("-a[1]", "(- a[1])");
    TREE("a collate \"C\" || b", "((a COLLATE \"C\") || b)");
    TREE("-a collate b", "((- a) COLLATE b)");
    TREE("a at time zone b at time zone c", "((a AT TIME ZONE b) AT TIME ZONE c)");
    TREE("a at time zone 'x' + b", "((a AT TIME ZONE 'x') + b)");
    TREE("@ a + b", "(@ (a + b))");
    TREE("a * not b = c", "(a * (NOT (b = c)))");
    TREE("a = any (b) = c", "((a = ANY (b)) = c)");
    TREE("a <= b or c != d", "((a <= b) OR (c <> d))");
    TREE("a and b and c", "(a AND b AND c)");
    TREE("(a and b) and c", "((a AND b) AND c)");
    TREE("a operator(pg_catalog.+) b * c", "(a + (b * c))");
    TREE("a operator(pg_catalog.*) b + c", "(a * (b + c))");
}

TEST(parse, what_is_not_associative_is_an_error)
{
    TREE("a = b = c", "42601 syntax error at or near \"=\"");
    TREE("a < b > c", "42601 syntax error at or near \">\"");
    TREE("a like b like c", "42601 syntax error at or near \"like\"");
    TREE("a between 1 and 2 between 3 and 4", "42601 syntax error at or near \"between\"");
    TREE("a is distinct from b is null", "42601 syntax error at or near \"is\"");
    TREE("a = b + c = d", "42601 syntax error at or near \"=\"");
}

TEST(parse, operators_end_where_postgresql_ends_them)
{
    TREE("a=-1", "(a = -1)");
    TREE("a<-1", "(a < -1)");
    TREE("a*-1", "(a * -1)");
    TREE("a<>-b", "(a <> (- b))");
    TREE("a||-1", "(a || -1)");
    TREE("a->-1", "(a -> -1)");
    TREE("a@-b", "(a @- b)");
    TREE("a+--comment\n b", "(a + b)");
    TREE("a+/*comment /* nested */*/b", "(a + b)");
    TREE("2*/**/3", "(2 * 3)");
    TREE("- - 1", "1");
    TREE("+-1", "(+ -1)");
}

TEST(parse, literals_mean_what_they_say)
{
    TREE("'it''s'", "'it''s'");
    TREE("'a' \n 'b' -- c 'd'\n 'e'", "'abe'");
    TREE("e'\\x41\\101\\u00e9\\t\\q\\''", "'AA\xc3\xa9\tq'''");
    TREE("e'\\ud83d\\ude00'", "'\xf0\x9f\x98\x80'");
    TREE("u&'\\0041\\+000042\\\\'", "'AB\\'");
    TREE("u&'!0041' uescape '!'", "'A'");
    TREE("u&\"d!0061t\" uescape '!'", "\"dat\"");
    TREE("$$it's$$", "'it''s'");
    TREE("$a$ $b$ $$ $a$", "' $b$ $$ '");
    TREE("n'x'", "'x'");
    TREE("0xfF", "255");
    TREE("0o17", "15");
    TREE("0b1_01", "5");
    TREE("0xffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455");
    TREE("0x1ffffffffffffffffffffffffffffffff", "22003 integer literal is out of range");
    TREE("1_000.5_0", "1000.50");
    TREE("007", "7");
    TREE("99999999999999999999999999999999999999",
         "99999999999999999999999999999999999999");
    TREE("1e-3, .5, 1.", "1e-3, .5, 1.");
    TREE("b'01', x'fF'", "b'01', x'fF'");
}

TEST(parse, a_minus_belongs_to_its_number)
{
    struct arena arena = {0};
    struct err err = {0};
    struct ast_expr *e = NULL;
    const char *min = "-9223372036854775808", *beyond = "-9223372036854775809";

    if (!CHECK_EQ(sql_parse_expr(min, strlen(min), &arena, &e, &err), KDK_OK))
        return;
    CHECK_EQ(e->kind, AST_NUMBER);
    CHECK(e->number.fits);
    CHECK(e->number.value == INT64_MIN);
    CHECK_EQ(sql_parse_expr(beyond, strlen(beyond), &arena, &e, &err), KDK_OK);
    CHECK(!e->number.fits);
    CHECK_EQ(sql_parse_expr("- - 9223372036854775808", 23, &arena, &e, &err), KDK_OK);
    CHECK(!e->number.fits);
    CHECK_EQ(sql_parse_expr("-(-5)", 5, &arena, &e, &err), KDK_OK);
    CHECK(e->number.value == 5);
    arena_deinit(&arena);
}

TEST(parse, names_fold_unless_quoted)
{
    PLAIN("SELECT FooBar, \"FooBar\", `x y` FROM S.T",
          "SELECT foobar, \"FooBar\", \"x y\" FROM s.t");
    PLAIN("select a as select, b \"b\", c value",
          "SELECT a AS select, b AS \"b\", c AS value");
    PLAIN("select 1 from", "42601 syntax error at end of input");
    PLAIN("select a1234567890123456789012345678901234567890123456789012345678901234567890",
          "SELECT a12345678901234567890123456789012345678901234567890123456789012");
}

TEST(parse, syntax_of_functions_becomes_plain_calls)
{
    TREE("trim(a), trim(both from a), trim(leading 'x' from a), trim(trailing a)",
         "btrim(a), btrim(a), ltrim(a, 'x'), rtrim(a)");
    TREE("substring(a from 2 for 3), substring(a for 3)",
         "substring(a, 2, 3), substring(a, 1, 3)");
    TREE("overlay(a placing b from 2)", "overlay(a, b, 2)");
    TREE("extract(year from a)", "extract('year' FROM a)");
    TREE("position('a' in b)", "position('a' IN b)");
}

TEST(parse, types_have_one_name_each)
{
    TREE("a::int, a::character varying(3), a::char, a::double precision, a::float(24), "
         "a::dec(4,2)",
         "CAST(a AS int4), CAST(a AS varchar(3)), CAST(a AS bpchar(1)), CAST(a AS float8), "
         "CAST(a AS float4), CAST(a AS numeric(4, 2))");
    TREE("a::timestamp(3) with time zone, a::time without time zone, a::int[3][], a::text "
         "array",
         "CAST(a AS timestamptz(3)), CAST(a AS time), CAST(a AS int4[][]), CAST(a AS "
         "text[])");
    TREE("date '2020-01-01', interval '1' day",
         "CAST('2020-01-01' AS date), CAST('1' AS interval day)");
    TREE("a::float(99)", "22023 precision for type float must be less than 54 bits");
}

TEST(parse, head_clauses_stand_in_any_order)
{
    const char *usual = "SELECT a FROM t WHERE b GROUP BY a HAVING c ORDER BY a LIMIT 1";

    PLAIN("from t having c select a group by a where b order by a limit 1", usual);
    PLAIN("where b from t group by a select a having c order by a limit 1", usual);
    PLAIN("from t", "SELECT * FROM t");
    PLAIN("select * from (from t) x", "SELECT * FROM (SELECT * FROM t) AS x");
    PLAIN("where x", "42601 a query needs SELECT or FROM");
    PLAIN("select 1 from t select 2", "42601 two SELECT clauses in one query");
}

TEST(parse, joins_and_set_operations_group_as_in_postgresql)
{
    PLAIN("select * from a join b join c on x on y",
          "SELECT * FROM a JOIN (b JOIN c ON x) ON y");
    PLAIN("select * from a, b cross join c join d using (e)",
          "SELECT * FROM a, b CROSS JOIN c JOIN d USING (e)");
    CHECK_STR(shown("select 1 union select 2 intersect select 3 except all select 4",
                    AST_PRINT_PARENS),
              "(SELECT 1 UNION (SELECT 2 INTERSECT SELECT 3)) EXCEPT ALL SELECT 4");
    PLAIN("select 1 union (select 2 union select 3)",
          "SELECT 1 UNION (SELECT 2 UNION SELECT 3)");
    PLAIN("(select 1 order by 1) order by 1",
          "42601 multiple ORDER BY clauses not allowed");
    PLAIN("(select 1 limit 1) limit 1", "42601 multiple LIMIT clauses not allowed");
}

TEST(parse, what_is_not_supported_is_named)
{
    PLAIN("create trigger t", "0A000 CREATE TRIGGER is not supported");
    PLAIN("create function f() returns int as $$ select 1; $$ language sql",
          "0A000 CREATE FUNCTION is not supported");
    PLAIN("drop sequence s", "0A000 DROP SEQUENCE is not supported");
    PLAIN("grant all on t to x", "0A000 GRANT is not supported");
    PLAIN("select 1 into t", "0A000 SELECT INTO is not supported");
    PLAIN("select {x}", "0A000 interpolation is not supported yet");
    PLAIN("create widget w", "42601 syntax error at or near \"widget\"");
    PLAIN("frobnicate", "42601 syntax error at or near \"frobnicate\"");
}

/* The last bytes of a text without a NUL, one shorter each time: no prefix of any form may
 * crash or read past its end. */
TEST(parse, every_prefix_of_every_form_ends_cleanly)
{
    char prefix[4096];

    for (size_t i = 0; i < COUNT_OF(forms); i++)
        for (size_t n = 0; n < strlen(forms[i]) && n < sizeof prefix - 1; n += 1 + n / 64) {
            memcpy(prefix, forms[i], n);
            prefix[n] = 0;
            CHECK(shown(prefix, AST_PRINT_PLAIN) != NULL);
        }
}

TEST(parse, a_failed_allocation_is_an_error_and_no_leak)
{
    struct mem_stats before, after;

    mem_stats(&before);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        kdk_status status = KDK_NOMEM;
        for (uint64_t skip = 0; status == KDK_NOMEM && skip < 100; skip++) {
            struct arena arena = {0};
            struct ast_list list = {0};
            struct buf out = {0};
            struct err err = {0};
            mem_fail_after(skip, false);
            status = sql_parse(forms[i], strlen(forms[i]), &arena, &list, &err);
            if (status == KDK_OK && list.count)
                status = ast_print_stmt(list.items[0], AST_PRINT_PLAIN, &out, &err);
            mem_fail_never();
            CHECK_EQ(status, err.status);
            buf_deinit(&out);
            arena_deinit(&arena);
        }
        CHECK_EQ(status, KDK_OK);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
}
