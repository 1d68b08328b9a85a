/* row.c - inserting, changing, deleting and reading single rows.
 *
 * A change is prepared completely (values, keys, undo, entries, all memory) from a copy of
 * the newest version, then the record is locked by a compare-and-swap from the header of
 * that copy, published, and the new index entries are placed. Only the last step can still
 * fail, for want of memory. After any error the transaction is marked as failed: the
 * statement may have changed other rows.
 */
#include "table/disk.h"
#include "table/load.h"

#include "base/mem.h"

/* A change being prepared. */
struct change {
    struct undo *undo, *lock_undo;
    struct entry *plus, *minus;
    struct record *moved_to;
    struct swap *swaps; /* Strings made so far, of `swap_count`. */
    uint32_t swap_count;
    bool keyed;
};

static void change_discard(struct change *change)
{
    for (uint32_t k = 0; k < change->swap_count; k++)
        mem_free(change->swaps[k].fresh);
    mem_free(change->swaps);
    mem_free(change->undo);
    mem_free(change->lock_undo);
    mem_free(change->moved_to);
    while (change->plus) {
        struct entry *next = change->plus->next;
        mem_free(change->plus);
        change->plus = next;
    }
    while (change->minus) {
        struct entry *next = change->minus->next;
        mem_free(change->minus);
        change->minus = next;
    }
    memset(change, 0, sizeof *change);
}

kdk_status not_null_error(struct table *table, uint32_t column, struct err *err)
{
    char table_room[TABLE_NAME_ROOM], column_room[TABLE_NAME_ROOM];
    return err_set(
        err, KDK_NOT_NULL,
        "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
        name_of_column(table, column, column_room), name_of_table(table, table_room));
}

kdk_status image_room(struct image *image, const struct layout *layout, struct err *err)
{
    const uint32_t words = layout->words + layout->null_words; /* A patch has so many. */
    image->layout = layout;
    image->words = words > SMALL_WORDS ? image->large : image->small;
    if (words > SMALL_WORDS && words > image->large_words) {
        mem_free(image->large);
        image->large_words = 0;
        image->large = mem_alloc(size_mul(words, 8));
        if (!image->large)
            return err_nomem(err);
        image->large_words = words;
        image->words = image->large;
    }
    memset(image->words, 0, (size_t)words * 8);
    return KDK_OK;
}

static bool string_dup(const struct datum *value, char **out)
{
    *out = NULL;
    if (value->null || value->s.len <= STR_INLINE)
        return true;
    *out = mem_dup(value->s.data, value->s.len);
    return *out != NULL;
}

/* Entries are placed where readers meet them; from here on failing means that the
 * transaction has. */
static kdk_status entries_place(struct part *part, struct change *change, struct err *err)
{
    while (change->minus) {
        struct entry *entry = change->minus;
        change->minus = entry->next;
        entry->next = part->minus;
        part->minus = entry;
    }
    while (change->plus) {
        struct entry *entry = change->plus;
        kdk_status status = memtree_insert(entry->index->tree, &entry->item, err);
        if (status != KDK_OK)
            return status;
        change->plus = entry->next;
        entry->next = part->plus;
        part->plus = entry;
    }
    return KDK_OK;
}

/* Adds the entries for the key of `image` (or, for a minus, notes that they end) of one
 * index. */
static kdk_status change_entry(struct txn *txn, struct change *change, struct index *index,
                               enum entry_op op, rowid id, const struct buf *key,
                               bool has_null, struct err *err)
{
    struct entry *entry = NULL, **list = op == ENTRY_PLUS ? &change->plus : &change->minus;
    kdk_status status = entry_new(index, op, id, key, has_null, txn, &entry, err);
    if (status != KDK_OK)
        return status;
    entry->next = *list;
    *list = entry;
    return KDK_OK;
}

static bool index_lives(struct index *index)
{
    return index && atomic_load_explicit(&index->dropped, memory_order_acquire) == 0;
}

/* ------------------------------------------------------------------- insert ---- */

static kdk_status part_note_insert(struct part *part, rowid id, struct err *err)
{
    struct id_range *last = part->range_count ? &part->ranges[part->range_count - 1] : NULL;
    if (last && last->first + last->count == id) {
        last->count++;
        return KDK_OK;
    }
    if (part->range_count == part->range_cap) {
        uint32_t cap = part->range_cap * 2;
        bool first = part->ranges == part->first_ranges;
        struct id_range *ranges =
            mem_realloc(first ? NULL : part->ranges, size_mul(cap, sizeof *ranges));
        if (!ranges)
            return err_nomem(err);
        if (first)
            memcpy(ranges, part->first_ranges, sizeof part->first_ranges);
        part->ranges = ranges;
        part->range_cap = cap;
    }
    part->ranges[part->range_count++] = (struct id_range){id, 1};
    return KDK_OK;
}

