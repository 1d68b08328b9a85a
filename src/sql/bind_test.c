/* bind_test.c - the binder over a small catalog: what each statement becomes, or how it is
 * refused. */
#include "sql/bind_test.h"

#include <stdio.h>

#include "check.h"

static const char setup[] =
    "create table t (a integer primary key, b text not null default 'x', c numeric(10,2) "
    "check (c > 0), d date, e bigint unique, check (a < e));"
    "create table u (a integer, x double precision, v varchar(5), unique (a, x));"
    "create view v as select t.*, u.x from t, u where t.a = u.a;"
    "create index t_d on t (d);"
    "create schema s;"
    "create table s.t (q text);"
    "create view s.w as select count(*) as n from v";

static const struct catver *catalog(const char *text)
{
    const struct catver *version = NULL;
    struct catver_builder *b = NULL;
    struct err err = {0};
    uint32_t next_id = 100;
    bool ok = CHECK_EQ(catver_builder_new(NULL, &b, &err), KDK_OK) &&
              CHECK_EQ(catver_build(b, 1, &version, &err), KDK_OK) &&
              CHECK_EQ(test_run(&version, text, strlen(text), &next_id, &err), KDK_OK);
    if (!ok)
        printf("    %s\n", err.message);
    catver_builder_free(b);
    return version;
}

/* Trees as bound_print() writes them; see bind_test.h for errors. */
static const struct {
    const char *sql, *want;
} cases[] = {
#include "bind_cases.inc"
};

TEST(bind, statements)
{
    const struct catver *version = catalog(setup);
    for (size_t i = 0; version && i < COUNT_OF(cases); i++) {
        struct buf got = {0};
        test_render(version, cases[i].sql, &got);
        if (!CHECK_STR(got.data ? got.data : "", cases[i].want))
            printf("    %s\n", cases[i].sql);
        buf_deinit(&got);
    }
    catver_unref(version);
}

TEST(bind, runs_out_of_memory_cleanly)
{
    static const char *const statements[] = {
        "with r as (select a, count(*) as n from t group by a), q as materialized (select "
        "* from r) "
        "select distinct r.a, (select max(x) from u where u.a = r.a) as m from r join q "
        "using (a) left join v on v.a = r.a "
        "where r.a in (select a from u) and r.n between 1 and 5 or exists (select 1 from u "
        "where x > r.n) order by m desc, 1 limit 3",
        "select 1, '2' union select 2.5, null intersect values (3, 'x') order by 1",
        "insert into t values ($1, default, 2, '2020-01-01', 7), (2, 'b', $2, null, 8) "
        "returning *",
        "update t set (b, c) = (select v, x from u where u.a = t.a), e = e + 1 from u "
        "where t.a = u.a returning u.*, t.b",
        "create table z (a int primary key, b text default upper('x'), c numeric check (c "
        "> a), unique (a, b), d int not null unique)",
        "create view z as select *, 1 as one from (select a.b as bb, u.* from t a join u "
        "using (a)) q",
        "alter table t add column z int default 5 not null check (z > 1) unique, add check "
        "(z < a), drop constraint t_check",
        "drop table t cascade",
        "drop schema s cascade",
        "copy t (c, a) from 'x.csv' (format csv, force_null (c), header) where a > 5",
        "select random() between 0.1 and 0.5, case random() when 1 then 2 end",
        "select nosuch, t.x from t",
    };
    const struct catver *version = catalog(setup);
    struct mem_stats before, after;
    mem_stats(&before);
    for (size_t i = 0; version && i < COUNT_OF(statements); i++) {
        struct err parse_err = {0};
        struct arena parsed = {0};
        struct ast_list list = {0};
        if (!CHECK_EQ(
                sql_parse(statements[i], strlen(statements[i]), &parsed, &list, &parse_err),
                KDK_OK))
            continue;
        kdk_status status = KDK_NOMEM;
        uint64_t skip = 0;
        for (; status == KDK_NOMEM && skip < 100000; skip++) {
            struct arena arena = {0};
            struct bound_stmt *bound = NULL;
            struct bind_env env = {.catver = version};
            struct err err = {0};
            mem_fail_after(skip, false);
            status = sql_bind(list.items[0], &env, &arena, &bound, &err);
            bool failed = mem_fail_never() > 0;
            if (failed)
                CHECK_EQ(status, KDK_NOMEM);
            arena_deinit(&arena);
        }
        CHECK(skip > 1);
        CHECK_EQ(status, i + 1 == COUNT_OF(statements) ? KDK_UNDEFINED_COLUMN : KDK_OK);
        arena_deinit(&parsed);
    }
    mem_stats(&after);
    CHECK_EQ(after.blocks, before.blocks);
    catver_unref(version);
}

