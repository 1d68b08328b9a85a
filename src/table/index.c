/* index.c - indexes in memory: entries, keys, uniqueness, cursors.
 *
 * An entry says: some version of this row has this key. It is placed after the version (in
 * flight) is in the record, and taken out when no snapshot can see a version with the key,
 * so every version that a snapshot may see has one (T4). For a row whose key never changed
 * while it was in memory, an entry that the snapshot sees is the row's only one, and right
 * for every version; and if the row is not marked deleted the snapshot sees it, since it
 * sees what made the entry. Rows with RECORD_KEYED or RECORD_DELETED are looked at: the
 * entry counts if the version that the statement sees has its key. RECORD_KEYED is set
 * before the entry of the new key exists (T5), so a cursor that meets that entry meets the
 * flag. So lookups are exact.
 *
 * Uniqueness: the row and its entry come first, the probe after them, at the end of the
 * statement. Of two who place the same key at once at least one probes after both entries
 * are there and sees the other.
 */
#include "table/load.h"

#include "base/mem.h"

#define POINT_ITEMS  8u
#define CURSOR_ITEMS KDK_PICK(64u, 3u)

/* --------------------------------------------------------------- structure ---- */

void index_retire_block(void *context, struct memtree_block *block)
{
    struct index *index = context;
    static_assert(sizeof(struct txn_garbage) <= sizeof block->link,
                  "the tree's blocks have room for the link");
    struct txn_garbage *garbage = (struct txn_garbage *)block;
    garbage->free = (void (*)(struct txn_garbage *))mem_free;
    txn_retire(index->table->store->man, garbage);
}

kdk_status index_new(struct table *table, const struct tindex *def, struct index **out,
                     struct err *err)
{
    kdk_status status = KDK_OK;
    struct index *index = NULL;
    TRY_ASSERT(def->column_count <= COUNT_OF(def->columns));
    TRY_MEM(index = MEM_NEW(struct index));
    index->def = *def;
    index->table = table;
    TRY(memtree_new(index_retire_block, index, &index->tree, err));
    *out = index;
    index = NULL;
out:
    index_free(index);
    return status;
}

static void item_free(void *context, const struct memtree_item *item)
{
    (void)context;
    mem_free(entry_of(item));
}

void index_free(struct index *index)
{
    if (!index)
        return;
    memtree_free(index->tree, item_free, NULL);
    mem_free(index);
}

struct index *index_find(struct table *table, uint32_t id)
{
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    for (uint32_t i = 0; i < set->count; i++) {
        struct index *index = set_index(set, i);
        if (index && index->def.id == id)
            return index;
    }
    return NULL;
}

kdk_status index_key_fits(struct index *index, size_t bytes, struct err *err)
{
    char room[TABLE_NAME_ROOM];
    if (bytes <= INDEX_KEY_BYTES_MAX)
        return KDK_OK;
    return err_set(err, KDK_LIMIT, "index row size %zu exceeds maximum %u for index \"%s\"",
                   bytes, (unsigned)INDEX_KEY_BYTES_MAX, name_of_index(index, room));
}

kdk_status index_values_key(struct index *index, const struct layout *layout,
                            const struct datum *values, struct buf *key, struct err *err)
{
    buf_clear(key);
    for (uint32_t k = 0; k < index->def.column_count; k++)
        if (key_add(key, layout->fields[index->def.columns[k]].type, &values[k],
                    index->def.descending[k], index->def.nulls_first[k]) != KDK_OK)
            return err_nomem(err);
    return KDK_OK;
}

kdk_status index_key(struct index *index, const struct image *image, struct buf *key,
                     bool *has_null, struct err *err)
{
    buf_clear(key);
    *has_null = false;
    for (uint32_t k = 0; k < index->def.column_count; k++) {
        const uint32_t c = index->def.columns[k];
        struct datum value = image_get(index->table, image, c);
        *has_null |= value.null;
        struct ltype type = c < image->layout->count
                                ? image->layout->fields[c].type
                                : table_newest(index->table)->fields[c].type;
        if (key_add(key, type, &value, index->def.descending[k],
                    index->def.nulls_first[k]) != KDK_OK)
            return err_nomem(err);
    }
    return index_key_fits(index, key->len, err);
}