static kdk_status part_marker(struct txn *txn, struct part *part, struct undo **out,
                              struct err *err)
{
    if (!part->marker || part->marker->command != txn->command) {
        struct undo *marker =
            part->marker ? ARENA_NEW(&part->markers, struct undo) : &part->first_marker;
        if (!marker)
            return err_nomem(err);
        marker->kind = UNDO_INSERT;
        marker->command = txn->command;
        part->marker = marker;
    }
    *out = part->marker;
    return KDK_OK;
}

/* So many bytes of strings make no row that the row tree could not hold: beside them a
 * column takes at most a tag and 16 bytes or a length. */
kdk_status row_fits(const struct layout *layout, uint64_t bytes, struct err *err)
{
    if (bytes + 16 + (uint64_t)layout->count * 22 <= VALUE_BYTES_MAX)
        return KDK_OK;
    return err_set(err, KDK_LIMIT, "a row can have at most %u bytes", VALUE_BYTES_MAX);
}

static kdk_status insert_one(struct txn *txn, struct part *part,
                             const struct layout *layout, struct index_set *indexes,
                             const struct datum *values, rowid id, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = part->table;
    struct change change = {0};
    struct image image;
    struct undo *marker;
    struct group *group;
    struct record *record = NULL;
    _Atomic uintptr_t *slot;

    image_init(&image);
    uint64_t bytes = 0;
    for (uint32_t c = 0; layout->strings && c < layout->count; c++)
        if (layout->fields[c].kind == FIELD_STR && !values[c].null)
            bytes += values[c].s.len;
    TRY(row_fits(layout, bytes, err));
    TRY(image_room(&image, layout, err));
    TRY(part_marker(txn, part, &marker, err));
    if (layout->strings)
        TRY_MEM(change.swaps = MEM_ARRAY(struct swap, layout->strings));
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct field *field = &layout->fields[c];
        const char *text = NULL;
        if (values[c].null) {
            if (field->not_null)
                TRY(not_null_error(table, c, err));
            bit_set(image.words, c);
            continue;
        }
        if (field->kind == FIELD_STR) {
            char *copy;
            if (!string_dup(&values[c], &copy))
                TRY(err_nomem(err));
            change.swaps[change.swap_count++].fresh = copy;
            text = copy;
        }
        field_put(field, c, image.words, &values[c], text);
    }
    TRY(rowmap_place(table, id, layout, &group, &slot, &record, err));
    for (uint32_t i = 0; i < indexes->count; i++) {
        struct index *index = set_index(indexes, i);
        bool has_null;
        if (!index_lives(index))
            continue;
        TRY(index_key(index, &image, &part->key, &has_null, err));
        TRY(change_entry(txn, &change, index, ENTRY_PLUS, id, &part->key, has_null, err));
    }
    TRY(part_note_insert(part, id, err));

    for (uint32_t c = 0; c < layout->count; c++)
        bounds_widen(table, &layout->fields[c], &values[c]);
    group_enter(group);
    atomic_store_explicit(&record->undo, marker, memory_order_relaxed);
    atomic_store_explicit(&record->meta, META(layout->number, 0, 0), memory_order_relaxed);
    for (uint32_t k = 0; k < layout->words; k++)
        atomic_store_explicit(&record->words[k], image.words[k], memory_order_relaxed);
    atomic_store_explicit(&record->header, txn->number | TXN_UNCOMMITTED,
                          memory_order_relaxed);
    atomic_store_explicit(slot, (uintptr_t)record, memory_order_release);
    record = NULL;
    change.swap_count = 0; /* The record owns its strings. */
    part->delta++;
    TRY(entries_place(part, &change, err));
out:
    if (record)
        rowmap_release(table, id, record, true);
    change_discard(&change);
    image_deinit(&image);
    return status;
}

