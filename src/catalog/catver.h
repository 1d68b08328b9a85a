/* catver.h - making catalog versions: the next one is the last one and some changes.
 *
 * A version (catalog.h reads it) is three sorted arrays of pointers to entries. An entry is
 * one table or view with its columns, indexes and checks, in one block of memory, counted
 * and never changed; a new version shares the entries that it does not replace. So a DDL
 * statement costs one copy of the arrays and of the tables that it touches, and readers of
 * older versions notice nothing.
 *
 * Invariants
 *   V1  In a version, schema and name are unique over tables, views and indexes together,
 *       as in PostgreSQL; so are the ids of tables.
 *   V2  Every table's schema exists.
 * Threads  A builder belongs to one thread. Versions: any thread; their counts are atomic.
 */
#ifndef KDK_CATALOG_CATVER_H
#define KDK_CATALOG_CATVER_H

#include "catalog/catalog.h"

struct catver_builder;

/* Starts from `from`, or (NULL) from a version with the schemas public, pg_catalog and
 * information_schema alone. `from` need not outlive the call. */
kdk_status catver_builder_new(const struct catver *from, struct catver_builder **out,
                              struct err *err) KDK_MUST_CHECK;
void catver_builder_free(struct catver_builder *builder); /* Accepts NULL. */

/* Adds the table or view, or replaces the one with its id: columns, indexes and checks too.
 * Everything is copied, apart from `store`, which is borrowed. 42P07 when its name, or one
 * of an index, is taken by another; 3F000 for a schema that does not exist. The builder is
 * as before then. */
kdk_status catver_put_table(struct catver_builder *builder, const struct ctable *table,
                            struct err *err) KDK_MUST_CHECK;
/* UNDEFINED_TABLE when there is none. */
kdk_status catver_drop_table(struct catver_builder *builder, uint32_t id,
                             struct err *err) KDK_MUST_CHECK;
/* 42P06 */
kdk_status catver_put_schema(struct catver_builder *builder, const char *name,
                             struct err *err) KDK_MUST_CHECK;
/* 3F000; 2BP01 while it holds tables. */
kdk_status catver_drop_schema(struct catver_builder *builder, const char *name,
                              struct err *err) KDK_MUST_CHECK;
/* Renames it and moves its tables along. */
kdk_status catver_rename_schema(struct catver_builder *builder, const char *from,
                                const char *to, struct err *err) KDK_MUST_CHECK;

/* The version, with one reference for the caller. The builder goes on from it and is still
 * to be freed. */
kdk_status catver_build(struct catver_builder *builder, uint64_t number,
                        const struct catver **out, struct err *err) KDK_MUST_CHECK;

/* Names of schemas in order: NULL at the end. */
const char *catver_schema_at(const struct catver *version, uint32_t index);

#endif
