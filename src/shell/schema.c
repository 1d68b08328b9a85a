/* schema.c - .tables and .schema, from the system tables pg_catalog.kodiak_*. */
#include "shell/shell.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void add_name(struct buf *to, const char *name)
{
    bool plain = (*name >= 'a' && *name <= 'z') || *name == '_';
    for (const char *p = name; *p; p++)
        plain &= (*p >= 'a' && *p <= 'z') || *p == '_' || (*p >= '0' && *p <= '9');
    if (plain && !is_keyword(name)) {
        (void)buf_add_str(to, name);
        return;
    }
    (void)buf_add_char(to, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"')
            (void)buf_add_char(to, '"');
        (void)buf_add_char(to, *p);
    }
    (void)buf_add_char(to, '"');
}

static void add_qualified(struct buf *to, const char *schema, const char *name)
{
    if (strcmp(schema, "public") != 0) {
        add_name(to, schema);
        (void)buf_add_char(to, '.');
    }
    add_name(to, name);
}

bool dot_tables(struct shell *sh)
{
    struct grid tables;
    struct buf out = {0};
    bool ok = grid_fetch(
        sh, sh->conn,
        "select schema, name from pg_catalog.kodiak_tables order by schema, name", false,
        &tables);
    for (size_t i = 0; ok && i < tables.rows; i++) {
        add_qualified(&out, grid_cell(&tables, i, 0), grid_cell(&tables, i, 1));
        (void)buf_add_char(&out, '\n');
    }
    if (out.nomem)
        ok = shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    else if (out.len)
        fwrite(out.data, 1, out.len, stdout);
    buf_deinit(&out);
    grid_deinit(&tables);
    return ok;
}

struct definitions {
    struct grid tables, columns, indexes, checks;
};
enum { TABLE_ID, TABLE_SCHEMA, TABLE_NAME, TABLE_IS_VIEW, TABLE_SQL };
enum { COLUMN_TABLE, COLUMN_ID, COLUMN_NAME, COLUMN_NOT_NULL, COLUMN_DEFAULT };
enum {
    INDEX_TABLE,
    INDEX_NAME,
    INDEX_UNIQUE,
    INDEX_PRIMARY,
    INDEX_CONSTRAINT,
    INDEX_COLUMNS
};
enum { CHECK_TABLE, CHECK_NAME, CHECK_CONDITION };

static bool yes(const char *cell)
{
    return cell && cell[0] == 't';
}

static const char *column_name(const struct definitions *d, const char *table,
                               unsigned long id)
{
    for (size_t i = 0; i < d->columns.rows; i++)
        if (strcmp(grid_cell(&d->columns, i, COLUMN_TABLE), table) == 0 &&
            strtoul(grid_cell(&d->columns, i, COLUMN_ID), NULL, 10) == id)
            return grid_cell(&d->columns, i, COLUMN_NAME);
    return NULL;
}

/* "3 1d 0df" as "(c, a desc nulls last, b desc)": places of columns, d for descending, f
 * for NULLs first. */
static void add_key(struct buf *out, const struct definitions *d, const char *table,
                    const char *columns)
{
    bool first = true;
    (void)buf_add_char(out, '(');
    for (const char *at = columns; *at;) {
        char *end;
        const char *name = column_name(d, table, strtoul(at, &end, 10));
        bool descending = *end == 'd', nulls_first;
        if (end == at)
            break;
        end += descending;
        nulls_first = *end == 'f';
        end += nulls_first;
        (void)buf_add_str(out, first ? "" : ", ");
        first = false;
        add_name(out, name ? name : "?");
        (void)buf_add_str(out, descending ? " desc" : "");
        if (descending != nulls_first)
            (void)buf_add_str(out, nulls_first ? " nulls first" : " nulls last");
        at = end + (*end == ' ');
    }
    (void)buf_add_char(out, ')');
}

/* Types are spelled by the database: those of `select *`. */
static kdk_stmt *row_type(struct shell *sh, const char *schema, const char *name)
{
    struct buf sql = {0};
    kdk_stmt *stmt = NULL;
    (void)buf_add_str(&sql, "select * from ");
    add_name(&sql, schema);
    (void)buf_add_char(&sql, '.');
    add_name(&sql, name);
    if (!sql.nomem &&
        kdk_prepare(sh->conn, sql.data, (int64_t)sql.len, &stmt, NULL) != KDK_OK)
        stmt = NULL;
    buf_deinit(&sql);
    return stmt;
}

