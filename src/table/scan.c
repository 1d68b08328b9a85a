/* scan.c - scans: groups handed out to readers, copied into vectors.
 *
 * A group without a writer, all of whose versions the snapshot sees, is copied column by column without a test per row, and the copy
 * counts if the group's state word is the same afterwards (T3). Otherwise each record is copied and taken back to its version.
 */
#include "table/table_int.h"

#include "base/mem.h"

struct table_scan {
    struct txn *txn;
    struct table *table;
    const uint32_t *columns;
    uint32_t count;
    uint64_t groups; /* That existed when it was opened. */
    _Atomic uint64_t next;
};

struct scan_reader {
    struct table_scan *scan;
    struct image image;
    const struct record **records; /* GROUP_ROWS */
    rowid *ids;
};

kdk_status table_scan_open(struct txn *txn, struct table *table, const uint32_t *columns,
                           uint32_t count, const struct scan_prune *prunes,
                           uint32_t prune_count, struct arena *arena,
                           struct table_scan **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan;
    (void)prunes; /* Rows in memory have no zone maps. */
    (void)prune_count;
    TRY_MEM(scan = ARENA_NEW(arena, struct table_scan));
    TRY_MEM(scan->columns = arena_dup(arena, columns, MAX(count, 1) * sizeof *columns));
    scan->txn = txn;
    scan->table = table;
    scan->count = count;
    uint64_t next_id = atomic_load_explicit(&table->next_id, memory_order_acquire);
    scan->groups = (next_id + GROUP_ROWS - 1) / GROUP_ROWS;
    *out = scan;
out:
    return status;
}

void table_scan_close(struct table_scan *scan)
{
    (void)scan; /* Lies in the arena and holds nothing. */
}

uint32_t table_scan_units(const struct table_scan *scan)
{
    uint64_t next = atomic_load_explicit(&scan->next, memory_order_relaxed);
    return next < scan->groups ? (uint32_t)MIN(scan->groups - next, UINT32_MAX) : 0;
}

kdk_status scan_reader_new(struct table_scan *scan, struct arena *arena,
                           struct scan_reader **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct scan_reader *reader;
    TRY_MEM(reader = ARENA_NEW(arena, struct scan_reader));
    TRY_MEM(reader->records = ARENA_ARRAY(arena, const struct record *, GROUP_ROWS));
    TRY_MEM(reader->ids = ARENA_ARRAY(arena, rowid, GROUP_ROWS));
    reader->scan = scan;
    image_init(&reader->image);
    *out = reader;
out:
    return status;
}

void scan_reader_free(struct scan_reader *reader)
{
    if (reader)
        image_deinit(&reader->image);
}

/* ------------------------------------------------------------ settled groups ---- */

static inline uint64_t word_at(const struct record *record, uint32_t word)
{
    return atomic_load_explicit(&record->words[word], memory_order_acquire);
}

#define GATHER(T, TO)                                                                      \
    for (uint32_t i = 0; i < n; i++)                                                       \
    ((TO *)v->data)[i] = (TO)(T)(word_at(records[i], word) >> shift)

/* One column of `n` records of one layout, in the width of its field. */
static void gather(struct vec *v, const struct field *field, uint32_t column,
                   const struct record *const *records, uint32_t n)
{
    const uint32_t word = field->offset / 8, shift = field->offset % 8 * 8;
    switch ((enum field_kind)field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_I8:
        if (field->type.id == LT_BOOLEAN) {
            vec_reset(v, W_BIT);
            memset(v->data, 0, bits_words(BATCH_ROWS) * 8);
            for (uint32_t i = 0; i < n; i++)
                bit_put(v->data, i, word_at(records[i], word) >> shift & 1);
        } else {
            vec_reset(v, W_8);
            GATHER(uint8_t, uint8_t);
        }
        break;
    case FIELD_I16:
        vec_reset(v, W_16);
        GATHER(uint16_t, uint16_t);
        break;
    case FIELD_I32:
    case FIELD_F32:
        vec_reset(v, field->kind == FIELD_F32 ? W_F32 : W_32);
        GATHER(uint32_t, uint32_t);
        break;
    case FIELD_I64:
    case FIELD_F64:
        vec_reset(v, field->kind == FIELD_F64 ? W_F64 : W_64);
        GATHER(uint64_t, uint64_t);
        break;
    case FIELD_I128:
    case FIELD_STR:
        vec_reset(v, field->kind == FIELD_STR ? W_STR : W_128);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t pair[2] = {word_at(records[i], word), word_at(records[i], word + 1)};
            memcpy((uint8_t *)v->data + (size_t)i * 16, pair, 16);
        }
        break;
    }
    const uint32_t null_word = column / 64, null_bit = column % 64;
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= word_at(records[i], null_word) >> null_bit & 1;
    if (!any)
        return;
    vec_validity_on(v, n);
    for (uint32_t i = 0; i < n; i++)
        if (word_at(records[i], null_word) >> null_bit & 1)
            vec_set_null(v, i, n);
}