kdk_status table_insert(struct txn *txn, struct table *table, const struct datum *values,
                        rowid *out, struct err *err)
{
    struct part *part;
    kdk_status status = part_get(txn, table, &part, err);
    if (status != KDK_OK)
        return status;
    rowid id = atomic_fetch_add_explicit(&table->next_id, 1, memory_order_seq_cst);
    status = rowids_cover(table, id, err);
    if (status != KDK_OK) {
        txn->failed = true;
        return status;
    }
    txn_enter(txn->man);
    status = insert_one(txn, part, table_newest(table),
                        atomic_load_explicit(&table->indexes, memory_order_acquire), values,
                        id, err);
    txn_leave(txn->man);
    if (status != KDK_OK)
        txn->failed = true;
    else if (out)
        *out = id;
    return status;
}

kdk_status table_insert_batch(struct txn *txn, struct table *table, struct batch *batch,
                              rowid *ids, struct err *err)
{
    kdk_status status = KDK_OK;
    struct part *part;
    struct datum *values = NULL;
    TRY(part_get(txn, table, &part, err));
    const struct layout *layout = table_newest(table);
    TRY_ASSERT(batch->column_count == layout->count);
    if (!ids && !part->loader)
        TRY(load_begin(txn, part, &part->loader, err));
    if (part->loader) {
        TRY_ASSERT(!ids);
        status = load_add(part->loader, batch, err);
        goto out;
    }
    TRY_MEM(values = MEM_ARRAY(struct datum, MAX(layout->count, 1)));
    for (uint32_t c = 0; c < layout->count; c++)
        if (batch->columns[c].form == VF_LAZY)
            TRY(batch->columns[c].load(&batch->columns[c], &batch->sel, batch->count, err));
    rowid id =
        atomic_fetch_add_explicit(&table->next_id, batch->sel.count, memory_order_seq_cst);
    TRY(rowids_cover(table, id + batch->sel.count - 1, err));
    for (uint32_t k = 0; k < batch->sel.count; k++) {
        uint32_t row = SEL_ROW(&batch->sel, k);
        for (uint32_t c = 0; c < layout->count; c++)
            values[c] = vec_get(&batch->columns[c], row);
        txn_enter(txn->man);
        status = insert_one(txn, part, layout,
                            atomic_load_explicit(&table->indexes, memory_order_acquire),
                            values, id + k, err);
        txn_leave(txn->man);
        if (status != KDK_OK)
            goto out;
        if (ids)
            ids[k] = id + k;
    }
out:
    if (status != KDK_OK)
        txn->failed = true;
    mem_free(values);
    return status;
}

/* ----------------------------------------------------------- update, delete ---- */

/* May the statement change this version? *skip: there is nothing that it sees, or it did so
 * already. */
static kdk_status judge(struct txn *txn, const struct image *image, bool *skip,
                        struct err *err)
{
    const uint64_t header = image->header;
    *skip = false;
    if (header & TXN_UNCOMMITTED) {
        if (TXN_VALUE(header) != txn->number)
            return conflict_set(txn, 0, TXN_VALUE(header), err);
        *skip = image->undo->command == txn->command;
    } else if (TXN_VALUE(header) > txn->snapshot) {
        return conflict_set(txn, TXN_VALUE(header), 0, err);
    }
    if (META_FLAGS(image->meta) & RECORD_DELETED)
        *skip = true;
    return KDK_OK;
}

static struct undo *undo_new(uint32_t words, uint32_t swaps, uint32_t columns)
{
    size_t bytes = sizeof(struct undo) + words * 8ull + swaps * sizeof(struct swap) +
                   words * 2ull + columns * 2ull;
    struct undo *undo = mem_zalloc(bytes);
    if (!undo)
        return NULL;
    uint8_t *at = (uint8_t *)(undo + 1);
    undo->old = (const uint64_t *)at;
    undo->swaps = (const struct swap *)(at += words * 8ull);
    undo->word = (const uint16_t *)(at += swaps * sizeof(struct swap));
    undo->columns = (const uint16_t *)(at += words * 2ull);
    undo->word_count = (uint16_t)words;
    undo->swap_count = (uint16_t)swaps;
    undo->column_count = (uint16_t)columns;
    return undo;
}

/* The arrays of an undo record that is not linked yet. */
#define UNDO_EDIT(TYPE, ARRAY) ((TYPE *)(uintptr_t)(ARRAY))

static bool index_touched(const struct index *index, const uint32_t *columns,
                          uint32_t count)
{
    for (uint32_t k = 0; k < index->def.column_count; k++)
        for (uint32_t i = 0; i < count; i++)
            if (index->def.columns[k] == columns[i])
                return true;
    return false;
}

