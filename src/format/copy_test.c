/* copy_test.c - COPY against what PostgreSQL makes of the same bytes. */
#include "base/mem.h"
#include "base/utf8.h"
#include "check.h"
#include "format/session_test.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------- the corpus ---- */

/* As much JSON as the corpus has: objects, arrays, strings, null. */
struct json {
    char kind; /* '{' '[' '"' 'n' */
    char *key, *text;
    struct json *first, *next;
};
struct parser {
    const char *at;
    struct arena *arena;
};
static void skip(struct parser *p)
{
    while (*p->at && strchr(" \t\r\n,:", *p->at))
        p->at++;
}
static char *string(struct parser *p)
{
    struct buf out = {0};
    char encoded[4], *text;
    for (p->at++; *p->at && *p->at != '"'; p->at++) {
        if (*p->at != '\\') {
            CHECK_EQ(buf_add_char(&out, *p->at), KDK_OK);
            continue;
        }
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        const char c = *++p->at, *found = strchr(from, c);
        if (c == 'u') {
            uint32_t code = (uint32_t)strtoul(
                (char[]){p->at[1], p->at[2], p->at[3], p->at[4], 0}, NULL, 16);
            p->at += 4;
            if (code >= 0xd800 && code < 0xdc00) {
                code = 0x10000 + ((code - 0xd800) << 10) +
                       ((uint32_t)strtoul(
                            (char[]){p->at[3], p->at[4], p->at[5], p->at[6], 0}, NULL, 16) -
                        0xdc00);
                p->at += 6;
            }
            CHECK_EQ(buf_add(&out, encoded, utf8_encode(code, encoded)), KDK_OK);
        } else {
            CHECK_EQ(buf_add_char(&out, found ? to[found - from] : c), KDK_OK);
        }
    }
    p->at += *p->at == '"';
    text = arena_strndup(p->arena, out.data ? out.data : "", out.len);
    buf_deinit(&out);
    return text;
}
static struct json *parse(struct parser *p)
{
    struct json *j = ARENA_NEW(p->arena, struct json), **link = &j->first;
    skip(p);
    j->kind = *p->at;
    if (j->kind == '"') {
        j->text = string(p);
    } else if (j->kind == '{' || j->kind == '[') {
        const char close = j->kind == '{' ? '}' : ']';
        p->at++;
        for (skip(p); *p->at && *p->at != close; skip(p)) {
            char *key = close == '}' ? string(p) : NULL;
            *link = parse(p);
            (*link)->key = key;
            link = &(*link)->next;
        }
        p->at++;
    } else {
        while (*p->at && !strchr(",]} \n", *p->at))
            p->at++;
    }
    return j;
}
static struct json *get(const struct json *j, const char *key)
{
    for (struct json *i = j->first; i; i = i->next)
        if (strcmp(i->key, key) == 0)
            return i;
    return NULL;
}

static char *load(struct arena *arena, const char *path, size_t *bytes)
{
    struct os_file *file = NULL;
    uint64_t size = 0;
    char *text = NULL;
    *bytes = 0;
    if (!CHECK_EQ(os_open(os_real(), path, OS_READ, &file, NULL), KDK_OK) ||
        !CHECK_EQ(os_size(file, &size, NULL), KDK_OK))
        return NULL;
    text = arena_zalloc(arena, (size_t)size + 1);
    CHECK_EQ(os_read(file, 0, text, (size_t)size, bytes, NULL), KDK_OK);
    os_close(file);
    return text;
}

/* The rows that JSON has, as session_rows() writes them. */
static char *rows_of(const struct json *rows, struct arena *arena)
{
    struct buf out = {0};
    for (struct json *row = rows->first; row; row = row->next) {
        for (struct json *v = row->first; v; v = v->next) {
            CHECK_EQ(buf_add_str(&out, v == row->first ? "" : "|"), KDK_OK);
            CHECK_EQ(buf_add_str(&out, v->kind == '"' ? v->text : "NULL"), KDK_OK);
        }
        CHECK_EQ(buf_add_char(&out, '\n'), KDK_OK);
    }
    char *text = arena_strndup(arena, out.data ? out.data : "", out.len);
    buf_deinit(&out);
    return text;
}