/* Deep text is refused by the parser; deep views by the binder. */
TEST(bind, nested_views_are_limited)
{
    const struct catver *version = catalog("create view v0 as select 1 as a");
    struct err err = {0};
    uint32_t next_id = 500;
    kdk_status status = KDK_OK;
    int depth = 0;
    while (status == KDK_OK && depth < 200) {
        char text[100];
        int n = snprintf(text, sizeof text, "create view v%d as select a from v%d",
                         depth + 1, depth);
        status = test_run(&version, text, (size_t)n, &next_id, &err);
        depth++;
    }
    CHECK_EQ(status, KDK_TOO_COMPLEX);
    CHECK(depth > 20);
    catver_unref(version);
}

/* What doubles at each level ends in an error, not in all memory. */
TEST(bind, repetition_is_limited)
{
    const struct catver *version = catalog("create view v0 as select 1 as a");
    struct err err = {0};
    uint32_t next_id = 500;
    kdk_status status = KDK_OK;
    for (int depth = 0; status == KDK_OK && depth < 40; depth++) {
        char text[100];
        int n =
            snprintf(text, sizeof text, "create view v%d as select x.a from v%d x, v%d y",
                     depth + 1, depth, depth);
        status = test_run(&version, text, (size_t)n, &next_id, &err);
    }
    CHECK_EQ(status, KDK_TOO_COMPLEX);
    static const struct {
        const char *before, *middle, *after;
    } shapes[] = {
        {"(", "true", " between true and false)"},
        {"nullif(", "true", ", false)"},
        {"(case ", "true", " when true then true when false then true end)"},
        {"((", "true", ", 1) < (true, 2))"},
        {"((", "true", ", 1) in ((true, 2), (false, 3)))"},
        {"((select ", "true", ") between true and false)"},
        {"(true between symmetric ", "true", " and false)"},
        {"(random() between ", "1", " and 2)::integer"},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct buf text = {0};
        (void)buf_add_str(&text, "select ");
        for (int k = 0; k < 60; k++)
            (void)buf_add_str(&text, shapes[i].before);
        (void)buf_add_str(&text, shapes[i].middle);
        for (int k = 0; k < 60; k++)
            (void)buf_add_str(&text, shapes[i].after);
        status = test_run(&version, text.data, text.len, &next_id, &err);
        CHECK(status == KDK_TOO_COMPLEX || status == KDK_OK);
        if (status != KDK_TOO_COMPLEX && status != KDK_OK)
            printf("    %s: %s\n", shapes[i].before, err.message);
        buf_deinit(&text);
    }
    catver_unref(version);
}

/* A view means what it meant, whatever happens to its tables and to the search path. */
TEST(bind, views_keep_their_meaning)
{
    const struct catver *version =
        catalog("create schema s; create table t (a int); create view w as select * from "
                "t; alter table t add column z text;"
                "create table s.t (b int)");
    struct err err = {0};
    struct arena arena = {0};
    struct ast_list list;
    struct bound_stmt *bound = NULL;
    const char *const path[] = {"s", "public"};
    struct bind_env env = {.catver = version, .search_path = path, .search_path_count = 2};
    const char text[] = "select * from w, t";
    if (CHECK_EQ(sql_parse(text, sizeof text - 1, &arena, &list, &err), KDK_OK) &&
        CHECK_EQ(sql_bind(list.items[0], &env, &arena, &bound, &err), KDK_OK)) {
        CHECK_EQ(bound->column_count, 2);
        CHECK_STR(bound->columns[0].name, "a");
        CHECK_STR(bound->columns[1].name, "b");
    }
    arena_deinit(&arena);
    catver_unref(version);
}

