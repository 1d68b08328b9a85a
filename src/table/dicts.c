/* dicts.c - dictionaries of string columns: one for each column that a strip has codes of,
 * for all its files.
 *
 * Codes are given out while files are written, logged before anything names the files, and
 * stored in the meta tree by the checkpoint that takes the files in: who finds the files
 * finds the codes. A load or checkpoint that fails leaves codes in memory that nothing
 * refers to. So the dictionary in memory always begins with that of every generation. It is
 * read when it is first needed.
 *
 * A checkpoint stores what is in the log, and nothing else: codes have no gaps, so who
 * falls back to the older slot of the manifest, and replays the log from there, must meet
 * each code that this slot has not, whether a file that he knows has it or not.
 */
#include "table/checkpoint.h"
#include "table/load.h"

#include "base/mem.h"
#include "wal/record.h"
#include "wal/wal.h"

/* Entries are logged in batches of about so many bytes. */
#define DICT_BATCH_BYTES (256u << 10)

static struct column_dict *find(struct table *table, uint32_t column)
{
    struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
    while (one && one->column != column)
        one = one->next;
    return one;
}

static void column_dict_free(struct column_dict *one)
{
    if (!one)
        return;
    dict_free(one->dict);
    mem_free(one);
}

void table_dicts_free(struct table *table)
{
    struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
    while (one) {
        struct column_dict *next = one->next;
        column_dict_free(one);
        one = next;
    }
}

static uint64_t dict_number(uint32_t column, uint32_t code)
{
    return (uint64_t)column << 32 | code;
}

kdk_status table_dict(struct table *table, struct generation *generation, uint32_t column,
                      struct ltype type, struct column_dict **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = table->store->disk;
    struct btree_cursor cursor = {0};
    struct column_dict *fresh = NULL;
    uint8_t key[META_KEY_BYTES];
    *out = find(table, column);
    if (*out)
        return KDK_OK;
    TRY_MEM(fresh = MEM_NEW(struct column_dict));
    fresh->column = column;
    TRY(dict_new((uint64_t)table->id * 2048 + column, type, &fresh->dict, err));
    static_assert(TABLE_COLUMNS_MAX <= 2048, "dictionaries have numbers of their own");
    btree_cursor_init(&cursor, disk->file, &generation->manifest.meta);
    meta_key(key, table->id, META_DICT, dict_number(column, 0));
    TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
    while (cursor.valid && cursor.key_bytes == META_KEY_BYTES &&
           memcmp(cursor.key, key, 5 + 4) == 0) {
        const uint8_t *value;
        if (get_be64(cursor.key + 5) != dict_number(column, fresh->stored))
            TRY(err_set(err, KDK_CORRUPT,
                        "the dictionary of column %u of table %u lacks code %u", column + 1,
                        table->id, fresh->stored));
        TRY(btree_cursor_value(&cursor, &value, err));
        TRY(dict_import(fresh->dict, fresh->stored++,
                        str_of((const char *)value, cursor.value_bytes), err));
        TRY(btree_cursor_next(&cursor, err));
    }
    latch_acquire(&disk->dict_latch);
    *out = find(table, column);
    if (!*out) {
        fresh->next = atomic_load_explicit(&table->dicts, memory_order_relaxed);
        atomic_store_explicit(&table->dicts, fresh, memory_order_release);
        *out = fresh;
        fresh = NULL;
    }
    latch_release(&disk->dict_latch);
out:
    column_dict_free(fresh);
    btree_cursor_deinit(&cursor);
    return status;
}

kdk_status strip_dict(struct table *table, struct generation *generation,
                      const struct strip_entry *entry, uint32_t column, struct ltype type,
                      struct dict **out, struct err *err)
{
    const struct strip_column *stored = strip_entry_column(entry, column);
    struct column_dict *one = NULL;
    *out = NULL;
    if (!stored || stored->form != STRIP_CODE)
        return KDK_OK;
    kdk_status status = table_dict(table, generation, column, type, &one, err);
    if (status == KDK_OK)
        *out = one->dict;
    return status;
}

kdk_status dicts_log(struct table *table, uint64_t *lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *batch = NULL;
    struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
    *lsn = 0;
    for (; one; one = one->next) {
        const uint32_t count = dict_count(one->dict);
        for (uint32_t code = MAX(one->stored, one->logged); code < count; code++) {
            const struct str text = dict_value(one->dict, code);
            if (!batch)
                TRY(wal_batch_new(table->store->wal, WAL_AHEAD, &batch, err));
            record_add_dict(wal_batch_records(batch), table->id, one->column, code,
                            str_data(&text), text.len);
            if (wal_batch_bytes(batch) < DICT_BATCH_BYTES)
                continue;
            TRY(wal_append_ahead(batch, lsn, err));
            batch = NULL;
        }
    }
    if (batch)
        TRY(wal_append_ahead(batch, lsn, err));
    batch = NULL;
    for (one = atomic_load_explicit(&table->dicts, memory_order_acquire); one;
         one = one->next)
        one->logged = MAX(one->logged, dict_count(one->dict));
out:
    wal_batch_free(batch);
    return status;
}

kdk_status pouring_dicts(struct pouring *pouring, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf value = {0};
    for (struct column_dict *one =
             atomic_load_explicit(&table->dicts, memory_order_acquire);
         one; one = one->next) {
        one->pouring = MAX(one->stored, one->logged);
        for (uint32_t code = one->stored; code < one->pouring; code++) {
            const struct str text = dict_value(one->dict, code);
            buf_clear(&value);
            buf_add(&value, str_data(&text), text.len);
            TRY(buf_status(&value, err));
            TRY(meta_put(pouring, table->id, META_DICT, dict_number(one->column, code),
                         &value, err));
        }
    }
out:
    buf_deinit(&value);
    return status;
}

bool table_dicts_pending(struct table *table)
{
    struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
    while (one && one->logged <= one->stored)
        one = one->next;
    return one != NULL;
}

void table_dicts_stored(struct table *table, bool durable)
{
    struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
    for (; one; one = one->next)
        if (durable)
            one->stored = MAX(one->stored, one->pouring);
        else
            one->pouring = one->stored;
}

kdk_status dicts_drop(struct pouring *pouring, uint32_t table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    uint8_t key[META_KEY_BYTES];
    btree_cursor_init(&cursor, pouring->disk->file,
                      &txn_generation(pouring->txn)->manifest.meta);
    meta_key(key, table, META_DICT, 0);
    TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
    while (cursor.valid && cursor.key_bytes == META_KEY_BYTES &&
           memcmp(cursor.key, key, 5) == 0) {
        TRY(meta_put(pouring, table, META_DICT, get_be64(cursor.key + 5), NULL, err));
        TRY(btree_cursor_next(&cursor, err));
    }
out:
    btree_cursor_deinit(&cursor);
    return status;
}