struct corpus {
    uint32_t cases;
};

static kdk_status copy_case(void *context, const char *name, struct err *err)
{
    struct corpus *corpus = context;
    struct arena own = {0}, *arena = &own;
    struct session s;
    size_t bytes;
    const size_t n = strlen(name);
    (void)err;
    if (n < 5 || strcmp(name + n - 5, ".json") != 0)
        return KDK_OK;
    session_open(&s, os_real());
    char *text = load(
        arena, arena_printf(arena, KDK_SOURCE_DIR "/test/data/csv/copy/%s", name), &bytes);
    if (!text)
        return KDK_OK;
    struct json *j = parse(&(struct parser){text, arena});
    const char *file = arena_printf(arena, KDK_SOURCE_DIR "/test/data/csv/copy/%.*s.csv",
                                    (int)n - 5, name);
    const char *columns = get(j, "columns")->text, *copy = get(j, "copy")->text,
               *at = strstr(copy, "FILE");
    char *create = arena_printf(arena, "create table t (%s)", columns);
    kdk_status status = session_run(&s, create);
    corpus->cases++;
    if (strncmp(name, "43-", 3) == 0) { /* INTERVAL is not there yet. */
        CHECK_EQ(status, KDK_UNSUPPORTED);
        arena_deinit(&own);
        session_close(&s);
        return KDK_OK;
    }
    CHECK_EQ(status, KDK_OK);
    char *from_file =
        arena_printf(arena, "%.*s'%s'%s", (int)(at - copy), copy, file, at + 4);
    char *from_stdin = arena_printf(arena, "%.*sSTDIN%s", (int)(at - copy), copy, at + 4);
    char *data = load(arena, file, &bytes);
    if (strncmp(name, "45-", 3) == 0) { /* A NUMERIC without precision is one of (38,10). */
        session_fails(
            &s, from_file, KDK_OUT_OF_RANGE,
            "COPY t, line 1, column b: \"123456789012345678901234567890.123456789\"");
        arena_deinit(&own);
        session_close(&s);
        return KDK_OK;
    }
    const struct json *error = get(j, "error");
    char *want = error ? "" : rows_of(get(j, "rows"), arena);
    /* From the file; from the host at once, byte by byte, and in odd pieces. */
    static const size_t steps[] = {0, 0, 1, 7};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        session_in(&s, data, bytes);
        s.in_step = steps[i];
        status = session_run(&s, i ? from_stdin : from_file);
        if (error) {
            if (!CHECK_STR(status_sqlstate(status), error->text))
                CHECK_STR(name, s.err.message);
        } else if (!CHECK_EQ(status, KDK_OK)) {
            CHECK_STR(name, s.err.message);
        }
        session_do(&s, "select * from t");
        if (!CHECK_STR(s.rows.data && s.rows.len ? s.rows.data : "", want))
            CHECK_STR(name, "");
        if (!error && i == 0) { /* Out and in again, in each format. */
            static const char *const forms[] = {"format csv", "format text",
                                                "format csv, force_quote *, delimiter ';', "
                                                "escape '\\', header, null 'none'",
                                                "format arrow"};
            for (size_t k = 0; k < COUNT_OF(forms); k++) {
                session_do(&s, arena_printf(arena, "create table u (%s)", columns));
                buf_clear(&s.out);
                session_do(&s, arena_printf(arena, "copy t to stdout with (%s)", forms[k]));
                struct buf copy_of = s.out;
                s.out = (struct buf){0};
                session_in(&s, copy_of.data, copy_of.len);
                session_do(&s, arena_printf(arena, "copy u from stdin with (%s)",
                                            k == 2 ? "format csv, delimiter ';', escape "
                                                     "'\\', header match, null 'none'"
                                                   : forms[k]));
                session_do(&s, "select * from u");
                if (!CHECK_STR(s.rows.data && s.rows.len ? s.rows.data : "", want))
                    CHECK_STR(name, forms[k]);
                session_do(&s, "drop table u");
                buf_deinit(&copy_of);
            }
        }
        session_do(&s, "drop table t");
        session_do(&s, create);
    }
    arena_deinit(&own);
    session_close(&s);
    return KDK_OK;
}