kdk_status entry_new(struct index *index, enum entry_op op, rowid id, const struct buf *key,
                     bool has_null, struct txn *txn, struct entry **out, struct err *err)
{
    struct entry *entry = mem_alloc(offsetof(struct entry, item.key) + key->len);
    if (!entry)
        return err_nomem(err);
    atomic_init(&entry->stamp, txn->number | TXN_UNCOMMITTED);
    entry->next = NULL;
    entry->index = index;
    entry->command = txn->command;
    entry->op = (uint8_t)op;
    entry->has_null = has_null;
    entry->item.id = id;
    entry->item.seq =
        atomic_fetch_add_explicit(&index->table->next_seq, 1, memory_order_relaxed);
    entry->item.bytes = (uint32_t)key->len;
    if (key->len)
        memcpy(entry->item.key, key->data, key->len);
    *out = entry;
    return KDK_OK;
}

static bool key_equal(const struct memtree_item *item, const void *key, size_t bytes)
{
    return item->bytes == bytes && (bytes == 0 || memcmp(item->key, key, bytes) == 0);
}

/* ------------------------------------------------------------------ tidying ---- */

void part_tidy_entries(struct part *part)
{
    struct txnman *man = part->table->store->man;
    for (struct entry *minus = part->minus; minus; minus = minus->next) {
        /* What this ended came before it: all entries of (key, row) with a smaller sequence
         * number, since a row has one writer at a time. All are committed: theirs were
         * older writers of the row, or this one. */
        const struct memtree_item *items[POINT_ITEMS];
        struct memtree_probe probe = {minus->item.key, minus->item.bytes, false,
                                      minus->item.id, 0};
        uint32_t n;
        txn_enter(man);
        do {
            n = memtree_scan(minus->index->tree, &probe, false, items, POINT_ITEMS);
            for (uint32_t i = 0; i < n; i++) {
                struct entry *entry = entry_of(items[i]);
                if (items[i]->id != minus->item.id ||
                    !key_equal(items[i], minus->item.key, minus->item.bytes) ||
                    items[i]->seq >= minus->item.seq) {
                    n = 0;
                    break;
                }
                /* Nobody else takes out a committed entry. */
                if (memtree_remove(minus->index->tree, &entry->item)) {
                    entry->next = part->dead;
                    part->dead = entry;
                }
            }
        } while (n == POINT_ITEMS);
        txn_leave(man);
    }
}

/* --------------------------------------------------------------- uniqueness ---- */

kdk_status index_unique_error(struct index *index, const uint8_t *bytes, size_t count,
                              bool building, struct err *err)
{
    kdk_status status = KDK_OK;
    struct arena arena = {0};
    struct buf names = {0}, texts = {0};
    struct cursor cursor = cursor_of(bytes, count);
    const struct layout *layout = table_newest(index->table);
    char room[TABLE_NAME_ROOM];
    for (uint32_t k = 0; k < index->def.column_count; k++) {
        struct datum value;
        struct ltype type = layout->fields[index->def.columns[k]].type;
        TRY(key_read(&cursor, type, index->def.descending[k], index->def.nulls_first[k],
                     &arena, &value, err));
        if (k) {
            buf_add_str(&names, ", ");
            buf_add_str(&texts, ", ");
        }
        buf_add_str(&names, name_of_column(index->table, index->def.columns[k], room));
        if (value.null)
            buf_add_str(&texts, "null");
        else
            TRY(datum_print(type, &value, &texts));
    }
    TRY(buf_status(&names, err));
    TRY(buf_status(&texts, err));
    if (building)
        status = err_set(err, KDK_UNIQUE, "could not create unique index \"%s\"",
                         name_of_index(index, room));
    else
        status = err_set(err, KDK_UNIQUE,
                         "duplicate key value violates unique constraint \"%s\"",
                         name_of_index(index, room));
    err_detail(err, "Key (%s)=(%s) %s.", names.data, texts.data,
               building ? "is duplicated" : "already exists");
out:
    buf_deinit(&names);
    buf_deinit(&texts);
    arena_deinit(&arena);
    return status;
}

static kdk_status unique_error(struct index *index, const struct memtree_item *item,
                               bool building, struct err *err)
{
    return index_unique_error(index, item->key, item->bytes, building, err);
}

static kdk_status has_key(struct index *index, const struct image *image,
                          const struct memtree_item *item, struct buf *key, bool *out,
                          struct err *err)
{
    bool has_null;
    kdk_status status = index_key(index, image, key, &has_null, err);
    *out = status == KDK_OK && key_equal(item, key->data, key->len);
    return status;
}

/* Does row `id` stand against the key of `item`? In its newest state, or in the one it may
 * go back to. `below`: if it is not in memory, it has the key. */
