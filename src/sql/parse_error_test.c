#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check.h"
#include "sql/keywords.h"
#include "sql/lexer.h"
#include "sql/parse.h"

static kdk_status parse(const char *text, size_t bytes, struct err *err)
{
    struct arena arena = {0};
    struct ast_list list = {0};
    kdk_status status;

    *err = (struct err){0};
    status = sql_parse(text, bytes, &arena, &list, err);
    arena_deinit(&arena);
    return status;
}

static void check_error(const char *text, const char *sqlstate, int position,
                        const char *message)
{
    struct err err;

    (void)parse(text, strlen(text), &err);
    if (!CHECK_STR(status_sqlstate(err.status), sqlstate) ||
        !CHECK_EQ(err.position, position) || !CHECK_STR(err.message, message))
        fprintf(stderr, "  %s\n", text);
}

TEST(parse_error, tells_where)
{
    check_error("selec 1", "42601", 1, "syntax error at or near \"selec\"");
    check_error("select 1 +", "42601", 11, "syntax error at end of input");
    check_error("select 1;\nselect a fro m", "42601", 24, "syntax error at or near \"m\"");
    check_error("select 'abc", "42601", 8,
                "unterminated quoted string at or near \"'abc\"");
    check_error("select \"abc", "42601", 8,
                "unterminated quoted identifier at or near \"\"abc\"");
    check_error("select /* x /* */", "42601", 8,
                "unterminated /* comment at or near \"/* x /* */\"");
    check_error("select $a$ $b$", "42601", 8,
                "unterminated dollar-quoted string at or near \"$a$ $b$\"");
    check_error("select 12ab", "42601", 8,
                "trailing junk after numeric literal at or near \"12a\"");
    check_error("select 0x", "42601", 8, "invalid integer literal at or near \"0x\"");
    check_error("select $1a", "42601", 8,
                "trailing junk after parameter at or near \"$1a\"");
    check_error("select \"\"", "42601", 8,
                "zero-length delimited identifier at or near \"\"\"\"");
    check_error("select $0", "42P02", 8, "there is no parameter $0");
    check_error("select $65536", "42P02", 8, "there is no parameter $65536");
    check_error("select ?, $1", "42601", 11, "parameters ? and $1 cannot be mixed");
    check_error("select a from t limit 1, 2", "42601", 24,
                "LIMIT #,# syntax is not supported");
    check_error("select b'012'", "22P02", 8, "\"2\" is not a valid binary digit");
    check_error("create table t (a int,)", "42601", 23, "syntax error at or near \")\"");
    check_error("insert into t values", "42601", 21, "syntax error at end of input");
}

TEST(parse_error, bad_escapes_and_bytes)
{
    struct err err;

    check_error("select e'\\u12'", "22025", 12, "invalid Unicode escape");
    check_error("select e'\\ud800'", "42601", 16, "invalid Unicode surrogate pair");
    check_error("select e'\\ud800x'", "42601", 16, "invalid Unicode surrogate pair");
    check_error("select e'\\000'", "22021", 8,
                "invalid byte sequence for encoding \"UTF8\": 0x00");
    check_error("select e'\\xff'", "22021", 8,
                "invalid byte sequence for encoding \"UTF8\": 0xff");
    check_error("select '\xff'", "22021", 9,
                "invalid byte sequence for encoding \"UTF8\": 0xff");
    CHECK_EQ(parse("select \0 1", 10, &err), KDK_BAD_ENCODING);
    CHECK_EQ(err.position, 8);
}

TEST(parse_error, a_second_clause_names_both_places)
{
    struct err err;
    const char *text = "select a\nfrom t\nwhere b\nfrom u";

    CHECK_EQ(parse(text, strlen(text), &err), KDK_SYNTAX);
    CHECK_STR(err.message, "two FROM clauses in one query");
    CHECK_STR(err.detail, "The first is at line 2, column 1.");
    CHECK_EQ(err.position, 25);
}

