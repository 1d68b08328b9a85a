/* catalog.h - what names mean: schemas, tables, columns, indexes, views, constraints.
 *
 * Objects are rows of system tables (fixed ids, ordinary tables of layer `table`), so DDL
 * is transactional and has snapshots, log and checkpoints for free. What callers see is an
 * immutable in-memory copy, one per catalog version: a statement takes the version of its
 * snapshot (or of its own transaction's DDL), holds it until its end, and reads it without
 * latches.
 *
 * Invariants
 *   C1  A struct here never changes after it was published; a DDL statement makes a new
 *       version sharing what is equal.
 *   C2  Object ids and column ids are never reused.
 * Threads  Versions are reference-counted and immutable: any thread. DDL: one transaction
 *          at a time per object, others get 40001.
 */
#ifndef KDK_CATALOG_CATALOG_H
#define KDK_CATALOG_CATALOG_H

#include "vec/vec.h"

struct table;   /* table/table.h: the storage of one table */
struct store;   /* table/table.h: the storage of one database */
struct txn;     /* txn/txn.h */
struct catalog; /* of one open database */
struct catver;  /* one version of it */

enum cobject_kind { COBJ_TABLE, COBJ_VIEW, COBJ_INDEX, COBJ_SCHEMA };

struct ccolumn {
    const char *name;
    struct ltype type;
    /* Its place in the table's layout; unique in the table for ever (C2). */
    uint32_t id;
    bool not_null;
    const char *default_sql; /* SQL text of the DEFAULT expression, or NULL. */
};

struct cindex {
    uint32_t id;
    const char *name;
    struct ctable *table;
    bool unique;
    bool primary;
    /* Made by PRIMARY KEY or UNIQUE: dropped with ALTER TABLE DROP CONSTRAINT only. */
    bool constraint;
    uint32_t column_count;
    uint32_t *columns; /* Positions in table->columns. */
    bool *descending;
    bool *nulls_first;
};

struct ccheck {
    const char *name;
    const char *sql; /* SQL text of the condition. */
};

struct ctable {
    uint32_t id;
    enum cobject_kind kind; /* COBJ_TABLE or COBJ_VIEW */
    const char *schema;
    const char *name;
    uint32_t column_count; /* Without dropped ones, in SQL order. */
    struct ccolumn *columns;
    uint32_t index_count;
    struct cindex **indexes; /* The primary key first, if there is one. */
    uint32_t check_count;
    struct ccheck *checks;
    const char *view_sql; /* Views: the SELECT, names qualified. */
    struct table *store;  /* Tables: the storage. Outlives every version that names it. */
    bool system;          /* Not to be changed by users. */
};

/* The table or view, or NULL. `schema` NULL: the search path (public, then the system
 * schemas). */
const struct ctable *catver_table(const struct catver *version, const char *schema,
                                  const char *name);
const struct ctable *catver_table_by_id(const struct catver *version, uint32_t id);
const struct cindex *catver_index(const struct catver *version, const char *schema,
                                  const char *name);
bool catver_schema_exists(const struct catver *version, const char *schema);
/* Calls `each` for all tables and views in order of (schema, name). */
kdk_status catver_each(const struct catver *version,
                       kdk_status (*each)(void *context, const struct ctable *table,
                                          struct err *err),
                       void *context, struct err *err) KDK_MUST_CHECK;
uint64_t catver_number(const struct catver *version); /* Grows with every DDL commit. */
void catver_ref(const struct catver *version);
void catver_unref(const struct catver *version); /* Accepts NULL. */

#endif