/* The entries that come and go when `old` becomes `next`; NULL: the row goes. */
static kdk_status change_entries(struct txn *txn, struct part *part, struct change *change,
                                 rowid id, const struct image *old,
                                 const struct image *next, const uint32_t *columns,
                                 uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct index_set *set =
        atomic_load_explicit(&part->table->indexes, memory_order_acquire);
    for (uint32_t i = 0; i < set->count; i++) {
        struct index *index = set_index(set, i);
        bool null_old, null_next;
        if (!index_lives(index) || (next && !index_touched(index, columns, count)))
            continue;
        TRY(index_key(index, old, &part->key, &null_old, err));
        if (next) {
            TRY(index_key(index, next, &part->key2, &null_next, err));
            if (part->key.len == part->key2.len &&
                (part->key.len == 0 ||
                 memcmp(part->key.data, part->key2.data, part->key.len) == 0))
                continue;
            change->keyed = true;
            TRY(change_entry(txn, change, index, ENTRY_PLUS, id, &part->key2, null_next,
                             err));
        }
        TRY(change_entry(txn, change, index, ENTRY_MINUS, id, &part->key, null_old, err));
    }
out:
    return status;
}

/* The row as it is to be, in the newest layout, in `next`; strings made for it in
 * change->swaps. */
static kdk_status change_values(struct table *table, struct change *change,
                                const struct image *old, struct image *next,
                                const struct layout *layout, const uint32_t *columns,
                                const struct datum *values, uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(image_room(next, layout, err));
    if (layout->strings + old->layout->strings)
        TRY_MEM(change->swaps =
                    MEM_ARRAY(struct swap, layout->strings + old->layout->strings));
    next->meta = old->meta;
    if (old->layout == layout) {
        memcpy(next->words, old->words, (size_t)meta_words(layout, old->meta) * 8);
    } else {
        for (uint32_t c = 0; c < layout->count; c++) {
            /* What is absent comes with `columns`. */
            const bool had = c < old->layout->count;
            struct datum value =
                image_absent(old, c) ? DATUM_NULL : image_get(table, old, c);
            const bool is_string = layout->fields[c].kind == FIELD_STR && !value.null &&
                                   value.s.len > STR_INLINE;
            const char *text = is_string ? value.s.data : NULL;
            if (layout->fields[c].kind == FIELD_NONE) {
                /* Dropped: its string goes with the older record. */
                if (had && old->layout->fields[c].kind == FIELD_STR && !value.null &&
                    value.s.len > STR_INLINE)
                    change->swaps[change->swap_count++].old =
                        (char *)(uintptr_t)value.s.data;
                value.null = true;
            } else if (is_string && !had) {
                /* A missing value belongs to the layout: the record needs one of its
                 * own. */
                char *copy;
                if (!string_dup(&value, &copy))
                    TRY(err_nomem(err));
                change->swaps[change->swap_count++].fresh = copy;
                text = copy;
            }
            field_put(&layout->fields[c], c, next->words, &value, text);
        }
    }
    uint64_t bytes = 0;
    for (uint32_t c = 0; layout->strings && c < layout->count; c++)
        if (layout->fields[c].kind == FIELD_STR) {
            const struct datum had = field_get(&layout->fields[c], c, next->words);
            bytes += had.null ? 0 : had.s.len;
        }
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t c = columns[k];
        TRY_ASSERT(c < layout->count);
        if (layout->fields[c].kind != FIELD_STR)
            continue;
        const struct datum had = field_get(&layout->fields[c], c, next->words);
        bytes += values[k].null ? 0 : values[k].s.len;
        bytes -= had.null ? 0 : had.s.len;
    }
    TRY(row_fits(layout, bytes, err));
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t c = columns[k];
        const struct field *field = &layout->fields[c];
        if (values[k].null && field->not_null)
            TRY(not_null_error(table, c, err));
        char *copy = NULL;
        if (field->kind == FIELD_STR) {
            struct datum had = field_get(field, c, next->words);
            struct swap *swap = &change->swaps[change->swap_count];
            if (!string_dup(&values[k], &copy))
                TRY(err_nomem(err));
            if (!had.null && had.s.len > STR_INLINE) {
                /* A missing value just copied was made for nothing. */
                bool made = c >= old->layout->count;
                for (uint32_t s = 0; made && s < change->swap_count; s++)
                    if (change->swaps[s].fresh == had.s.data)
                        swap = &change->swaps[s];
                if (made)
                    mem_free(swap->fresh);
                else
                    swap->old = (char *)(uintptr_t)had.s.data;
            }
            swap->fresh = copy;
            if (swap == &change->swaps[change->swap_count])
                change->swap_count++;
        }
        field_put(field, c, next->words, &values[k], copy);
        if (old->layout == layout && META_FLAGS(old->meta) & RECORD_PATCH)
            bit_clear(next->words + layout->words, c);
    }