static kdk_status probe_row(struct txn *txn, struct part *part, struct index *index,
                            rowid id, const struct memtree_item *item, uint64_t stamp,
                            bool below, struct err *err)
{
    kdk_status status = KDK_OK;
    struct image image;
    bool now = false, before = false, found;
    image_init(&image);
    struct record *record = rowmap_get(index->table, id);
    if (!record && below) /* What its generation says is the newest there is (D1). */
        TRY(unique_error(index, item, false, err));
    if (!record)
        goto out;
    TRY(record_copy(index->table, record, &image, err));
    const uint64_t header = image.header;
    /* Of a row whose key is as below the entry tells, unless it may go. */
    if (image_key_absent(&image, &index->def) && stamp & TXN_UNCOMMITTED &&
        TXN_VALUE(stamp) != txn->number)
        TRY(conflict_set(txn, 0, TXN_VALUE(stamp), err));
    if (META_FLAGS(image.meta) & RECORD_DELETED)
        now = false;
    else if (image_key_absent(&image, &index->def))
        now = below;
    else
        TRY(has_key(index, &image, item, &part->key, &now, err));
    if (!(header & TXN_UNCOMMITTED) || TXN_VALUE(header) == txn->number) {
        if (now)
            status = unique_error(index, item, false, err);
        goto out;
    }
    TRY(image_before_txn(index->table, &image, &found, err));
    if (found && image_key_absent(&image, &index->def))
        before = below;
    else if (found)
        TRY(has_key(index, &image, item, &part->key, &before, err));
    if (now && before)
        status = unique_error(index, item, false, err);
    else if (now || before)
        status = conflict_set(txn, 0, TXN_VALUE(header), err);
out:
    image_deinit(&image);
    return status;
}

/* An entry that the generation may lack: it is in memory only. One that is stamped at or
 * below S is there too, or has ended. */
static bool newer_than_below(const struct txn *txn, uint64_t stamp)
{
    const struct generation *generation = txn_generation(txn);
    return generation &&
           (stamp & TXN_UNCOMMITTED || TXN_VALUE(stamp) > generation->manifest.timestamp);
}

static bool below_key_equal(const struct entry_cursor *cursor, const void *key,
                            size_t bytes)
{
    return cursor->valid && cursor->key_bytes == bytes + 8 &&
           (bytes == 0 || memcmp(cursor->key, key, bytes) == 0);
}

/* Somebody's load has the key: in flight elsewhere, it may come or go. */
static kdk_status probe_load(struct txn *txn, struct index *index, const struct load *load,
                             const uint8_t *key, size_t bytes, bool *probe, struct err *err)
{
    const uint64_t stamp =
        load ? atomic_load_explicit(&load->stamp, memory_order_acquire) : 0;
    *probe = !(stamp & TXN_UNCOMMITTED);
    if (*probe)
        return KDK_OK;
    if (TXN_VALUE(stamp) == txn->number)
        return index_unique_error(index, key, bytes, false, err);
    return conflict_set(txn, 0, TXN_VALUE(stamp), err);
}

/* The rows below memory that have the key of an own entry. */
static kdk_status check_below(struct txn *txn, struct part *part, struct entry *entry,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_sources sources = {0};
    struct entry_cursor cursor = {0};
    const struct memtree_item *mine = &entry->item;
    TRY(index_sources_open(txn, entry->index, true, &sources, err));
    for (uint32_t i = 0; i < sources.count; i++) {
        const struct index_source *source = &sources.all[i];
        entries_deinit(&cursor);
        entries_init(&cursor, source);
        TRY(entries_seek(&cursor, mine->key, mine->bytes, err));
        while (below_key_equal(&cursor, mine->key, mine->bytes)) {
            const rowid id = get_be64(cursor.key + mine->bytes);
            bool probe = id != mine->id;
            if (probe)
                TRY(probe_load(txn, entry->index, source->load, mine->key, mine->bytes,
                               &probe, err));
            if (probe) {
                txn_enter(txn->man);
                status = probe_row(txn, part, entry->index, id, mine, 0, true, err);
                txn_leave(txn->man);
                TRY(status);
            }
            TRY(entries_next(&cursor, err));
        }
    }
out:
    entries_deinit(&cursor);
    index_sources_close(&sources);
    return status;
}

static kdk_status check_entry(struct txn *txn, struct part *part, struct entry *entry,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    const struct memtree_item *items[POINT_ITEMS], *mine = &entry->item;
    struct memtree_probe probe = {mine->key, mine->bytes, false, 0, 0};
    uint32_t n;
    rowid last = mine->id;
    txn_enter(txn->man);
    do {
        n = memtree_scan(entry->index->tree, &probe, false, items, POINT_ITEMS);
        for (uint32_t i = 0; i < n; i++) {
            if (!key_equal(items[i], mine->key, mine->bytes))
                goto out;
            if (items[i]->id == mine->id || items[i]->id == last)
                continue;
            last = items[i]->id;
            const uint64_t stamp =
                atomic_load_explicit(&entry_of(items[i])->stamp, memory_order_acquire);
            TRY(probe_row(txn, part, entry->index, last, mine, stamp,
                          newer_than_below(txn, stamp), err));
        }
        if (n) {
            probe.id = items[n - 1]->id;
            probe.seq = items[n - 1]->seq + 1;
        }
    } while (n == POINT_ITEMS);
out:
    txn_leave(txn->man);
    return status;
}