static void add_table(struct shell *sh, struct buf *out, const struct definitions *d,
                      size_t row)
{
    const char *id = grid_cell(&d->tables, row, TABLE_ID),
               *schema = grid_cell(&d->tables, row, TABLE_SCHEMA),
               *name = grid_cell(&d->tables, row, TABLE_NAME);
    kdk_stmt *type = row_type(sh, schema, name);
    uint32_t place = 0;
    bool view = yes(grid_cell(&d->tables, row, TABLE_IS_VIEW));

    (void)buf_add_str(out, view ? "create view " : "create table ");
    add_qualified(out, schema, name);
    (void)buf_add_str(out, " (");
    if (view) {
        for (uint32_t c = 0; type && c < kdk_column_count(type); c++) {
            (void)buf_add_str(out, c ? ", " : "");
            add_name(out, kdk_column_name(type, c));
        }
        (void)buf_printf(out, ") as %s;\n", grid_cell(&d->tables, row, TABLE_SQL));
        kdk_stmt_free(type);
        return;
    }
    const char *separator = "\n    ";
    for (size_t i = 0; i < d->columns.rows; i++) {
        const char *initial = grid_cell(&d->columns, i, COLUMN_DEFAULT);
        if (strcmp(grid_cell(&d->columns, i, COLUMN_TABLE), id) != 0)
            continue;
        (void)buf_add_str(out, separator);
        separator = ",\n    ";
        add_name(out, grid_cell(&d->columns, i, COLUMN_NAME));
        (void)buf_printf(out, " %s", type ? kdk_column_type(type, place) : "?");
        place++;
        if (yes(grid_cell(&d->columns, i, COLUMN_NOT_NULL)))
            (void)buf_add_str(out, " not null");
        if (initial)
            (void)buf_printf(out, " default %s", initial);
    }
    for (size_t i = 0; i < d->indexes.rows; i++) {
        if (strcmp(grid_cell(&d->indexes, i, INDEX_TABLE), id) != 0 ||
            !yes(grid_cell(&d->indexes, i, INDEX_CONSTRAINT)))
            continue;
        (void)buf_printf(out, "%sconstraint ", separator);
        separator = ",\n    ";
        add_name(out, grid_cell(&d->indexes, i, INDEX_NAME));
        (void)buf_add_str(out, yes(grid_cell(&d->indexes, i, INDEX_PRIMARY))
                                   ? " primary key "
                                   : " unique ");
        add_key(out, d, id, grid_cell(&d->indexes, i, INDEX_COLUMNS));
    }
    for (size_t i = 0; i < d->checks.rows; i++) {
        if (strcmp(grid_cell(&d->checks, i, CHECK_TABLE), id) != 0)
            continue;
        (void)buf_printf(out, "%sconstraint ", separator);
        separator = ",\n    ";
        add_name(out, grid_cell(&d->checks, i, CHECK_NAME));
        (void)buf_printf(out, " check (%s)", grid_cell(&d->checks, i, CHECK_CONDITION));
    }
    (void)buf_add_str(out, "\n);\n");
    for (size_t i = 0; i < d->indexes.rows; i++) {
        if (strcmp(grid_cell(&d->indexes, i, INDEX_TABLE), id) != 0 ||
            yes(grid_cell(&d->indexes, i, INDEX_CONSTRAINT)))
            continue;
        (void)buf_add_str(out, yes(grid_cell(&d->indexes, i, INDEX_UNIQUE))
                                   ? "create unique index "
                                   : "create index ");
        add_name(out, grid_cell(&d->indexes, i, INDEX_NAME));
        (void)buf_add_str(out, " on ");
        add_qualified(out, schema, name);
        (void)buf_add_char(out, ' ');
        add_key(out, d, id, grid_cell(&d->indexes, i, INDEX_COLUMNS));
        (void)buf_add_str(out, ";\n");
    }
    kdk_stmt_free(type);
}

/* `name` is a table's, or SCHEMA.TABLE. */
static bool is_meant(const char *name, const char *schema, const char *table)
{
    size_t n = strlen(schema);
    if (!name || strcmp(name, table) == 0)
        return true;
    return strncmp(name, schema, n) == 0 && name[n] == '.' &&
           strcmp(name + n + 1, table) == 0;
}

bool dot_schema(struct shell *sh, const char *name)
{
    struct definitions d = {0};
    struct buf out = {0};
    size_t found = 0;
    bool ok = grid_fetch(sh, sh->conn,
                         "select table_id, schema, name, view_sql is not null, view_sql "
                         "from pg_catalog.kodiak_tables "
                         "order by schema, name",
                         false, &d.tables) &&
              grid_fetch(sh, sh->conn,
                         "select table_id, column_id, name, not_null, default_sql from "
                         "pg_catalog.kodiak_columns "
                         "where position >= 0 order by table_id, position",
                         false, &d.columns) &&
              grid_fetch(sh, sh->conn,
                         "select table_id, name, is_unique, is_primary, is_constraint, "
                         "columns from pg_catalog.kodiak_indexes "
                         "order by table_id, position",
                         false, &d.indexes) &&
              grid_fetch(sh, sh->conn,
                         "select table_id, name, condition from pg_catalog.kodiak_checks "
                         "order by table_id, position",
                         false, &d.checks);
    for (size_t i = 0; ok && i < d.tables.rows; i++)
        if (is_meant(name, grid_cell(&d.tables, i, TABLE_SCHEMA),
                     grid_cell(&d.tables, i, TABLE_NAME))) {
            found++;
            add_table(sh, &out, &d, i);
        }
    if (ok && name && !found)
        ok = shell_error(sh, status_sqlstate(KDK_UNDEFINED_TABLE),
                         "relation \"%s\" does not exist", name);
    if (out.nomem)
        ok = shell_error(sh, status_sqlstate(KDK_NOMEM), "out of memory");
    else if (out.len)
        fwrite(out.data, 1, out.len, stdout);
    buf_deinit(&out);
    grid_deinit(&d.tables);
    grid_deinit(&d.columns);
    grid_deinit(&d.indexes);
    grid_deinit(&d.checks);
    return ok;
}