/* `head` + count times `middle` + `last` + count times `tail`. */
static kdk_status parse_nested(const char *head, const char *middle, const char *last,
                               const char *tail, size_t count, struct err *err)
{
    struct buf text = {0};
    kdk_status status;

    buf_add_str(&text, head);
    for (size_t i = 0; i < count; i++)
        buf_add_str(&text, middle);
    buf_add_str(&text, last);
    for (size_t i = 0; i < count; i++)
        buf_add_str(&text, tail);
    status = parse(text.data, text.len, err);
    buf_deinit(&text);
    return status;
}

/* Each way in which the grammar can nest or grow to one side: a hundred levels pass, a
 * hundred thousand are 54001, and neither runs out of stack. */
TEST(parse_error, depth_is_limited_on_every_path)
{
    static const char *const ways[][4] = {
        {"select ", "(", "1", ")"},
        {"select ", "- ", "a", ""},
        {"select ", "not ", "a", ""},
        {"select ", "@ ", "a", ""},
        {"select ", "a + ", "1", ""},
        {"select ", "2 ** ", "1", ""},
        {"select a", "::int", "", ""},
        {"select a", "[1]", "", ""},
        {"select (a)", ".b", "", ""},
        {"select a", " is null", "", ""},
        {"select a", " in (1)", "", ""},
        {"select a", " collate b", "", ""},
        {"select a", " at time zone b", "", ""},
        {"select ", "f(", "1", ")"},
        {"select ", "f(a => ", "1", ")"},
        {"select ", "case when a then ", "1", " end"},
        {"select ", "cast(", "1", " as int)"},
        {"select ", "array[", "1", "]"},
        {"select array", "[", "1", "]"},
        {"select ", "(select ", "1", ")"},
        {"select ", "exists (select ", "1", ")"},
        {"select ", "a in (", "1", ")"},
        {"select ", "a = any (", "b", ")"},
        {"select ", "a between (", "b", ") and c"},
        {"select ", "row(", "1", ")"},
        {"select 1", " union select 1", "", ""},
        {"select 1", " intersect select 1", "", ""},
        {"", "(", "select 1", ")"},
        {"", "(select 1 union ", "select 1", ")"},
        {"select * from ", "(", "a cross join b", ")"},
        {"select * from a", " cross join b", "", ""},
        {"select * from a", " join b on c", "", ""},
        {"select * from a", " join b", "", " on c"},
        {"select * from ", "(select * from ", "a", ") x"},
        {"", "with x as (", "select 1", ") select 1"},
        {"select a group by ", "grouping sets (", "a", ")"},
        {"select a::", "numeric(b::", "int", ")"},
        {"", "explain ", "select 1", ""},
        {"", "prepare p as ", "select 1", ""},
    };
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct err err;
        const char *const *w = ways[i];
        kdk_status status = parse_nested(w[0], w[1], w[2], w[3], 100, &err);
        if (strcmp(w[1], "prepare p as ") == 0)
            CHECK_EQ(status, KDK_SYNTAX);
        else if (strcmp(w[1], "explain ") == 0)
            CHECK_EQ(status, KDK_SYNTAX);
        else if (!CHECK_EQ(status, KDK_OK))
            fprintf(stderr, "  %s%s: %s\n", w[0], w[1], err.message);
        if (!CHECK_EQ(parse_nested(w[0], w[1], w[2], w[3], 100000, &err), KDK_TOO_COMPLEX))
            fprintf(stderr, "  %s%s: %s\n", w[0], w[1], err.message);
    }
}

/* AND, OR and lists grow to the side, not down. */
TEST(parse_error, long_lists_are_not_deep)
{
    struct err err;

    CHECK_EQ(parse_nested("select a", " or b", "", "", 50000, &err), KDK_OK);
    CHECK_EQ(parse_nested("select a", " and b = 1", "", "", 50000, &err), KDK_OK);
    CHECK_EQ(parse_nested("select a", ", b", "", "", 50000, &err), KDK_OK);
    CHECK_EQ(parse_nested("values (1)", ", (1, 'a')", "", "", 50000, &err), KDK_OK);
    CHECK_EQ(parse_nested("select a in (1", ", 2", ")", "", 50000, &err), KDK_OK);
    CHECK_EQ(parse_nested("select 1", ";", "select 2", ";", 50000, &err), KDK_OK);
}