kdk_status part_check_unique(struct part *part, struct txn *txn, struct err *err)
{
    kdk_status status = KDK_OK;
    if (part->loader)
        TRY(load_finish(part->loader, err));
    for (struct entry *entry = part->plus; entry != part->checked; entry = entry->next)
        if (entry->index->def.unique && !entry->has_null) {
            TRY(check_entry(txn, part, entry, err));
            TRY(check_below(txn, part, entry, err));
        }
    part->checked = part->plus;
out:
    if (status != KDK_OK)
        txn->failed = true; /* What breaks the rule is in place. */
    return status;
}

kdk_status table_statement_end(struct txn *txn, struct err *err)
{
    kdk_status status = KDK_OK;
    for (struct txn_part *part = txn->parts; part; part = part->next)
        if (part->ops == &table_part_ops)
            TRY(part_check_unique((struct part *)part, txn, err));
out:
    return status;
}

kdk_status index_check_built(struct txn *txn, struct index *index, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct memtree_item *items[POINT_ITEMS];
    struct memtree_probe probe = {(const uint8_t *)"", 0, false, 0, 0};
    uint32_t n;
    txn_enter(txn->man);
    do {
        /* One item of overlap between rounds. */
        n = memtree_scan(index->tree, &probe, false, items, POINT_ITEMS);
        for (uint32_t i = 1; i < n; i++)
            if (!entry_of(items[i])->has_null &&
                key_equal(items[i], items[i - 1]->key, items[i - 1]->bytes))
                TRY(unique_error(index, items[i], true, err));
        if (n) {
            const struct memtree_item *last = items[n - 1];
            probe =
                (struct memtree_probe){last->key, last->bytes, false, last->id, last->seq};
        }
    } while (n == POINT_ITEMS);
out:
    txn_leave(txn->man);
    return status;
}

/* To the first entry at or behind the key: by steps while it is near. */
static kdk_status cursor_reach(struct entry_cursor *cursor, const uint8_t *key,
                               size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint32_t steps = 0; steps < 4; steps++) {
        if (!cursor->valid ||
            btree_compare(cursor->key, cursor->key_bytes - 8, key, bytes) >= 0)
            return KDK_OK;
        TRY(entries_next(cursor, err));
    }
    if (cursor->valid && btree_compare(cursor->key, cursor->key_bytes - 8, key, bytes) < 0)
        TRY(entries_seek(cursor, key, bytes, err));
out:
    return status;
}

/* A key of a load that somebody else may have: the row decides. `mine`: room for the key as
 * an item. */
static kdk_status probe_loaded(struct txn *txn, struct part *part, struct index *index,
                               rowid id, const uint8_t *key, size_t bytes, uint64_t stamp,
                               bool below, struct err *err)
{
    struct memtree_item *mine = mem_zalloc(offsetof(struct memtree_item, key) + bytes);
    if (!mine)
        return err_nomem(err);
    mine->bytes = (uint32_t)bytes;
    if (bytes)
        memcpy(mine->key, key, bytes);
    txn_enter(txn->man);
    const kdk_status status = probe_row(txn, part, index, id, mine, stamp, below, err);
    txn_leave(txn->man);
    mem_free(mine);
    return status;
}

/* Memory's entries, a few at a time, against those of a load. */
static kdk_status check_load_memory(struct txn *txn, struct part *part, struct index *index,
                                    struct entry_cursor *mine, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct memtree_item *items[CURSOR_ITEMS];
    struct {
        rowid id;
        size_t at, bytes;
        uint64_t stamp;
    } seen[CURSOR_ITEMS];
    struct buf keys = {0}, from = {0};
    struct memtree_probe probe = {(const uint8_t *)"", 0, false, 0, 0};
    uint32_t n;
    do {
        buf_clear(&keys);
        txn_enter(txn->man);
        n = memtree_scan(index->tree, &probe, false, items, CURSOR_ITEMS);
        for (uint32_t i = 0; i < n; i++) {
            seen[i].id = items[i]->id;
            seen[i].at = keys.len;
            seen[i].bytes = items[i]->bytes;
            seen[i].stamp =
                atomic_load_explicit(&entry_of(items[i])->stamp, memory_order_acquire);
            buf_add(&keys, items[i]->key, items[i]->bytes);
        }
        if (n) {
            buf_clear(&from);
            buf_add(&from, items[n - 1]->key, items[n - 1]->bytes);
            probe = (struct memtree_probe){(const uint8_t *)(from.data ? from.data : ""),
                                           (uint32_t)from.len, false, items[n - 1]->id,
                                           items[n - 1]->seq + 1};
        }
        txn_leave(txn->man);
        TRY(buf_status(&keys, err));
        TRY(buf_status(&from, err));
        for (uint32_t i = 0; i < n; i++) {
            const uint8_t *key = (const uint8_t *)(keys.data ? keys.data : "") + seen[i].at;
            TRY(cursor_reach(mine, key, seen[i].bytes, err));
            if (below_key_equal(mine, key, seen[i].bytes) && !mine->has_null)
                TRY(probe_loaded(txn, part, index, seen[i].id, key, seen[i].bytes,
                                 seen[i].stamp, newer_than_below(txn, seen[i].stamp), err));
        }
    } while (n == CURSOR_ITEMS);
out:
    buf_deinit(&keys);
    buf_deinit(&from);
    return status;
}

