/* resequence.h - what a freeze does to the indexes of a table, when it makes new strips and
 * rewrites others.
 *
 * While strips are written, the keys of their rows are looked at: a strip whose rows ascend
 * in an index may join its sequence (entries.h). When all are there, those that fit between
 * what stays are taken. Then the entries of rows in them leave the tree, and rows that were
 * in the sequence and are in no strip of it any more come to the tree.
 */
#ifndef KDK_TABLE_RESEQUENCE_H
#define KDK_TABLE_RESEQUENCE_H

#include "table/checkpoint.h"
#include "table/entries.h"

struct resequence;
/* For the indexes that the generation `old` of the table has. */
kdk_status resequence_new(struct pouring *pouring, struct table *table, struct gtable *old,
                          struct resequence **out, struct err *err) KDK_MUST_CHECK;
void resequence_free(struct resequence *r); /* Accepts NULL. */
/* A row is given to the writer, */
kdk_status resequence_row(struct resequence *r, const struct image *image, rowid id,
                          struct err *err) KDK_MUST_CHECK;
/* the first `rows` of those are a strip, */
kdk_status resequence_strip(struct resequence *r, uint32_t rows,
                            struct err *err) KDK_MUST_CHECK;
/* and strips are durable, in the order of their rows. */
kdk_status resequence_written(struct resequence *r, struct strip_entry *const *entries,
                              uint32_t count, struct err *err) KDK_MUST_CHECK;
/* A strip of the generation is rewritten. */
kdk_status resequence_replaced(struct resequence *r, struct strip_entry *entry,
                               struct err *err) KDK_MUST_CHECK;
/* Makes the indexes of the table's next generation: old->index_count of them, at most;
 * *count. */
kdk_status resequence_apply(struct resequence *r, struct gindex *out, uint32_t *count,
                            struct err *err) KDK_MUST_CHECK;

#endif
