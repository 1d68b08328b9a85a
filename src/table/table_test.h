/* table_test.h - what the tests of tables share: a store with one table (id bigint not null
 * unique, n bigint, s text). */
#ifndef KDK_TABLE_TABLE_TEST_H
#define KDK_TABLE_TABLE_TEST_H

#include "table/table.h"

struct fixture {
    struct store *store;
    struct txnman *man;
    struct table *table;
    struct tcolumn columns[3];
    struct arena arena;
    struct err err;
    bool changed;
    rowid walked[1000];
    uint32_t matches; /* Of point(), in walked. */
};
void fixture_open(struct fixture *f);
void fixture_open_at(struct fixture *f, const char *dir); /* On disk. */
void fixture_close(struct fixture *f); /* Checks that no memory is left. */
struct txn *begin(struct fixture *f);  /* And its first statement. */
void statement(struct txn *txn);
void commit(struct fixture *f, struct txn *txn);
rowid insert(struct fixture *f, struct txn *txn, int64_t id, int64_t n, const char *s);
kdk_status update(struct fixture *f, struct txn *txn, rowid row, int64_t id, int64_t n,
                  const char *s);
kdk_status erase(struct fixture *f, struct txn *txn, rowid row);
void check_row(struct fixture *f, struct txn *txn, rowid row, int64_t id, int64_t n,
               const char *s);
void check_gone(struct fixture *f, struct txn *txn, rowid row);
void check_store(struct fixture *f);
/* The row whose column 0 is `id`, 0 for none, by index and table_get. */
rowid point(struct fixture *f, struct txn *txn, int64_t id);
/* Rows with lo <= column 0 <= hi by the index, in f->walked; how many. */
uint32_t range(struct fixture *f, struct txn *txn, int64_t lo, int64_t hi, bool backwards);
/* Records, versions and index items as text. */
void dump(struct fixture *f, struct buf *out);

#endif