/* Two sorted sequences, the shorter way through both. */
static kdk_status check_load_source(struct txn *txn, struct part *part, struct index *index,
                                    struct entry_cursor *mine,
                                    const struct index_source *source, struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor other;
    entries_init(&other, source);
    TRY(entries_first(mine, err));
    TRY(entries_first(&other, err));
    while (mine->valid && other.valid) {
        const uint32_t bytes = mine->key_bytes - 8;
        const int order = btree_compare(mine->key, bytes, other.key, other.key_bytes - 8);
        if (order < 0) {
            TRY(cursor_reach(mine, other.key, other.key_bytes - 8, err));
            continue;
        }
        if (order > 0) {
            TRY(cursor_reach(&other, mine->key, bytes, err));
            continue;
        }
        if (!mine->has_null) {
            bool probe;
            TRY(probe_load(txn, index, source->load, mine->key, bytes, &probe, err));
            TRY(probe_loaded(txn, part, index, get_be64(other.key + other.key_bytes - 8),
                             mine->key, bytes, 0, true, err));
        }
        TRY(entries_next(&other, err));
    }
out:
    entries_deinit(&other);
    return status;
}

kdk_status index_check_load(struct txn *txn, struct part *part, struct index *index,
                            struct load *load, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_sources sources = {0};
    struct entry_cursor mine = {0};
    TRY(index_sources_open(txn, index, true, &sources, err));
    for (uint32_t k = 0; k < sources.count; k++) {
        if (sources.all[k].load != load)
            continue;
        entries_deinit(&mine);
        entries_init(&mine, &sources.all[k]);
        TRY(entries_first(&mine, err));
        TRY(check_load_memory(txn, part, index, &mine, err));
        /* Each source once, and of the load's own two the one against the other: each in
         * itself has no key twice. */
        for (uint32_t i = 0; i < sources.count; i++)
            if (i > k || sources.all[i].load != load)
                TRY(check_load_source(txn, part, index, &mine, &sources.all[i], err));
    }
out:
    entries_deinit(&mine);
    index_sources_close(&sources);
    return status;
}

/* ------------------------------------------------------------------ lookups ---- */

/* Is the entry the one of the version that the statement sees? */
static kdk_status entry_counts(struct txn *txn, struct index *index,
                               const struct memtree_item *item, bool *out, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct entry *entry = entry_of(item);
    *out = false;
    const uint64_t stamp = atomic_load_explicit(&entry->stamp, memory_order_acquire);
    if (!txn_sees(txn, stamp, entry->command))
        return KDK_OK;
    if (txn_generation(txn) && !newer_than_below(txn, stamp))
        return KDK_OK; /* The generation has it, if it still holds. */
    struct record *record = rowmap_get(index->table, item->id);
    if (!record) { /* Of a new index, for a row that is below and as it was. */
        *out = txn_generation(txn) != NULL;
        return KDK_OK;
    }
    uint64_t meta = atomic_load_explicit(&record->meta, memory_order_acquire);
    if (!(META_FLAGS(meta) & (RECORD_KEYED | RECORD_DELETED))) {
        *out = true;
        return KDK_OK;
    }
    struct image image;
    struct buf key = {0};
    image_init(&image);
    TRY(record_copy(index->table, record, &image, err));
    TRY(image_resolve(txn, index->table, &image, out, err));
    if (*out && !image_key_absent(&image, &index->def))
        TRY(has_key(index, &image, item, &key, out, err));
out:
    buf_deinit(&key);
    image_deinit(&image);
    return status;
}

