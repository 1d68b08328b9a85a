/* bind_test.h - for tests of the binder: a catalog in memory that takes bound DDL. */
#ifndef KDK_SQL_BIND_TEST_H
#define KDK_SQL_BIND_TEST_H

#include "base/mem.h"
#include "catalog/catver.h"
#include "sql/bind.h"
#include "sql/parse.h"

/* Carries out what was bound, as far as the catalog goes. Ids count up from `*next_id`. */
static inline kdk_status test_apply(const struct catver **version,
                                    const struct bound_ddl *ddl, uint32_t *next_id,
                                    struct err *err)
{
    kdk_status status = KDK_OK;
    struct catver_builder *b = NULL;
    const struct catver *next = NULL;
    struct arena arena = {0};

    TRY(catver_builder_new(*version, &b, err));
    if (ddl->kind == DDL_CREATE_SCHEMA) {
        TRY(catver_put_schema(b, ddl->schema, err));
    } else if (ddl->kind == DDL_CREATE_TABLE || ddl->kind == DDL_CREATE_VIEW) {
        struct ctable t = {.id = ddl->replaces ? ddl->replaces->id : ++*next_id,
                           .schema = ddl->schema,
                           .name = ddl->name,
                           .view_sql = ddl->view_sql};
        t.kind = ddl->kind == DDL_CREATE_VIEW ? COBJ_VIEW : COBJ_TABLE;
        t.column_count = ddl->column_count;
        TRY_MEM(t.columns = ARENA_ARRAY(&arena, struct ccolumn, ddl->column_count + 1));
        TRY_MEM(t.indexes = ARENA_ARRAY(&arena, struct cindex *, ddl->index_count + 1));
        for (uint32_t i = 0; i < ddl->column_count; i++)
            t.columns[i] = ddl->columns[i].column;
        for (uint32_t i = 0; i < ddl->index_count; i++) {
            ddl->indexes[i].index.id = ++*next_id;
            t.indexes[t.index_count++] = &ddl->indexes[i].index;
        }
        t.check_count = ddl->check_count;
        t.checks = ddl->checks;
        TRY(catver_put_table(b, &t, err));
    } else if (ddl->kind == DDL_CREATE_INDEX) {
        struct ctable t = *ddl->index->on;
        TRY_MEM(t.indexes = ARENA_ARRAY(&arena, struct cindex *, t.index_count + 1));
        for (uint32_t i = 0; i < t.index_count; i++)
            t.indexes[i] = ddl->index->on->indexes[i];
        ddl->index->index.id = ++*next_id;
        t.indexes[t.index_count++] = &ddl->index->index;
        TRY(catver_put_table(b, &t, err));
    }
    for (uint32_t i = 0; ddl->kind == DDL_DROP && i < ddl->table_count; i++)
        TRY(catver_drop_table(b, ddl->tables[i]->id, err));
    for (uint32_t i = 0; ddl->kind == DDL_DROP && i < ddl->dropped_index_count; i++) {
        const struct cindex *gone = ddl->dropped_indexes[i];
        struct ctable t = *gone->table;
        TRY_MEM(t.indexes = ARENA_ARRAY(&arena, struct cindex *, t.index_count + 1));
        t.index_count = 0;
        for (uint32_t k = 0; k < gone->table->index_count; k++)
            if (gone->table->indexes[k] != gone)
                t.indexes[t.index_count++] = gone->table->indexes[k];
        TRY(catver_put_table(b, &t, err));
    }
    for (uint32_t i = 0; ddl->kind == DDL_DROP && i < ddl->schema_count; i++)
        TRY(catver_drop_schema(b, ddl->schemas[i], err));
    if (ddl->kind == DDL_ALTER && ddl->alters[ddl->alter_count - 1].after) {
        struct ctable t = *ddl->alters[ddl->alter_count - 1].after;
        for (uint32_t i = 0; i < t.column_count; i++)
            if (t.columns[i].id == UINT32_MAX)
                t.columns[i].id = ++*next_id;
        TRY(catver_put_table(b, &t, err));
    }
    TRY(catver_build(b, *version ? catver_number(*version) + 1 : 1, &next, err));
    catver_unref(*version);
    *version = next;
out:
    catver_builder_free(b);
    arena_deinit(&arena);
    return status;
}

/* Binds each statement of `text`, applying DDL. Stops at the first error. */
static inline kdk_status test_run(const struct catver **version, const char *text,
                                  size_t bytes, uint32_t *next_id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena = {0};
    struct ast_list list;
    struct bound_stmt *bound;
    struct bind_env env = {0};

    TRY(sql_parse(text, bytes, &arena, &list, err));
    for (uint32_t i = 0; i < list.count; i++) {
        env.catver = *version;
        TRY(sql_bind(list.items[i], &env, &arena, &bound, err));
        TRY(bound_check(bound, &arena, err));
        if (bound->ddl)
            TRY(test_apply(version, bound->ddl, next_id, err));
    }
out:
    arena_deinit(&arena);
    return status;
}

/* What binding `sql` gives, as text: the tree, or `ERROR sqlstate message @position` with
 * detail and hint. */
static inline void test_render(const struct catver *version, const char *sql,
                               struct buf *out)
{
    struct arena arena = {0};
    struct ast_list list;
    struct bound_stmt *bound;
    struct bind_env env = {.catver = version};
    struct err err = {0};
    kdk_status status = sql_parse(sql, strlen(sql), &arena, &list, &err);
    for (uint32_t i = 0; status == KDK_OK && i < list.count; i++) {
        status = sql_bind(list.items[i], &env, &arena, &bound, &err);
        if (status == KDK_OK)
            status = bound_check(bound, &arena, &err);
        if (status == KDK_OK)
            status = bound_print(bound, out, &err);
    }
    if (status != KDK_OK) {
        (void)buf_printf(out, "ERROR %s %s @%d\n", status_sqlstate(status), err.message,
                         err.position);
        if (err.detail[0])
            (void)buf_printf(out, "DETAIL %s\n", err.detail);
        if (err.hint[0])
            (void)buf_printf(out, "HINT %s\n", err.hint);
    }
    arena_deinit(&arena);
}

#endif