TEST(copy, does_what_postgresql_does_with_every_file_of_the_corpus)
{
    struct corpus corpus = {0};
    struct err err = {0};
    CHECK_EQ(
        os_list(os_real(), KDK_SOURCE_DIR "/test/data/csv/copy", copy_case, &corpus, &err),
        KDK_OK);
    CHECK_EQ(corpus.cases, 87);
}

static kdk_status spectrum_case(void *context, const char *name, struct err *err)
{
    struct corpus *corpus = context;
    struct arena own = {0}, *arena = &own;
    struct session s;
    size_t bytes;
    const size_t n = strlen(name);
    (void)err;
    if (n < 5 || strcmp(name + n - 5, ".json") != 0)
        return KDK_OK;
    session_open(&s, os_real());
    char *text =
        load(arena, arena_printf(arena, KDK_SOURCE_DIR "/test/data/csv/spectrum/%s", name),
             &bytes);
    if (!text)
        return KDK_OK;
    struct json *j = parse(&(struct parser){text, arena});
    struct buf columns = {0};
    for (struct json *v = j->first->first; v; v = v->next)
        CHECK_EQ(
            buf_printf(&columns, "%s\"%s\" text", v == j->first->first ? "" : ", ", v->key),
            KDK_OK);
    session_do(&s, arena_printf(arena, "create table t (%s)", columns.data));
    session_do(&s, arena_printf(arena,
                                "copy t from '" KDK_SOURCE_DIR
                                "/test/data/csv/spectrum/%.*s.csv' with (format csv, "
                                "header match, force_not_null (%s))",
                                (int)n - 5, name, j->first->first->key));
    session_do(&s, "select * from t");
    /* NULL stands for empty text in the JSON. */
    struct buf want = {0};
    for (struct json *row = j->first; row; row = row->next) {
        for (struct json *v = row->first; v; v = v->next) {
            CHECK_EQ(buf_add_str(&want, v == row->first ? "" : "|"), KDK_OK);
            for (const char *at = v->text; *at; at++)
                if (*at != '\r')
                    CHECK_EQ(buf_add_char(&want, *at), KDK_OK);
        }
        CHECK_EQ(buf_add_char(&want, '\n'), KDK_OK);
    }
    struct buf got = {0}; /* NULL as empty; line ends as the JSON has them. */
    for (const char *at = s.rows.data; at && *at;) {
        if (strncmp(at, "NULL", 4) == 0)
            at += 4;
        else if (*at == '\r')
            at++;
        else if (CHECK_EQ(buf_add_char(&got, *at), KDK_OK))
            at++;
    }
    if (!CHECK_STR(got.data ? got.data : "", want.data ? want.data : ""))
        CHECK_STR(name, "");
    corpus->cases++;
    buf_deinit(&want);
    buf_deinit(&got);
    buf_deinit(&columns);
    arena_deinit(&own);
    session_close(&s);
    return KDK_OK;
}

TEST(copy, reads_the_csv_spectrum)
{
    struct corpus corpus = {0};
    struct err err = {0};
    CHECK_EQ(os_list(os_real(), KDK_SOURCE_DIR "/test/data/csv/spectrum", spectrum_case,
                     &corpus, &err),
             KDK_OK);
    CHECK_EQ(corpus.cases, 11);
}