/* Does an entry of the generation count? If the row is not in memory, it does (D4). */
static kdk_status below_counts(struct txn *txn, struct index *index, rowid id,
                               const void *bytes, size_t count, struct buf *key, bool *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct image image;
    bool has_null;
    image_init(&image);
    *out = true;
    txn_enter(txn->man);
    struct record *record = rowmap_get(index->table, id);
    if (!record)
        goto out;
    TRY(record_copy(index->table, record, &image, err));
    TRY(image_resolve(txn, index->table, &image, out, err));
    if (!*out || image_key_absent(&image, &index->def))
        goto out; /* As below. */
    TRY(index_key(index, &image, key, &has_null, err));
    *out = key->len == count && (count == 0 || memcmp(key->data, bytes, count) == 0);
out:
    txn_leave(txn->man);
    image_deinit(&image);
    return status;
}

static kdk_status point_below(struct txn *txn, struct index *index, const void *key,
                              size_t key_bytes, rowid *ids, uint32_t max, uint32_t *count,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_sources sources = {0};
    struct entry_cursor cursor = {0};
    struct buf room = {0};
    TRY(index_sources_open(txn, index, false, &sources, err));
    for (uint32_t s = 0; s < sources.count && *count <= max; s++) {
        entries_deinit(&cursor);
        entries_init(&cursor, &sources.all[s]);
        TRY(entries_seek(&cursor, key, key_bytes, err));
        while (*count <= max && below_key_equal(&cursor, key, key_bytes)) {
            const rowid id = get_be64(cursor.key + key_bytes);
            bool counts;
            TRY(below_counts(txn, index, id, key, key_bytes, &room, &counts, err));
            for (uint32_t i = 0; i < *count && counts; i++)
                counts = ids[i] != id; /* Memory has an entry for it, too. */
            if (counts && *count < max)
                ids[*count] = id;
            *count += counts;
            TRY(entries_next(&cursor, err));
        }
    }
out:
    entries_deinit(&cursor);
    index_sources_close(&sources);
    buf_deinit(&room);
    return status;
}

kdk_status index_point(struct txn *txn, struct table *table, uint32_t index_id,
                       const void *key, size_t key_bytes, rowid *ids, uint32_t max,
                       uint32_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct memtree_item *items[POINT_ITEMS];
    struct memtree_probe probe = {key, (uint32_t)key_bytes, false, 0, 0};
    rowid last = 0;
    uint32_t n;
    *count = 0;
    txn_enter(txn->man);
    struct index *index = index_find(table, index_id);
    TRY_ASSERT(index != NULL);
    do {
        n = memtree_scan(index->tree, &probe, false, items, *count ? POINT_ITEMS : 2);
        const uint32_t wanted = *count ? POINT_ITEMS : 2;
        for (uint32_t i = 0; i < n; i++) {
            bool counts;
            if (!key_equal(items[i], key, key_bytes))
                goto out;
            if (items[i]->id == last)
                continue;
            TRY(entry_counts(txn, index, items[i], &counts, err));
            if (!counts)
                continue;
            last = items[i]->id;
            if (*count < max)
                ids[*count] = last;
            if (++*count > max)
                goto out;
        }
        if (n < wanted)
            break;
        probe.id = items[n - 1]->id;
        probe.seq = items[n - 1]->seq + 1;
    } while (true);
out:
    txn_leave(txn->man);
    if (status == KDK_OK && txn_generation(txn) && *count <= max)
        status = point_below(txn, index, key, key_bytes, ids, max, count, err);
    return status;
}

/* A cursor copies keys and ids of some items at a time, so that it holds no guard between
 * calls. */
struct index_cursor {
    struct txn *txn;
    struct index *index;
    const uint8_t *lower, *upper; /* In the arena; NULL: open. */
    uint32_t lower_bytes, upper_bytes;
    bool backwards, done;
    struct buf keys;                   /* Of the items at hand, */
    uint32_t key_at[CURSOR_ITEMS + 1]; /* beginning here. */
    rowid ids[CURSOR_ITEMS];
    uint32_t count, next;
    struct buf from; /* Where to go on: the last item seen, */
    uint64_t from_id, from_seq;
    bool started;
    struct buf yielded; /* The last (key, id) given out. */
    rowid yielded_id;
    /* Entries below memory: of the generation and of loads. */
    struct index_sources sources;
    struct below *below; /* sources.count */
    struct buf room;
};
/* A position in one source. */
struct below {
    struct entry_cursor at;
    bool started, done;
    bool ready; /* It is on an entry that counts and was not given out. */
};

