/* recover.c - from the log to tables: what committed is applied when the table is attached.
 *
 * The log is replayed when the store is opened, but which columns a table has is known only
 * to the catalog, whose own tables must be read first. So replay sorts records by table and
 * index, and table_attach() and table_index_attach() apply what is there for theirs.
 * Records of one table are in the order of their timestamps. Nobody else is about: memory
 * is freed at once.
 */
#include "table/load.h"

#include <stdio.h>

#include "base/mem.h"
#include "wal/record.h"
#include "wal/wal.h"

#define BUCKETS 256u

/* What the log says of a table's rows (index 0), or of an index. */
struct pending {
    struct pending *next;
    uint32_t table, index;
    uint64_t high;   /* Row ids up to this one were given out. */
    struct buf todo; /* Timestamp (varint), record; again and again. */
};
struct recovery {
    uint64_t since;  /* S of the generation: commits up to it are there. */
    uint64_t before; /* Commits from here on are left out; 0: none are. */
    uint64_t seen;   /* The newest commit that was sorted. */
    uint64_t failed; /* The commit that could not be applied; 0: none. */
    uint64_t object_high;
    struct pending *buckets[BUCKETS];
};

kdk_status recovery_new(uint64_t since, uint64_t before, struct recovery **out,
                        struct err *err)
{
    *out = MEM_NEW(struct recovery);
    if (!*out)
        return err_nomem(err);
    (*out)->since = since;
    (*out)->before = before;
    return KDK_OK;
}

static void pending_free(struct pending *pending)
{
    buf_deinit(&pending->todo);
    mem_free(pending);
}

void recovery_free(struct recovery *recovery)
{
    if (!recovery)
        return;
    for (uint32_t b = 0; b < BUCKETS; b++)
        while (recovery->buckets[b]) {
            struct pending *next = recovery->buckets[b]->next;
            pending_free(recovery->buckets[b]);
            recovery->buckets[b] = next;
        }
    mem_free(recovery);
}

uint64_t recovery_object_high(const struct recovery *recovery)
{
    return recovery->object_high;
}

uint64_t recovery_failed_at(const struct recovery *recovery)
{
    return recovery->failed;
}

/* Damage that a checksum does not show: remembered, so that the database can be opened as
 * it was before. */
static void note_failed(struct recovery *recovery, kdk_status status, uint64_t timestamp)
{
    if (status == KDK_CORRUPT && (!recovery->failed || timestamp < recovery->failed))
        recovery->failed = timestamp;
}

static struct pending **pending_find(struct recovery *recovery, uint32_t table,
                                     uint32_t index)
{
    struct pending **at =
        &recovery->buckets[hash_u64((uint64_t)table << 32 | index) % BUCKETS];
    while (*at && ((*at)->table != table || (*at)->index != index))
        at = &(*at)->next;
    return at;
}

static kdk_status pending_get(struct recovery *recovery, uint32_t table, uint32_t index,
                              struct pending **out, struct err *err)
{
    struct pending **at = pending_find(recovery, table, index);
    if (!*at) {
        struct pending *fresh = MEM_NEW(struct pending);
        if (!fresh)
            return err_nomem(err);
        fresh->table = table;
        fresh->index = index;
        *at = fresh;
    }
    *out = *at;
    return KDK_OK;
}

