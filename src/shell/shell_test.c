/* Formats, messages, and input that arrives in pieces. What needs a database is in
 * test/shell. */
#include "shell/shell.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"

#define TEXT(S)   ((struct cell){KDK_KIND_TEXT, (S), strlen(S)})
#define NUMBER(S) ((struct cell){KDK_KIND_INT, (S), strlen(S)})
#define NOTHING   ((struct cell){KDK_KIND_NULL, NULL, 0})

/* What a writer makes of rows of two columns; the caller frees. */
static char *written(enum format format, const char *null, const struct cell *cells,
                     size_t rows)
{
    struct look look = {format, null, true};
    struct column columns[] = {{"n", true}, {"text", false}};
    struct writer w = {0};
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(writer_begin(&w, &look, to, columns, 2));
    for (size_t r = 0; r < rows; r++)
        CHECK(writer_row(&w, cells + 2 * r));
    CHECK(writer_end(&w));
    writer_deinit(&w);
    fclose(to);
    return text;
}

static void check_written(enum format format, const char *null, const struct cell *cells,
                          size_t rows, const char *want)
{
    char *got = written(format, null, cells, rows);
    CHECK_STR(got, want);
    free(got);
}

TEST(shell, csv_quotes_what_copy_would_misread)
{
    const struct cell cells[] = {NUMBER("1"),  TEXT("a,b"),       NOTHING,     TEXT(""),
                                 NUMBER("-2"), TEXT("say \"x\""), NUMBER("3"), TEXT("a\r"),
                                 NUMBER("4"),  TEXT("~"),         NUMBER("5"), TEXT("\\.")};
    check_written(
        FORMAT_CSV, NULL, cells, 6,
        "n,text\n1,\"a,b\"\n,\"\"\n-2,\"say \"\"x\"\"\"\n3,\"a\r\"\n4,~\n5,\\.\n");
    check_written(FORMAT_CSV, "~", cells + 6, 2, "n,text\n3,\"a\r\"\n4,\"~\"\n");
}

TEST(shell, json_keeps_digits_and_escapes)
{
    const struct cell cells[] = {{KDK_KIND_NUMERIC, "12345678901234567890.10", 23},
                                 TEXT("a\"\\\n\x01"),
                                 {KDK_KIND_DOUBLE, "NaN", 3},
                                 NOTHING,
                                 {KDK_KIND_BOOL, "t", 1},
                                 {KDK_KIND_BOOL, "f", 1}};
    check_written(FORMAT_JSON, NULL, cells, 3,
                  "[{\"n\":12345678901234567890.10,\"text\":\"a\\\"\\\\\\n\\u0001\"},\n "
                  "{\"n\":\"NaN\",\"text\":null},\n"
                  " {\"n\":true,\"text\":false}]\n");
    check_written(FORMAT_JSON, NULL, NULL, 0, "[]\n");
    check_written(FORMAT_JSONL, NULL, cells + 2, 1, "{\"n\":\"NaN\",\"text\":null}\n");
}

TEST(shell, table_aligns_by_display_width)
{
    const struct cell cells[] = {NUMBER("1"),       TEXT("日本"), NUMBER("200"),
                                 TEXT("e\xcc\x81"), NOTHING,      TEXT("a\nlong")};
    check_written(FORMAT_TABLE, NULL, cells, 3,
                  "  n   | text\n------+------\n    1 | 日本\n  200 | e\xcc\x81\n NULL | a "
                  "  +\n      | long\n(3 rows)\n\n");
    check_written(FORMAT_TABLE, NULL, NULL, 0, " n | text\n---+------\n(0 rows)\n\n");
}

/* Widths are those of the rows held; a wider value later moves its line alone. */
TEST(shell, table_streams_after_its_first_rows)
{
    enum { ROWS = 1500 };
    struct cell *cells = mem_alloc(sizeof *cells * 2 * ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        cells[2 * r] = NUMBER(r == ROWS - 1 ? "123456789" : "7");
        cells[2 * r + 1] = TEXT("x");
    }
    char *got = written(FORMAT_TABLE, NULL, cells, ROWS);
    CHECK(strncmp(got, " n | text\n---+------\n 7 | x\n", 28) == 0);
    CHECK(strstr(got, "\n 123456789 | x\n(1500 rows)\n") != NULL);
    free(got);
    mem_free(cells);
}

TEST(shell, line_and_markdown)
{
    const struct cell cells[] = {NUMBER("1"), TEXT("a|b\nc"), NUMBER("2"), NOTHING};
    check_written(FORMAT_LINE, "-", cells + 2, 1, "   n = 2\ntext = -\n");
    check_written(FORMAT_MARKDOWN, NULL, cells, 2,
                  "| n | text |\n| ---: | --- |\n| 1 | a\\|b<br>c |\n| 2 |  |\n");
}

TEST(shell, writers_report_that_memory_is_out)
{
    const struct cell cells[] = {NUMBER("1"), TEXT("x")};
    struct column columns[] = {{"n", true}, {"text", false}};
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    bool ok = false;
    for (uint64_t skip = 0; !ok; skip++) {
        struct writer w = {0};
        mem_fail_after(skip, false);
        ok = writer_begin(&w, &(struct look){FORMAT_TABLE, NULL, true}, to, columns, 2) &&
             writer_row(&w, cells) && writer_end(&w);
        (void)mem_fail_never();
        writer_deinit(&w);
        if (!CHECK(skip < 100))
            break;
    }
    fclose(to);
    free(text);
}