out:
    return status;
}

/* What undo is needed for `old` to become `next`. */
static kdk_status change_undo(struct txn *txn, struct change *change, rowid id,
                              struct record *record, const struct image *old,
                              const struct image *next, const uint32_t *columns,
                              uint32_t count, struct err *err)
{
    kdk_status status = KDK_OK;
    const bool moves = next && next->layout != old->layout;
    uint32_t words = 0;
    if (next && !moves)
        for (uint32_t w = 0; w < meta_words(next->layout, old->meta); w++)
            words += next->words[w] != old->words[w];
    struct undo *undo = undo_new(words, change->swap_count, count);
    TRY_MEM(change->undo = undo);
    undo->id = id;
    undo->record = record;
    undo->command = txn->command;
    undo->kind = !next ? UNDO_DELETE : moves ? UNDO_MOVED : UNDO_UPDATE;
    undo->before = old->header;
    undo->meta_before = old->meta;
    atomic_init(&undo->next, old->undo);
    undo->counted = !(old->header & TXN_UNCOMMITTED);
    if (change->swap_count)
        memcpy(UNDO_EDIT(struct swap, undo->swaps), change->swaps,
               change->swap_count * sizeof(struct swap));
    for (uint32_t k = 0; k < count; k++)
        UNDO_EDIT(uint16_t, undo->columns)[k] = (uint16_t)columns[k];
    for (uint32_t w = 0, k = 0; words && w < meta_words(next->layout, old->meta); w++)
        if (next->words[w] != old->words[w]) {
            UNDO_EDIT(uint64_t, undo->old)[k] = old->words[w];
            UNDO_EDIT(uint16_t, undo->word)[k++] = (uint16_t)w;
        }
    if (!moves)
        goto out;
    /* The older record gets undo of its own, which changes nothing: whoever still holds it
     * sees a row in flight. */
    TRY_MEM(change->lock_undo = undo_new(0, 0, 0));
    *change->lock_undo = *undo;
    change->lock_undo->kind = UNDO_UPDATE;
    change->lock_undo->word_count = change->lock_undo->swap_count =
        change->lock_undo->column_count = 0;
    undo->counted = false;
    atomic_init(&undo->next, NULL);
    undo->moved = record;
    undo->before =
        txn->number | TXN_UNCOMMITTED; /* Of the older record, as long as this stands. */
    TRY_MEM(change->moved_to =
                mem_zalloc(sizeof(struct record) + (size_t)next->layout->words * 8));
    undo->record = change->moved_to;
out:
    return status;
}

/* Locks the record if it is still what `old` shows. */
static bool record_lock(struct record *record, _Atomic uintptr_t *slot,
                        const struct image *old)
{
    uint64_t header = old->header;
    if (!atomic_compare_exchange_strong_explicit(&record->header, &header,
                                                 header | TXN_LOCKED, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    if (atomic_load_explicit(slot, memory_order_acquire) == (uintptr_t)record &&
        atomic_load_explicit(&record->meta, memory_order_acquire) == old->meta &&
        atomic_load_explicit(&record->undo, memory_order_acquire) == old->undo)
        return true;
    atomic_store_explicit(&record->header, old->header, memory_order_release);
    return false;
}

static void undo_push(struct part *part, struct undo *undo)
{
    undo->part = part;
    atomic_fetch_add_explicit(&part->linked, 1, memory_order_relaxed);
    undo->txn_next = part->undo;
    part->undo = undo;
}

/* ------------------------------------------------------------------ pruning ---- */

/* Are all words of `a` among those of `b`? Both ascend. */
static bool words_within(const struct undo *a, const struct undo *b)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < a->word_count; i++) {
        while (k < b->word_count && b->word[k] < a->word[i])
            k++;
        if (k == b->word_count || b->word[k] != a->word[i])
            return false;
    }
    return true;
}

/* The undo was taken out of its chain; if it was its part's last and nothing else of the
 * part waits, the part goes. */
static void undo_unlinked(struct txnman *man, struct undo *undo)
{
    struct part *part = undo->part;
    if (atomic_fetch_sub_explicit(&part->linked, 1, memory_order_acq_rel) == 1 &&
        !part->minus && !part->indexes && !part->dropping &&
        !part->range_count) /* Ranges: their records name the part's markers. */
        txn_part_drop(man, &part->part);
}