static kdk_status file_hook(void *context, const char *path,
                            const struct ast_options *options, struct arena *arena,
                            struct bind_file *out, struct err *err)
{
    (void)options;
    (void)context;
    if (strcmp(path, "data/flights.csv") != 0)
        return err_set(err, KDK_UNDEFINED_FILE,
                       "could not open file \"%s\" for reading: No such file or directory",
                       path);
    out->column_count = 2;
    out->columns = ARENA_ARRAY(arena, struct ccolumn, 2);
    if (!out->columns)
        return err_nomem(err);
    out->columns[0] = (struct ccolumn){.name = "origin", .type = LTYPE(TEXT)};
    out->columns[1] = (struct ccolumn){.name = "delay", .type = LTYPE(INTEGER)};
    out->file = out;
    return KDK_OK;
}

static void count_notice(void *context, const char *sqlstate, const char *message)
{
    CHECK_STR(sqlstate, "42P07");
    CHECK_STR(message, "relation \"t\" already exists, skipping");
    ++*(int *)context;
}

TEST(bind, hooks)
{
    const struct catver *version = catalog("create table t (a int)");
    int notices = 0;
    struct bind_env env = {
        .catver = version, .file = file_hook, .notice = count_notice, .context = &notices};
    static const struct {
        const char *sql;
        kdk_status want;
    } files[] = {
        {"select flights.delay + 1, origin from 'data/flights.csv' where delay > 5",
         KDK_OK},
        {"select f.delay from 'data/flights.csv' f", KDK_OK},
        {"select * from 'nosuch.csv'", KDK_UNDEFINED_FILE},
        {"select nosuch from 'data/flights.csv'", KDK_UNDEFINED_COLUMN},
        {"create table if not exists t (b int)", KDK_OK},
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct err err = {0};
        struct arena arena = {0};
        struct ast_list list;
        struct bound_stmt *bound = NULL;
        if (CHECK_EQ(sql_parse(files[i].sql, strlen(files[i].sql), &arena, &list, &err),
                     KDK_OK))
            CHECK_EQ(sql_bind(list.items[0], &env, &arena, &bound, &err), files[i].want);
        arena_deinit(&arena);
    }
    CHECK_EQ(notices, 1);
    catver_unref(version);
}