static void check_message(uint32_t line, uint32_t column, const char *sql, const char *want)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    struct message m = {.severity = "ERROR",
                        .sqlstate = "42601",
                        .text = "bad",
                        .hint = "try",
                        .context = "a\nb",
                        .line = line,
                        .column = column};
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    message_print(to, &m, sql, strlen(sql));
    fclose(to);
    CHECK_STR(text, want);
    free(text);
}

TEST(shell, messages_point_at_the_column)
{
#define TAIL "HINT: try\nCONTEXT: a\nCONTEXT: b\n"
    check_message(0, 0, "x", "ERROR 42601: bad\n" TAIL);
    check_message(1, 3, "a b", "ERROR 42601: bad\nLINE 1: a b\n          ^\n" TAIL);
    check_message(2, 5, "a\n\t日é b\r\nc",
                  "ERROR 42601: bad\nLINE 2: \t日é b\n        \t    ^\n" TAIL);
    /* Places that are not there do no harm. */
    check_message(9, 9, "a", "ERROR 42601: bad\nLINE 9: \n        ^\n" TAIL);
    check_message(1, 99, "ab", "ERROR 42601: bad\nLINE 1: ab\n          ^\n" TAIL);
#undef TAIL
}

/* All that an input gives, each in brackets: s for statements, d for dot commands. */
static void drain(struct input *in, struct buf *out)
{
    const char *text;
    size_t bytes;
    uint64_t line;
    for (;;) {
        enum input_kind kind = input_next(in, &text, &bytes, &line);
        if (kind != INPUT_STATEMENT && kind != INPUT_DOT) {
            CHECK_EQ(kind, INPUT_END);
            return;
        }
        (void)buf_printf(out, "%c%llu[%.*s]", kind == INPUT_DOT ? 'd' : 's',
                         (unsigned long long)line, (int)bytes, text);
        if (kind == INPUT_STATEMENT && bytes >= 5 && memcmp(text, "copy;", 5) == 0) {
            char data[7];
            int64_t n;
            (void)buf_add_char(out, '<');
            while ((n = input_data(in, data, sizeof data)) > 0)
                (void)buf_add(out, data, (size_t)n);
            CHECK_EQ(n, 0);
            (void)buf_add_char(out, '>');
        }
        input_data_end(in);
    }
}

TEST(shell, input_is_cut_into_statements)
{
    static const char script[] = "-- first\n select 1; select\n';';; .mode csv\n\n-- "
                                 "c\n.quit x\nselect $$;$$ /* ; */ + 2;\nlast";
    struct input in;
    struct buf got = {0};
    input_of_text(&in, NULL, script, sizeof script - 1);
    drain(&in, &got);
    CHECK_STR(got.data, "s2[select 1;]s2[select\n';';]d3[.mode csv]d6[.quit x]s7[select "
                        "$$;$$ /* ; */ + 2;]s8[last]");
    buf_deinit(&got);
    input_deinit(&in);
}

/* A pipe whose writer sends the script in pieces of every size gives the same. */
TEST(shell, input_in_pieces)
{
    static const char script[] = "select 'a;b';\n.dot\ncopy; select "
                                 "2;\n1\\.\n\\.x\n\\N\n\\.\nselect 3;\ncopy;\nrest\n\\.";
    static const char want[] =
        "s1[select 'a;b';]d2[.dot]s3[copy;]<1\\.\n\\.x\n\\N\n>s7[select 2;]s8[select "
        "3;]s9[copy;]<rest\n>";
    for (size_t piece = 1; piece < sizeof script; piece++) {
        struct buf got = {0};
        struct input in;
        int ends[2];
        if (!CHECK(pipe(ends) == 0))
            return;
        /* The pipe holds it all; the input is made to see it in pieces by a text that
         * grows. */
        input_of_fd(&in, NULL, ends[0]);
        (void)buf_add(&in.text, script, piece);
        CHECK_EQ(write(ends[1], script + piece, sizeof script - 1 - piece),
                 sizeof script - 1 - piece);
        close(ends[1]);
        drain(&in, &got);
        CHECK_STR(got.data, want);
        buf_deinit(&got);
        input_deinit(&in);
        close(ends[0]);
    }
}

TEST(shell, names_are_quoted_when_they_must_be)
{
    struct buf got = {0};
    static const char *const names[] = {"plain_1", "Upper", "select", "a b",
                                        "q\"q",    "1st",   "größe"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        add_name(&got, names[i]);
        (void)buf_add_char(&got, ' ');
    }
    CHECK_STR(got.data,
              "plain_1 \"Upper\" \"select\" \"a b\" \"q\"\"q\" \"1st\" \"größe\" ");
    buf_deinit(&got);
}

TEST(shell, numbers_are_known_by_their_types)
{
    CHECK(type_is_number("numeric(10,2)"));
    CHECK(type_is_number("double precision"));
    CHECK(!type_is_number("text"));
    CHECK(!type_is_number("integer[]"));
}