TEST(parse_error, keywords_are_sorted_and_found_in_any_case)
{
    for (unsigned i = 1; i < KW_COUNT; i++) {
        const struct keyword_info *k = &keyword_info[i];
        char upper[32];
        if (i > 1)
            CHECK(strcmp(keyword_info[i - 1].text, k->text) < 0);
        for (size_t c = 0; c <= k->bytes; c++)
            upper[c] = (char)(k->text[c] >= 'a' && k->text[c] <= 'z' ? k->text[c] - 32
                                                                     : k->text[c]);
        CHECK_EQ(keyword_find(k->text, k->bytes), i);
        CHECK_EQ(keyword_find(upper, k->bytes), i);
        CHECK_EQ(keyword_find(k->text, k->bytes - 1u) == i, 0);
    }
    CHECK_EQ(keyword_find("", 0), KW_0);
    CHECK_EQ(keyword_find("zzzz", 4), KW_0);
}

static void check_split(const char *text, size_t from, enum sql_split want, size_t start,
                        size_t end, char open)
{
    struct sql_extent extent;
    size_t bytes = strlen(text);
    char *exact = malloc(bytes ? bytes : 1);

    memcpy(exact, text, bytes);
    if (!CHECK_EQ(sql_split(exact, bytes, from, &extent), want) ||
        !CHECK_EQ(extent.start, start) || !CHECK_EQ(extent.end, end) ||
        !CHECK_EQ(extent.open, open))
        fprintf(stderr, "  %s\n", text);
    free(exact);
}

TEST(parse_error, statements_are_split_at_semicolons_outside_of_literals)
{
    check_split("", 0, SQL_SPLIT_EMPTY, 0, 0, 0);
    check_split("  -- x\n /* ; */ ", 0, SQL_SPLIT_EMPTY, 16, 16, 0);
    check_split(" ;; ", 0, SQL_SPLIT_EMPTY, 4, 4, 0);
    check_split("select 1; select 2;", 0, SQL_SPLIT_STATEMENT, 0, 9, 0);
    check_split("select 1; select 2;", 9, SQL_SPLIT_STATEMENT, 10, 19, 0);
    check_split("select 1; select 2;", 19, SQL_SPLIT_EMPTY, 19, 19, 0);
    check_split("select ';' \";\" -- ;\n ; x", 0, SQL_SPLIT_STATEMENT, 0, 22, 0);
    check_split("select $$;$$;", 0, SQL_SPLIT_STATEMENT, 0, 13, 0);
    check_split("select 1", 0, SQL_SPLIT_INCOMPLETE, 0, 8, 0);
    check_split("select '1;", 0, SQL_SPLIT_OPEN, 0, 10, '\'');
    check_split("select \"1;", 0, SQL_SPLIT_OPEN, 0, 10, '"');
    check_split("select `1;", 0, SQL_SPLIT_OPEN, 0, 10, '`');
    check_split("select $a$1;", 0, SQL_SPLIT_OPEN, 0, 12, '$');
    check_split("select /* 1;", 0, SQL_SPLIT_OPEN, 0, 12, '*');
    check_split("select 1a {; y", 0, SQL_SPLIT_STATEMENT, 0, 12, 0);
}

/* The statements of a script, run one by one, have positions in the whole text by adding
 * the start. */
TEST(parse_error, positions_in_a_script)
{
    const char *script = "select 1;\n\nselect\n  2 +;\n";
    struct sql_extent extent;
    struct err err;
    size_t from = 0;

    CHECK_EQ(sql_split(script, strlen(script), from, &extent), SQL_SPLIT_STATEMENT);
    CHECK_EQ(parse(script + extent.start, extent.end - extent.start, &err), KDK_OK);
    CHECK_EQ(sql_split(script, strlen(script), extent.end, &extent), SQL_SPLIT_STATEMENT);
    CHECK_EQ(parse(script + extent.start, extent.end - extent.start, &err), KDK_SYNTAX);
    CHECK_EQ(script[(size_t)err.position - 1 + extent.start], ';');
}