kdk_status recovery_batch(void *context, const struct wal_replayed *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct recovery *recovery = context;
    struct cursor in = cursor_of(batch->records, batch->bytes);
    if (recovery->before &&
        MAX(batch->timestamp, recovery->seen + !batch->timestamp) >= recovery->before)
        return KDK_OK;
    recovery->seen = MAX(recovery->seen, batch->timestamp);
    while (cursor_left(&in) > 0) {
        struct record_view view;
        struct pending *pending = NULL;
        const uint8_t *from = in.at;
        TRY(record_next(&in, &view, err));
        switch (view.kind) {
        case RECORD_ROW_FULL:
        case RECORD_ROW_PATCH:
        case RECORD_ROW_DELETE:
        case RECORD_INDEX_PLUS:
        case RECORD_INDEX_MINUS:
            if (batch->timestamp <= recovery->since)
                break; /* The generation has it. */
            TRY(pending_get(recovery, view.table, view.index, &pending, err));
            buf_add_varint(&pending->todo, batch->timestamp);
            buf_add(&pending->todo, from, (size_t)(in.at - from));
            TRY(buf_status(&pending->todo, err));
            if (view.index == 0)
                pending->high = MAX(pending->high, view.row);
            recovery->object_high = MAX(recovery->object_high, MAX(view.table, view.index));
            break;
        case RECORD_ROW_IDS:
            TRY(pending_get(recovery, view.table, 0, &pending, err));
            pending->high = MAX(pending->high, view.row);
            recovery->object_high = MAX(recovery->object_high, view.table);
            break;
        case RECORD_OBJECT_IDS:
            recovery->object_high = MAX(recovery->object_high, view.number);
            break;
        case RECORD_FILE:
        case RECORD_RUN:
        case RECORD_DICT:
            if (view.kind != RECORD_DICT && batch->timestamp <= recovery->since)
                break;
            TRY(pending_get(recovery, view.table, view.index, &pending, err));
            buf_add_varint(&pending->todo, batch->timestamp);
            buf_add(&pending->todo, from, (size_t)(in.at - from));
            TRY(buf_status(&pending->todo, err));
            pending->high = MAX(pending->high, view.last);
            recovery->object_high = MAX(recovery->object_high, MAX(view.table, view.index));
            break;
        case RECORD_SEQUENCE:
            TRY(err_set(err, KDK_UNSUPPORTED,
                        "the write-ahead log has a record of kind %s, which this program "
                        "cannot apply",
                        record_kind_name(view.kind)));
        }
    }
out:
    /* What is outside of a transaction belongs to the next one. */
    note_failed(recovery, status, batch->timestamp ? batch->timestamp : recovery->seen + 1);
    if (status != KDK_OK)
        err_while(err, "applying the batch at position %llu of the log",
                  (unsigned long long)batch->lsn);
    return status;
}

/* --------------------------------------------------------------------- rows ---- */

static void words_load(const struct record *record, uint64_t *words, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++)
        words[k] = atomic_load_explicit(&record->words[k], memory_order_relaxed);
}

static void words_store(struct record *record, const uint64_t *words, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++)
        atomic_store_explicit(&record->words[k], words[k], memory_order_relaxed);
}

/* One column of `words`, whose string the record owns. On failure all is as before. */
static kdk_status word_set(struct table *table, const struct layout *layout,
                           uint32_t column, const struct datum *value, uint64_t *words,
                           struct err *err)
{
    const struct field *field = &layout->fields[column];
    char *text = NULL;
    if (field->kind == FIELD_NONE)
        return KDK_OK; /* Dropped since. */
    if (field->kind == FIELD_STR) {
        struct datum had = field_get(field, column, words);
        if (!value->null && value->s.len > STR_INLINE &&
            !(text = mem_dup(value->s.data, value->s.len)))
            return err_nomem(err);
        if (!had.null && had.s.len > STR_INLINE)
            mem_free((char *)(uintptr_t)had.s.data);
    }
    field_put(field, column, words, value, text);
    bounds_widen(table, field, value);
    return KDK_OK;
}

static kdk_status no_row(const struct table *table, rowid id, struct err *err)
{
    err_set(err, KDK_CORRUPT, "the write-ahead log changes a row that does not exist");
    err_detail(err, "Table %u, row %llu.", table->id, (unsigned long long)id);
    return KDK_CORRUPT;
}

/* The record of a row, made with all columns NULL if there is none. */
static kdk_status row_make(struct table *table, const struct layout *layout, rowid id,
                           struct record **out, struct err *err)
{
    struct group *group;
    _Atomic uintptr_t *slot;
    struct record *record;
    kdk_status status = rowmap_place(table, id, layout, &group, &slot, &record, err);
    if (status != KDK_OK)
        return status;
    atomic_store_explicit(&record->undo, NULL, memory_order_relaxed);
    atomic_store_explicit(&record->meta, META(layout->number, 0, 0), memory_order_relaxed);
    for (uint32_t k = 0; k < layout->words; k++)
        atomic_store_explicit(&record->words[k], k < layout->null_words ? UINT64_MAX : 0,
                              memory_order_relaxed);
    atomic_store_explicit(slot, (uintptr_t)record, memory_order_release);
    atomic_fetch_add_explicit(&table->live, 1, memory_order_relaxed);
    *out = record;
    return KDK_OK;
}