TEST(bind, stored_expressions_and_values)
{
    const struct catver *version = catalog(setup);
    const struct ctable *t = catver_table(version, "public", "t");
    struct bind_env env = {.catver = version};
    const colid ids[] = {11, 12, 13, 14, 15};
    static const struct {
        const char *text;
        enum bind_row_kind kind;
        bool row;
        const char *want;
        kdk_status status;
    } list[] = {
        {"a > 5 and t.b = 'x'", BIND_CHECK, true, "((#11 > 5) and (#12 = 'x'))", KDK_OK},
        {"a + 1", BIND_USING, true, "cast((#11 + 1) as numeric(10,2))", KDK_OK},
        {"1 + 1", BIND_DEFAULT, false, "cast((1 + 1) as numeric(10,2))", KDK_OK},
        {"'1.5'", BIND_DEFAULT, false, "1.50::numeric(10,2)", KDK_OK},
        {"a", BIND_DEFAULT, false, NULL, KDK_UNSUPPORTED},
        {"zz > 5", BIND_CHECK, true, NULL, KDK_UNDEFINED_COLUMN},
        {"a in (select 1)", BIND_CHECK, true, NULL, KDK_UNSUPPORTED},
        {"count(*) > 1", BIND_CHECK, true, NULL, KDK_GROUPING},
        {"$1 > 1", BIND_CHECK, true, NULL, KDK_UNDEFINED_PARAMETER},
        {"date '2020-01-01'", BIND_DEFAULT, false, NULL, KDK_TYPE_MISMATCH},
        {"1 +", BIND_DEFAULT, false, NULL, KDK_SYNTAX},
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        struct err err = {0};
        struct arena arena = {0};
        struct buf got = {0};
        struct expr *e = NULL;
        struct bind_row row = {list[i].row ? t : NULL, list[i].row ? ids : NULL};
        kdk_status status = sql_bind_table_expr(list[i].text, &env, list[i].kind, &row,
                                                t->columns[2].type, "c", &arena, &e, &err);
        CHECK_EQ(status, list[i].status);
        CHECK_EQ(err.position, 0);
        if (status == KDK_OK && list[i].want && CHECK_EQ(expr_print(e, &got, &err), KDK_OK))
            CHECK_STR(got.data, list[i].want);
        buf_deinit(&got);
        arena_deinit(&arena);
    }

    struct err err = {0};
    struct arena arena = {0};
    struct ast_expr *ast;
    struct expr *e = NULL;
    if (CHECK_EQ(sql_parse_expr("'2020-02-03'", 12, &arena, &ast, &err), KDK_OK) &&
        CHECK_EQ(sql_bind_value(ast, &env, LTYPE(DATE), &arena, &e, &err), KDK_OK))
        CHECK(e->kind == EX_CONST && e->type.id == LT_DATE);
    if (CHECK_EQ(sql_parse_expr("true", 4, &arena, &ast, &err), KDK_OK))
        CHECK_EQ(sql_bind_value(ast, &env, LTYPE(DATE), &arena, &e, &err),
                 KDK_TYPE_MISMATCH);
    arena_deinit(&arena);
    catver_unref(version);
}

/* From SQLite's sqllogictest (public domain): statements that PostgreSQL 15 takes. */
static const struct {
    const char *script;
    const char *statements[24];
} scripts[] = {
#include "bind_corpus.inc"
};

TEST(bind, sqllogictest)
{
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        const struct catver *version = catalog("");
        uint32_t next_id = 0;
        for (size_t k = 0; k < COUNT_OF(scripts[i].statements) && scripts[i].statements[k];
             k++) {
            const char *sql = scripts[i].statements[k];
            struct err err = {0};
            if (!CHECK_EQ(test_run(&version, sql, strlen(sql), &next_id, &err), KDK_OK))
                printf("    %s: %s: %s\n", scripts[i].script, sql, err.message);
        }
        catver_unref(version);
    }
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!CHECK(f != NULL))
        return NULL;
    struct buf text = {0};
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        (void)buf_add(&text, chunk, n);
    (void)fclose(f);
    return buf_take(&text);
}

TEST(bind, tpch)
{
    char *schema = read_file(KDK_SOURCE_DIR "/test/tpch/schema.sql");
    char *queries = read_file(KDK_SOURCE_DIR "/test/tpch/tpch.sql");
    if (schema && queries) {
        const struct catver *version = catalog(schema);
        struct arena arena = {0};
        struct ast_list list = {0};
        struct err err = {0};
        struct bind_env env = {.catver = version};
        CHECK_EQ(sql_parse(queries, strlen(queries), &arena, &list, &err), KDK_OK);
        CHECK_EQ(list.count, 22);
        for (uint32_t i = 0; i < list.count; i++) {
            struct bound_stmt *bound = NULL;
            if (!CHECK_EQ(sql_bind(list.items[i], &env, &arena, &bound, &err), KDK_OK) ||
                !CHECK_EQ(bound_check(bound, &arena, &err), KDK_OK))
                printf("    Q%u: %s\n", i + 1, err.message);
        }
        arena_deinit(&arena);
        catver_unref(version);
    }
    mem_free(schema);
    mem_free(queries);
}