kdk_status index_open(struct txn *txn, struct table *table, uint32_t index_id,
                      const void *lower, size_t lower_bytes, const void *upper,
                      size_t upper_bytes, bool backwards, struct arena *arena,
                      struct index_cursor **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_cursor *cursor;
    TRY_MEM(cursor = ARENA_NEW(arena, struct index_cursor));
    cursor->txn = txn;
    txn_enter(txn->man);
    cursor->index = index_find(table, index_id);
    txn_leave(txn->man);
    TRY_ASSERT(cursor->index != NULL);
    cursor->backwards = backwards;
    if (lower) {
        TRY_MEM(cursor->lower = arena_dup(arena, lower, MAX(lower_bytes, 1)));
        cursor->lower_bytes = (uint32_t)lower_bytes;
    }
    if (upper) {
        TRY_MEM(cursor->upper = arena_dup(arena, upper, MAX(upper_bytes, 1)));
        cursor->upper_bytes = (uint32_t)upper_bytes;
    }
    TRY(index_sources_open(txn, cursor->index, false, &cursor->sources, err));
    cursor->below = ARENA_ARRAY(arena, struct below, MAX(cursor->sources.count, 1));
    if (!cursor->below) {
        index_sources_close(&cursor->sources);
        TRY(err_nomem(err));
    }
    for (uint32_t i = 0; i < cursor->sources.count; i++)
        entries_init(&cursor->below[i].at, &cursor->sources.all[i]);
    *out = cursor;
out:
    return status;
}

static bool past_bound(const struct index_cursor *cursor, const uint8_t *key,
                       uint32_t bytes)
{
    if (cursor->backwards) {
        if (!cursor->lower)
            return false;
        int c = memcmp(key, cursor->lower, MIN(bytes, cursor->lower_bytes));
        return c < 0 || (c == 0 && bytes < cursor->lower_bytes);
    }
    return cursor->upper && memcmp(key, cursor->upper, MIN(bytes, cursor->upper_bytes)) > 0;
}

/* To a source's first entry in the range. */
static kdk_status below_start(struct index_cursor *cursor, struct entry_cursor *at,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    if (!cursor->backwards)
        return cursor->lower ? entries_seek(at, cursor->lower, cursor->lower_bytes, err)
                             : entries_first(at, err);
    /* Behind all that begins with `upper`: at the next prefix of that length. */
    buf_clear(&cursor->room);
    if (cursor->upper)
        buf_add(&cursor->room, cursor->upper, cursor->upper_bytes);
    TRY(buf_status(&cursor->room, err));
    size_t n = cursor->room.len;
    while (n && (uint8_t)cursor->room.data[n - 1] == 0xff)
        n--;
    if (!n)
        return entries_last(at, err);
    cursor->room.data[n - 1] = (char)((uint8_t)cursor->room.data[n - 1] + 1);
    TRY(entries_seek(at, cursor->room.data, n, err));
    TRY(entries_prev(at, err));
out:
    return status;
}

/* To the next of a source's entries that counts. */
static kdk_status below_advance(struct index_cursor *cursor, struct below *below,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct entry_cursor *at = &below->at;
    while (!below->ready && !below->done) {
        if (!below->started)
            TRY(below_start(cursor, at, err));
        else if (cursor->backwards)
            TRY(entries_prev(at, err));
        else
            TRY(entries_next(at, err));
        below->started = true;
        if (!at->valid || past_bound(cursor, at->key, at->key_bytes - 8))
            below->done = true;
        else
            TRY(below_counts(cursor->txn, cursor->index,
                             get_be64(at->key + at->key_bytes - 8), at->key,
                             at->key_bytes - 8, &cursor->room, &below->ready, err));
    }
out:
    return status;
}

static int below_compare(const struct entry_cursor *a, const struct entry_cursor *b)
{
    const int order = btree_compare(a->key, a->key_bytes - 8, b->key, b->key_bytes - 8);
    return order ? order : memcmp(a->key + a->key_bytes - 8, b->key + b->key_bytes - 8, 8);
}

/* The source whose entry comes first; NULL: all are at their ends. */
static kdk_status below_first(struct index_cursor *cursor, struct below **out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    *out = NULL;
    for (uint32_t i = 0; i < cursor->sources.count; i++) {
        struct below *one = &cursor->below[i];
        TRY(below_advance(cursor, one, err));
        if (!one->ready)
            continue;
        const struct entry_cursor *first = *out ? &(*out)->at : NULL;
        const int order = !first ? -1 : below_compare(&one->at, first);
        if (cursor->backwards ? !first || order > 0 : order < 0)
            *out = one;
    }
out:
    return status;
}