/* Takes versions that no snapshot sees out of the chain below `above`, which is not linked
 * yet; the record is locked.
 *
 * `one` leads from the version of above->before to that of one->before, which is seen by
 * snapshots in [one->before, above->before). If there is none now there will be none:
 * above->before is not newer than the own snapshot. And if the next undo restores all words
 * that `one` does, it leads from the newer version to the older one by itself, so `one` can
 * be passed by. Readers that are at `one` go on from there. What is below a version at or
 * under the horizon may be gone, and is not looked at; what is above stays while the guard
 * lives. */
static void prune(struct txn *txn, struct undo *above)
{
    enum { SNAPSHOTS = 64, STEPS = 8 };
    uint64_t snapshots[SNAPSHOTS];
    const uint64_t horizon = txnman_horizon(txn->man);
    struct undo *top = above,
                *one = atomic_load_explicit(&above->next, memory_order_relaxed);
    /* A record that came from below has nothing under it. */
    if (!one || above->kind != UNDO_UPDATE || above->before & TXN_UNCOMMITTED ||
        above->before <= horizon)
        return;
    above->depth = (uint16_t)MIN(one->depth + 1u, UINT16_MAX);
    if (above->depth <= PRUNE_DEPTH)
        return;
    uint32_t count = txnman_snapshots(txn->man, snapshots, SNAPSHOTS);
    if (count > SNAPSHOTS)
        return;
    for (uint32_t step = 0; step < STEPS && one; step++) {
        if (one->kind != UNDO_UPDATE || one->before & TXN_UNCOMMITTED ||
            one->before <= horizon)
            return;
        struct undo *next = atomic_load_explicit(&one->next, memory_order_relaxed);
        bool seen = !next || next->kind != UNDO_UPDATE || !words_within(one, next);
        for (uint32_t i = 0; i < count && !seen; i++)
            seen = snapshots[i] >= one->before && snapshots[i] < above->before;
        if (seen) {
            above = one;
        } else {
            atomic_store_explicit(&above->next, next, memory_order_release);
            if (above == top)
                top->depth = (uint16_t)MIN(next->depth + 1u, UINT16_MAX);
            undo_unlinked(txn->man, one);
        }
        one = next;
    }
}

/* The locked record becomes the new version. */
static void publish(struct txn *txn, struct part *part, struct change *change,
                    struct record *record, _Atomic uintptr_t *slot, const struct image *old,
                    const struct image *next)
{
    const uint64_t mine = txn->number | TXN_UNCOMMITTED;
    struct undo *undo = change->undo;
    uint32_t flags = META_FLAGS(old->meta) | (change->keyed ? RECORD_KEYED : 0) |
                     (next ? 0 : RECORD_DELETED);
    if (change->moved_to) {
        struct record *fresh = change->moved_to;
        flags &= ~RECORD_PATCH; /* All that was absent came with the change. */
        atomic_store_explicit(&fresh->undo, undo, memory_order_relaxed);
        atomic_store_explicit(&fresh->meta, META(next->layout->number, flags, 0),
                              memory_order_relaxed);
        for (uint32_t w = 0; w < next->layout->words; w++)
            atomic_store_explicit(&fresh->words[w], next->words[w], memory_order_relaxed);
        atomic_store_explicit(&fresh->header, mine, memory_order_relaxed);
        atomic_store_explicit(&record->undo, change->lock_undo, memory_order_release);
        undo_push(part, change->lock_undo);
        undo_push(part, undo);
        atomic_store_explicit(slot, (uintptr_t)fresh, memory_order_release);
    } else {
        prune(txn, undo);
        atomic_store_explicit(&record->undo, undo, memory_order_release);
        for (uint32_t k = 0; k < undo->word_count; k++)
            atomic_store_explicit(&record->words[undo->word[k]], next->words[undo->word[k]],
                                  memory_order_release);
        uint64_t meta = META(META_LAYOUT(old->meta), flags, META_RESTORES(old->meta));
        if (meta != old->meta)
            atomic_store_explicit(&record->meta, meta, memory_order_release);
        undo_push(part, undo);
    }
    atomic_store_explicit(&record->header, mine, memory_order_release);
    change->undo = change->lock_undo = NULL;
    change->moved_to = NULL;
    change->swap_count = 0;
}

/* What a change of a patched row needs of the row below: columns that are absent and in a
 * key that the change touches. With a new layout: all. */