/* Copies a settled group; *ok false: it is not settled, or did not stay so, or has several layouts. */
static bool copy_settled(struct scan_reader *reader, struct group *group,
                         struct batch *batch)
{
    struct table_scan *scan = reader->scan;
    uint64_t state = atomic_load_explicit(&group->state, memory_order_acquire);
    if ((uint32_t)state ||
        atomic_load_explicit(&group->youngest, memory_order_acquire) > scan->txn->snapshot)
        return false;
    uint32_t n = 0, number = UINT32_MAX;
    for (uint32_t s = 0; s < COUNT_OF(group->sub); s++) {
        struct subpage *sub = atomic_load_explicit(&group->sub[s], memory_order_acquire);
        if (!sub)
            continue;
        for (uint32_t i = 0; i < SUBPAGE_ROWS; i++) {
            const struct record *record = slot_record(&sub->slots[i]);
            if (!record)
                continue;
            uint64_t meta = atomic_load_explicit(&record->meta, memory_order_acquire);
            if (META_FLAGS(meta) & RECORD_DELETED)
                continue;
            if (n && META_LAYOUT(meta) != number)
                return false;
            number = META_LAYOUT(meta);
            reader->records[n] = record;
            reader->ids[n++] = group->first + s * SUBPAGE_ROWS + i;
        }
    }
    const struct layout *layout = n ? table_layout(scan->table, number) : NULL;
    for (uint32_t k = 0; n && k < scan->count; k++) {
        struct vec *v = &batch->columns[k];
        const uint32_t c = scan->columns[k];
        if (c == SCAN_ROWID) {
            vec_reset(v, W_64);
            memcpy(v->data, reader->ids, n * sizeof(rowid));
        } else if (c < layout->count && layout->fields[c].kind != FIELD_NONE) {
            gather(v, &layout->fields[c], c, reader->records, n);
        } else {
            const struct layout *newest = table_newest(scan->table);
            const struct datum value = c >= layout->count && c < newest->count
                                           ? newest->fields[c].missing
                                           : DATUM_NULL;
            vec_reset(v, ltype_width(v->type));
            for (uint32_t i = 0; i < n; i++)
                if (value.null)
                    vec_set_null(v, i, n);
                else
                    vec_put(v, i, &value, n);
        }
    }
    batch_all(batch, n);
    return atomic_load_explicit(&group->state, memory_order_acquire) == state;
}

/* -------------------------------------------------------------- other groups ---- */

/* Validity was switched on for a whole group: bits past `n` become zero. */
static void validity_cut(struct vec *v, uint32_t n)
{
    if (!v->validity)
        return;
    for (uint32_t w = n / 64; w < bits_words(GROUP_ROWS); w++)
        v->validity[w] &= w == n / 64 ? (1ull << n % 64) - 1 : 0;
}

static kdk_status copy_rows(struct scan_reader *reader, struct group *group,
                            struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table_scan *scan = reader->scan;
    uint32_t n = 0;
    for (uint32_t k = 0; k < scan->count; k++)
        vec_reset(&batch->columns[k], ltype_width(batch->columns[k].type));
    for (uint32_t i = 0; i < GROUP_ROWS; i++) {
        bool found;
        const struct record *record = slot_record(group_slot(group, i));
        if (!record)
            continue;
        TRY(record_copy(scan->table, record, &reader->image, err));
        TRY(image_resolve(scan->txn, scan->table, &reader->image, &found, err));
        if (!found)
            continue;
        for (uint32_t k = 0; k < scan->count; k++) {
            struct datum value =
                scan->columns[k] == SCAN_ROWID
                    ? (struct datum){.i = (int64_t)(group->first + i)}
                    : image_get(scan->table, &reader->image, scan->columns[k]);
            if (value.null)
                vec_set_null(&batch->columns[k], n, GROUP_ROWS);
            else
                vec_put(&batch->columns[k], n, &value, GROUP_ROWS);
        }
        n++;
    }
    for (uint32_t k = 0; k < scan->count; k++)
        validity_cut(&batch->columns[k], n);
    batch_all(batch, n);
out:
    return status;
}

kdk_status scan_reader_next(struct scan_reader *reader, struct batch *batch, bool *more,
                            struct err *err)
{
    struct table_scan *scan = reader->scan;
    *more = false;
    batch_unpin(batch);
    batch_all(batch, 0);
    for (;;) {
        uint64_t g = atomic_fetch_add_explicit(&scan->next, 1, memory_order_relaxed);
        if (g >= scan->groups)
            return KDK_OK;
        kdk_status status = KDK_OK;
        txn_enter(scan->txn->man);
        struct group *group = rowmap_group(scan->table, g * GROUP_ROWS);
        if (group && !copy_settled(reader, group, batch))
            status = copy_rows(reader, group, batch, err);
        txn_leave(scan->txn->man);
        if (status != KDK_OK)
            return status;
        if (batch->count) {
            *more = true;
            return KDK_OK;
        }
    }
}
