/* bind_fuzz.c - any text, parsed and bound against a fixed catalog: refused, or a sound
 * tree. DDL is carried out in the catalog and bound again, so that views and checks are
 * read back from their stored text. */
#include <stdlib.h>

#include "sql/bind_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char setup[] =
    "create table t (a integer primary key, b text not null default 'x', c numeric(10,2) "
    "check (c > 0), d date, e bigint unique, check (a < e));"
    "create table u (a integer, x double precision, v varchar(5), unique (a, x));"
    "create view v as select t.*, u.x from t, u where t.a = u.a; create schema s; create "
    "table s.t (q text, r timestamp, f real, y bytea)";

static const struct catver *base(void)
{
    static const struct catver *version; /* Made once, kept for the process. */
    struct catver_builder *b = NULL;
    struct err err = {0};
    uint32_t next_id = 100;
    if (version)
        return version;
    if (catver_builder_new(NULL, &b, &err) != KDK_OK ||
        catver_build(b, 1, &version, &err) != KDK_OK ||
        test_run(&version, setup, sizeof setup - 1, &next_id, &err) != KDK_OK)
        abort();
    catver_builder_free(b);
    return version;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct catver *version = base();
    struct arena arena = {.bytes_max = 256u << 20};
    struct ast_list list;
    struct err err = {0};
    uint32_t next_id = 1000;
    catver_ref(version);
    kdk_status status = sql_parse((const char *)data, size, &arena, &list, &err);
    for (uint32_t i = 0; status == KDK_OK && i < list.count; i++) {
        struct bound_stmt *bound = NULL;
        struct bind_env env = {.catver = version};
        if (sql_bind(list.items[i], &env, &arena, &bound, &err) != KDK_OK) {
            if (err.position < 0 || (size_t)err.position > size + 1)
                abort();
            continue;
        }
        struct buf text = {0};
        status = bound_check(bound, &arena, &err);
        if (status == KDK_OK)
            status = bound_print(bound, &text, &err);
        buf_deinit(&text);
        if (status == KDK_OK && bound->ddl)
            status = test_apply(&version, bound->ddl, &next_id, &err);
        if (status != KDK_OK && status != KDK_NOMEM)
            abort(); /* What was bound is sound and can be carried out. */
    }
    catver_unref(version);
    arena_deinit(&arena);
    return 0;
}