struct base {
    uint64_t want[(TABLE_COLUMNS_MAX + 63) / 64];
    uint32_t count;
    uint32_t *columns;
    struct datum *values; /* Strings in the arena. */
    struct arena arena;
};

/* Columns of `want` that were not read yet. */
static bool base_lacks(const struct base *base)
{
    uint32_t wanted = 0;
    for (uint32_t w = 0; w < COUNT_OF(base->want); w++)
        wanted += (uint32_t)__builtin_popcountll(base->want[w]);
    return wanted > base->count;
}

/* `columns` NULL: the row goes. Of an index either all key columns are changed or none, so
 * that T8 holds. */
static void base_want(struct base *base, struct table *table, const struct image *old,
                      const struct layout *layout, const uint32_t *columns, uint32_t count)
{
    uint64_t touched[COUNT_OF(base->want)] = {0};
    struct index_set *set = atomic_load_explicit(&table->indexes, memory_order_acquire);
    bool more = true;
    if (!(META_FLAGS(old->meta) & RECORD_PATCH))
        return;
    for (uint32_t k = 0; k < count; k++)
        bit_set(touched, columns[k]);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < set->count; i++) {
            struct index *index = set_index(set, i);
            bool concerned = !columns;
            if (!index_lives(index))
                continue;
            for (uint32_t k = 0; k < index->def.column_count; k++)
                concerned |= bit_get(touched, index->def.columns[k]);
            for (uint32_t k = 0; concerned && k < index->def.column_count; k++) {
                const uint32_t c = index->def.columns[k];
                more |= !bit_get(touched, c);
                bit_set(touched, c);
                if (image_absent(old, c))
                    bit_set(base->want, c);
            }
        }
    }
    for (uint32_t c = 0; columns && old->layout != layout && c < old->layout->count; c++)
        if (image_absent(old, c) && layout->fields[c].kind != FIELD_NONE)
            bit_set(base->want, c);
}

static kdk_status base_read(struct txn *txn, struct table *table, rowid id,
                            struct base *base, struct err *err)
{
    kdk_status status = KDK_OK;
    bool found;
    arena_reset(&base->arena);
    TRY_MEM(base->columns = ARENA_ARRAY(&base->arena, uint32_t, TABLE_COLUMNS_MAX));
    base->count = 0;
    for (uint32_t c = 0; c < TABLE_COLUMNS_MAX; c++)
        if (bit_get(base->want, c))
            base->columns[base->count++] = c;
    TRY_MEM(base->values = ARENA_ARRAY(&base->arena, struct datum, base->count));
    TRY(below_columns(txn, table, id, base->columns, base->count, base->values, &found,
                      &base->arena, err));
    if (!found)
        TRY(patch_without_row(table, id, err));
out:
    return status;
}

/* `old` with what was read of the row below. */
static kdk_status base_onto(const struct base *base, const struct image *old,
                            struct image *full, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(image_room(full, old->layout, err));
    full->header = old->header;
    full->meta = old->meta;
    full->undo = old->undo;
    memcpy(full->words, old->words, (size_t)meta_words(old->layout, old->meta) * 8);
    image_patch(full, base->columns, base->values, base->count);
out:
    return status;
}

/* One try; *again: the row changed under our hands, or more must be known of the row below.
 * `values` NULL: delete. */