static kdk_status cursor_fill(struct index_cursor *cursor, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct memtree_item *items[CURSOR_ITEMS];
    struct memtree_probe probe;
    static const uint8_t empty[1];
    if (cursor->started)
        probe = (struct memtree_probe){(const uint8_t *)cursor->from.data,
                                       (uint32_t)cursor->from.len, false, cursor->from_id,
                                       cursor->from_seq + !cursor->backwards};
    else if (cursor->backwards)
        probe = (struct memtree_probe){cursor->upper ? cursor->upper : empty,
                                       cursor->upper_bytes, true, 0, 0};
    else
        probe = (struct memtree_probe){cursor->lower ? cursor->lower : empty,
                                       cursor->lower_bytes, false, 0, 0};
    if (!probe.key)
        probe.key = empty;
    buf_clear(&cursor->keys);
    cursor->count = cursor->next = 0;
    txn_enter(cursor->txn->man);
    uint32_t n =
        memtree_scan(cursor->index->tree, &probe, cursor->backwards, items, CURSOR_ITEMS);
    cursor->done = n < CURSOR_ITEMS;
    for (uint32_t i = 0; i < n; i++) {
        bool counts;
        if (past_bound(cursor, items[i]->key, items[i]->bytes)) {
            cursor->done = true;
            break;
        }
        TRY(entry_counts(cursor->txn, cursor->index, items[i], &counts, err));
        if (!counts || (cursor->yielded_id == items[i]->id &&
                        key_equal(items[i], cursor->yielded.data, cursor->yielded.len)))
            continue;
        cursor->key_at[cursor->count] = (uint32_t)cursor->keys.len;
        cursor->ids[cursor->count++] = items[i]->id;
        cursor->yielded_id = items[i]->id;
        buf_clear(&cursor->yielded); /* Forgets a failure, so each is looked at. */
        buf_add(&cursor->yielded, items[i]->key, items[i]->bytes);
        TRY(buf_status(&cursor->yielded, err));
        buf_add(&cursor->keys, items[i]->key, items[i]->bytes);
    }
    cursor->key_at[cursor->count] = (uint32_t)cursor->keys.len;
    if (n) {
        const struct memtree_item *last = items[n - 1];
        buf_clear(&cursor->from);
        buf_add(&cursor->from, last->key, last->bytes);
        cursor->from_id = last->id;
        cursor->from_seq = last->seq;
        cursor->started = true;
    }
    TRY(buf_status(&cursor->keys, err));
    TRY(buf_status(&cursor->from, err));
out:
    txn_leave(cursor->txn->man);
    return status;
}

kdk_status index_next(struct index_cursor *cursor, rowid *id, const uint8_t **key,
                      size_t *key_bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    *id = 0;
    while (cursor->next == cursor->count && !cursor->done)
        TRY(cursor_fill(cursor, err));
    struct below *first;
    TRY(below_first(cursor, &first, err));
    const bool hot = cursor->next < cursor->count;
    const struct entry_cursor *below = first ? &first->at : NULL;
    int order = hot ? -1 : 1; /* Below zero: memory's comes first. */
    if (!hot && !first)
        goto out;
    const uint32_t i = cursor->next;
    if (hot && first) {
        const rowid there = get_be64(below->key + below->key_bytes - 8);
        order = btree_compare(cursor->keys.data + cursor->key_at[i],
                              cursor->key_at[i + 1] - cursor->key_at[i], below->key,
                              below->key_bytes - 8);
        if (order == 0)
            order = cursor->ids[i] < there ? -1 : cursor->ids[i] > there;
        if (cursor->backwards)
            order = -order;
    }
    if (order <= 0) {
        cursor->next++;
        *id = cursor->ids[i];
        if (key) {
            *key = (const uint8_t *)cursor->keys.data + cursor->key_at[i];
            *key_bytes = cursor->key_at[i + 1] - cursor->key_at[i];
        }
    } else {
        *id = get_be64(below->key + below->key_bytes - 8);
        if (key) {
            *key = below->key;
            *key_bytes = below->key_bytes - 8;
        }
    }
    if (order >= 0)
        first->ready = false; /* It stays there until the next step. */
out:
    if (status != KDK_OK) {
        for (uint32_t k = 0; k < cursor->sources.count; k++) {
            cursor->below[k].done = true;
            cursor->below[k].ready = false;
        }
        cursor->done = true;
        cursor->count = cursor->next = 0;
    }
    return status;
}

void index_close(struct index_cursor *cursor)
{
    if (!cursor)
        return;
    buf_deinit(&cursor->keys);
    buf_deinit(&cursor->from);
    buf_deinit(&cursor->yielded);
    buf_deinit(&cursor->room);
    for (uint32_t i = 0; i < cursor->sources.count; i++)
        entries_deinit(&cursor->below[i].at);
    index_sources_close(&cursor->sources);
}
