/* dicts.c - dictionaries of string columns: one for each column that a strip has codes of, for all its files.
 *
 * Codes are given out while files are written, and stored in the meta tree by the same checkpoint that names the files: who finds the
 * files finds the codes. A checkpoint that fails leaves codes in memory that nothing refers to; the next one stores them. So the
 * dictionary in memory always begins with that of every generation. It is read when it is first needed.
 */
#include "table/checkpoint.h"

#include "base/mem.h"

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

kdk_status pouring_dicts(struct pouring *pouring, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf value = {0};
    for (struct column_dict *one = atomic_load_explicit(&table->dicts, memory_order_acquire);
         one; one = one->next) {
        one->pouring = dict_count(one->dict);
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