/* Whether the generation or a load may have the row. That it has is seen when it is read:
 * replay reads no rows. */
static bool row_may_be_below(struct table *table, rowid id)
{
    return id < atomic_load_explicit(&table->next_id, memory_order_relaxed) ||
           loads_header(table, id) != 1;
}

/* A record of a row below memory, of which nothing has changed yet. */
static kdk_status row_patch(struct table *table, const struct layout *layout, rowid id,
                            struct record **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct group *group;
    _Atomic uintptr_t *slot;
    TRY(rowmap_slot(table, id, &group, &slot, err));
    TRY_MEM(*out = record_absent(layout, loads_header(table, id)));
    atomic_store_explicit(slot, (uintptr_t)*out, memory_order_release);
out:
    return status;
}

static void row_remove(struct table *table, rowid id, struct record *record)
{
    record_free_strings(table, record);
    atomic_store_explicit(group_slot(rowmap_group(table, id), id), 0, memory_order_release);
    rowmap_release(table, id, record, true);
    atomic_fetch_sub_explicit(&table->live, 1, memory_order_relaxed);
}

/* With rows below memory, the record stays and hides the row there. */
static void row_hide(struct table *table, rowid id, struct record *record,
                     uint64_t timestamp)
{
    const uint64_t meta = atomic_load_explicit(&record->meta, memory_order_relaxed);
    atomic_store_explicit(&record->meta,
                          META(META_LAYOUT(meta), META_FLAGS(meta) | RECORD_DELETED, 0),
                          memory_order_relaxed);
    atomic_store_explicit(&record->header, timestamp, memory_order_release);
    group_raise(rowmap_group(table, id), timestamp);
    atomic_fetch_sub_explicit(&table->live, 1, memory_order_relaxed);
}

static kdk_status row_apply(struct table *table, uint64_t timestamp,
                            struct record_view *view, uint64_t *words, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout = table_newest(table);
    struct record *record = view->row ? rowmap_get(table, view->row) : NULL;
    bool loaded = false;

    if (view->kind == RECORD_FILE || view->kind == RECORD_DICT)
        return load_recover(table, timestamp, view, err);

    if (view->row == 0)
        TRY(no_row(table, 0, err));
    if (!record && view->kind != RECORD_ROW_FULL && table->store->disk &&
        row_may_be_below(table, view->row))
        TRY(row_patch(table, layout, view->row, &record, err));
    if (record && META_FLAGS(atomic_load_explicit(&record->meta, memory_order_relaxed)) &
                      RECORD_DELETED)
        TRY(no_row(table, view->row, err));
    if (view->kind == RECORD_ROW_DELETE) {
        if (!record)
            TRY(no_row(table, view->row, err));
        if (table->store->disk)
            row_hide(table, view->row, record, timestamp);
        else
            row_remove(table, view->row, record);
        goto out;
    }
    if (!record && view->kind == RECORD_ROW_PATCH)
        TRY(no_row(table, view->row, err));
    if (view->count > layout->count && view->kind == RECORD_ROW_FULL)
        TRY(err_set(
            err, KDK_CORRUPT,
            "the write-ahead log has a row of table %u with %u columns, which has %u",
            table->id, view->count, layout->count));
    if (!record)
        TRY(row_make(table, layout, view->row, &record, err));
    const uint64_t meta = atomic_load_explicit(&record->meta, memory_order_relaxed);
    const bool patch = META_FLAGS(meta) & RECORD_PATCH;
    words_load(record, words, meta_words(layout, meta));
    loaded = true;
    for (uint32_t k = 0; k < view->count; k++) {
        struct record_value value;
        struct datum datum;
        record_value(view, &value);
        if (value.column >= layout->count)
            TRY(err_set(err, KDK_CORRUPT,
                        "the write-ahead log changes column %u of table %u, which has %u",
                        value.column, table->id, layout->count));
        if (layout->fields[value.column].kind == FIELD_NONE)
            continue;
        TRY(record_datum(&value, layout->fields[value.column].type, &datum, err));
        TRY(word_set(table, layout, value.column, &datum, words, err));
        if (patch)
            bit_clear(words + layout->words, value.column);
    }
    /* Columns that came after this was written. */
    for (uint32_t c = view->count; view->kind == RECORD_ROW_FULL && c < layout->count; c++)
        TRY(word_set(table, layout, c, &layout->fields[c].missing, words, err));
    atomic_store_explicit(&record->header, timestamp, memory_order_release);
    group_raise(rowmap_group(table, view->row), timestamp);
out:
    /* Also after an error: the strings that were replaced are gone. */
    if (loaded)
        words_store(
            record, words,
            meta_words(layout, atomic_load_explicit(&record->meta, memory_order_relaxed)));
    return status;
}