static kdk_status change_row(struct txn *txn, struct part *part, rowid id,
                             const uint32_t *columns, const struct datum *values,
                             uint32_t count, struct base *base, bool *changed, bool *again,
                             bool *missing, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = part->table;
    struct change change = {0};
    struct image old, next, full;
    uint32_t *all = NULL;
    struct datum *all_values;
    bool skip;
    image_init(&old);
    image_init(&next);
    image_init(&full);
    struct image *to = values ? &next : NULL;
    struct group *group = rowmap_group(table, id);
    _Atomic uintptr_t *slot = group ? group_slot(group, id) : NULL;
    struct record *record = slot_record(slot);
    *missing = !record;
    if (!record)
        goto out;
    TRY(record_copy(table, record, &old, err));
    TRY(judge(txn, &old, &skip, err));
    if (skip)
        goto out;
    const struct layout *layout = table_newest(table);
    base_want(base, table, &old, layout, values ? columns : NULL, values ? count : 0);
    *again = base_lacks(base);
    if (*again)
        goto out;
    const struct image *whole = &old;
    if (base->count) {
        TRY(base_onto(base, &old, &full, err));
        whole = &full;
    }
    if (to && base->count) {
        /* They are changed as well: to what they are. */
        all = mem_alloc(size_mul(count + base->count, sizeof *all + sizeof *all_values));
        TRY_MEM(all);
        all_values = (struct datum *)all;
        all = (uint32_t *)(all_values + count + base->count);
        memcpy(all_values, values, count * sizeof *values);
        memcpy(all, columns, count * sizeof *columns);
        for (uint32_t k = 0, given = count; k < base->count; k++) {
            bool there = !image_absent(&old, base->columns[k]);
            for (uint32_t i = 0; i < given && !there; i++)
                there = columns[i] == base->columns[k];
            if (there)
                continue;
            all[count] = base->columns[k];
            all_values[count++] = base->values[k];
        }
        columns = all;
        values = all_values;
        all = (uint32_t *)all_values; /* What is freed. */
    }
    if (to)
        TRY(change_values(table, &change, &old, to, layout, columns, values, count, err));
    TRY(change_undo(txn, &change, id, record, &old, to, columns, values ? count : 0, err));
    TRY(change_entries(txn, part, &change, id, whole, to, columns, count, err));
    for (uint32_t k = 0; to && k < count; k++)
        bounds_widen(table, &layout->fields[columns[k]], &values[k]);

    const bool counted = !(old.header & TXN_UNCOMMITTED);
    if (counted)
        group_enter(group);
    if (!record_lock(record, slot, &old)) {
        if (counted)
            group_leave(group);
        *again = true;
        goto out;
    }
    publish(txn, part, &change, record, slot, &old, to);
    *changed = true;
    if (!to)
        part->delta--;
    TRY(entries_place(part, &change, err));
out:
    change_discard(&change);
    mem_free(all);
    image_deinit(&old);
    image_deinit(&next);
    image_deinit(&full);
    return status;
}

static kdk_status change_loop(struct txn *txn, struct table *table, rowid id,
                              const uint32_t *columns, const struct datum *values,
                              uint32_t count, bool *changed, struct err *err)
{
    struct part *part;
    struct base base = {0};
    bool again = true, missing;
    *changed = false;
    kdk_status status = part_get(txn, table, &part, err);
    while (status == KDK_OK && again) {
        again = false;
        txn_enter(txn->man);
        status = change_row(txn, part, id, columns, values, count, &base, changed, &again,
                            &missing, err);
        txn_leave(txn->man);
        if (status == KDK_OK && missing) /* Below, then: it comes into memory. */
            status = row_load(txn, table, id, &again, err);
        else if (status == KDK_OK && base_lacks(&base))
            status = base_read(txn, table, id, &base, err);
    }
    arena_deinit(&base.arena);
    if (status != KDK_OK)
        txn->failed = true;
    return status;
}

kdk_status table_update(struct txn *txn, struct table *table, rowid id,
                        const uint32_t *columns, const struct datum *values, uint32_t count,
                        bool *changed, struct err *err)
{
    static const struct datum none = {0};
    return change_loop(txn, table, id, columns, values ? values : &none, count, changed,
                       err);
}

kdk_status table_delete(struct txn *txn, struct table *table, rowid id, bool *changed,
                        struct err *err)
{
    return change_loop(txn, table, id, NULL, NULL, 0, changed, err);
}

/* --------------------------------------------------------------------- read ---- */

kdk_status table_get(struct txn *txn, struct table *table, rowid id,
                     const uint32_t *columns, uint32_t count, struct datum *out,
                     bool *found, struct arena *arena, struct err *err)
{
    kdk_status status = KDK_OK;
    struct image image;
    image_init(&image);
    *found = false;
    txn_enter(txn->man);
    struct record *record = rowmap_get(table, id);
    if (record) { /* The snapshot keeps the strings of what it sees. */
        status = record_copy(table, record, &image, err);
        if (status == KDK_OK)
            status = image_resolve(txn, table, &image, found, err);
    }
    txn_leave(txn->man);
    TRY(status);
    if (!record && txn_generation(txn)) {
        TRY(below_columns(txn, table, id, columns, count, out, found, arena, err));
        goto out;
    }
    if (*found)
        TRY(image_complete(txn, table, id, &image, columns, count, arena, err));
    for (uint32_t k = 0; *found && k < count; k++) {
        if (columns[k] == SCAN_ROWID)
            out[k] = (struct datum){.i = (int64_t)id};
        else
            out[k] = image_get(table, &image, columns[k]);
    }
out:
    image_deinit(&image);
    return status;
}