typedef kdk_status (*apply_fn)(void *target, uint64_t timestamp, struct record_view *view,
                               void *room, struct err *err);

static kdk_status pending_apply(const struct pending *pending, apply_fn apply, void *target,
                                void *room, uint64_t *newest, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cursor in = cursor_of(pending->todo.data, pending->todo.len);
    while (cursor_left(&in) > 0) {
        struct record_view view;
        const uint64_t timestamp = cursor_varint(&in); /* 0: outside of a transaction. */
        *newest = MAX(*newest, timestamp);
        TRY(record_next(&in, &view, err));
        TRY(apply(target, timestamp, &view, room, err));
    }
out:
    return status;
}

static kdk_status row_apply_to(void *table, uint64_t timestamp, struct record_view *view,
                               void *words, struct err *err)
{
    return row_apply(table, timestamp, view, words, err);
}

kdk_status recover_table(struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct recovery *recovery = table->store->recovery;
    uint64_t *words = NULL, newest = 0;
    if (!recovery)
        return KDK_OK;
    struct pending **at = pending_find(recovery, table->id, 0), *pending = *at;
    if (!pending)
        return KDK_OK;
    txn_enter(table->store->man);
    TRY_MEM(words = MEM_ARRAY(uint64_t, table_newest(table)->words +
                                            table_newest(table)->null_words));
    TRY(pending_apply(pending, row_apply_to, table, words, &newest, err));
    if (pending->high + 1 > atomic_load_explicit(&table->next_id, memory_order_relaxed))
        atomic_store_explicit(&table->next_id, pending->high + 1, memory_order_relaxed);
    atomic_store_explicit(&table->ids_reserved,
                          atomic_load_explicit(&table->next_id, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    atomic_store_explicit(&table->youngest, newest, memory_order_release);
    *at = pending->next;
    pending_free(pending);
out:
    note_failed(recovery, status, newest);
    txn_leave(table->store->man);
    mem_free(words);
    if (status != KDK_OK)
        err_while(err, "recovering table %u", table->id);
    return status;
}

/* ------------------------------------------------------------------ indexes ---- */

static kdk_status entry_apply(void *target, uint64_t timestamp, struct record_view *view,
                              void *room, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index *index = target;
    struct entry *entry = NULL;
    (void)room;
    if (view->kind == RECORD_RUN)
        return load_recover(index->table, timestamp, view, err);
    if (view->kind == RECORD_INDEX_MINUS) {
        const struct memtree_item *item;
        const struct memtree_probe probe = {view->key, (uint32_t)view->key_bytes, false,
                                            view->row, 0};
        if (memtree_scan(index->tree, &probe, false, &item, 1) != 1 ||
            item->id != view->row || item->bytes != view->key_bytes ||
            (item->bytes && memcmp(item->key, view->key, item->bytes) != 0)) {
            if (index->table->store->disk)
                /* The generation's. That the row is in memory, changed, ends it. */
                return KDK_OK;
            err_set(err, KDK_CORRUPT,
                    "the write-ahead log ends an index entry that does not exist");
            err_detail(err, "Index %u, row %llu.", index->def.id,
                       (unsigned long long)view->row);
            return KDK_CORRUPT;
        }
        memtree_remove(index->tree, item);
        mem_free(entry_of(item));
        return KDK_OK;
    }
    if (view->key_bytes > TREE_KEY_BYTES_MAX)
        return err_set(err, KDK_CORRUPT,
                       "the write-ahead log has a key of %zu bytes for index %u",
                       view->key_bytes, index->def.id);
    TRY_MEM(entry = mem_zalloc(offsetof(struct entry, item.key) + view->key_bytes));
    atomic_init(&entry->stamp, timestamp);
    entry->index = index;
    entry->op = ENTRY_PLUS;
    entry->has_null = view->has_null;
    entry->item.id = view->row;
    entry->item.seq =
        atomic_fetch_add_explicit(&index->table->next_seq, 1, memory_order_relaxed);
    entry->item.bytes = (uint32_t)view->key_bytes;
    if (view->key_bytes)
        memcpy(entry->item.key, view->key, view->key_bytes);
    TRY(memtree_insert(index->tree, &entry->item, err));
    entry = NULL;
out:
    mem_free(entry);
    return status;
}

/* Records that have some of the index's columns: of rows changed before the index was made,
 * which the log does not have with whole keys. */
struct partial {
    const struct index *index;
    rowid *ids;
    size_t count, cap;
    bool no_memory;
};

static void partial_note(void *context, rowid id, struct record *record)
{
    struct partial *partial = context;
    const struct tindex *def = &partial->index->def;
    const uint64_t meta = atomic_load_explicit(&record->meta, memory_order_relaxed);
    const struct layout *layout = table_layout(partial->index->table, META_LAYOUT(meta));
    uint32_t absent = 0;
    if (!(META_FLAGS(meta) & RECORD_PATCH) || META_FLAGS(meta) & RECORD_DELETED)
        return;
    for (uint32_t k = 0; k < def->column_count; k++) {
        const uint32_t c = def->columns[k];
        absent += c < layout->count &&
                  atomic_load_explicit(&record->words[layout->words + c / 64],
                                       memory_order_relaxed) >>
                          (c % 64) &
                      1;
    }
    if (absent == 0 || absent == def->column_count)
        return;
    if (partial->count == partial->cap) {
        const size_t cap = MAX(partial->cap * 2, 64u);
        rowid *ids = mem_realloc(partial->ids, size_mul(cap, sizeof *ids));
        partial->no_memory |= !ids;
        if (!ids)
            return;
        partial->ids = ids;
        partial->cap = cap;
    }
    partial->ids[partial->count++] = id;
}

static kdk_status partial_fill(const struct index *index, rowid id, uint64_t *words,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = index->table;
    struct record *record = rowmap_get(table, id);
    const uint64_t meta = atomic_load_explicit(&record->meta, memory_order_relaxed);
    const struct layout *layout = table_layout(table, META_LAYOUT(meta));
    struct arena arena = {0};
    words_load(record, words, meta_words(layout, meta));
    for (uint32_t k = 0; k < index->def.column_count; k++) {
        const uint32_t c = index->def.columns[k];
        struct datum value;
        bool found;
        if (c >= layout->count || !bit_get(words + layout->words, c))
            continue;
        TRY(below_columns_at(table->store->disk->newest, UINT64_MAX, table, id, &c, 1,
                             &value, &found, &arena, err));
        if (!found)
            TRY(patch_without_row(table, id, err));
        TRY(word_set(table, layout, c, &value, words, err));
        bit_clear(words + layout->words, c);
    }
out:
    words_store(record, words, meta_words(layout, meta));
    arena_deinit(&arena);
    return status;
}

/* T8, for an index that is younger than a change of a row. */
static kdk_status partial_keys(const struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    struct partial partial = {.index = index};
    uint64_t *words = NULL;
    const struct layout *newest = table_newest(index->table);
    if (index->def.column_count < 2 || !index->table->store->disk)
        return KDK_OK;
    rowmap_each(index->table, partial_note, &partial);
    if (partial.no_memory)
        TRY(err_nomem(err));
    TRY_MEM(words = MEM_ARRAY(uint64_t, newest->words + newest->null_words));
    for (size_t i = 0; i < partial.count; i++)
        TRY(partial_fill(index, partial.ids[i], words, err));
out:
    mem_free(words);
    mem_free(partial.ids);
    return status;
}

kdk_status recover_index(struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    struct recovery *recovery = index->table->store->recovery;
    uint64_t newest = 0;
    if (!recovery)
        return KDK_OK;
    struct pending **at = pending_find(recovery, index->table->id, index->def.id),
                   *pending = *at;
    if (pending) {
        txn_enter(index->table->store->man);
        status = pending_apply(pending, entry_apply, index, NULL, &newest, err);
        txn_leave(index->table->store->man);
        TRY(status);
        *at = pending->next;
        pending_free(pending);
    }
    TRY(partial_keys(index, err));
out:
    if (status != KDK_OK) {
        note_failed(recovery, status, newest);
        err_while(err, "recovering index %u", index->def.id);
    }
    return status;
}
