/* load.c - writing a bulk load: rows into block files, entries into runs, references into
 * the log.
 *
 * What FILE says beside its numbers: for each strip the length of its directory entry
 * (varint) and the entry (strip_entry_encode()), so that replay reads no block file. What
 * RUN says: struct run_ref, and a byte (1: fences).
 */
#include "table/load.h"

#include <stdlib.h>

#include "base/mem.h"
#include "block/block.h"
#include "table/checkpoint.h"
#include "table/keysort.h"
#include "wal/record.h"
#include "wal/wal.h"

/* Rows that were given to the writer and that it has not made a strip of, and a batch. */
#define STAGED_MAX (STRIP_ROWS + BATCH_ROWS)
/* With so many files and runs that no generation has, a checkpoint is due. */
#define FRESH_FILES_MAX 48u

/* A key of the strip that is being gathered. */
struct staged_key {
    uint32_t at, bytes;
    bool has_null;
};
struct placed_key {
    const char *key;
    uint32_t bytes, row;
};
struct load_index {
    struct index *index;
    struct keysort sort, fences;
    struct buf text;           /* Keys of rows that no strip has yet, */
    struct staged_key *keys;   /* which begin here: STAGED_MAX at most. */
    struct staged_key *moving; /* Room. */
    struct buf last;           /* (key, row id) of the last row of the sequence. */
    bool last_null;
    uint64_t rows_in_order; /* Rows of the sequence. */
};
struct loader {
    struct txn *txn;
    struct part *part;
    struct table *table;
    struct disk *disk;
    const struct layout *layout;
    struct load *load;
    struct block_writer *writer;
    struct arena arena;
    struct batch batch; /* Columns of the writer. */
    uint32_t *columns;  /* Their numbers. */
    uint64_t *ids;
    struct datum *values;
    struct load_index *indexes;
    uint32_t index_count;
    uint64_t *staged; /* Ids of the rows whose keys are staged. */
    uint32_t staged_count;
    /* The index that may order the rows of a strip: the first unique one; or NULL. */
    struct load_index *leading;
    struct placed_key *placed; /* Room to sort by it. */
    /* Some strip was not in order: groups of keys are kept together. */
    bool groups;
    struct buf spare;
    uint64_t *files; /* Numbers of files written. */
    uint32_t file_count, file_cap;
    struct buf key;
    bool holds_disk, listed;
};

static void loader_release(struct loader *loader)
{
    if (loader->holds_disk)
        disk_release(loader->disk);
    loader->holds_disk = false;
}

static void load_indexes_free(struct loader *loader)
{
    for (uint32_t i = 0; i < loader->index_count; i++) {
        keysort_deinit(&loader->indexes[i].sort);
        keysort_deinit(&loader->indexes[i].fences);
        buf_deinit(&loader->indexes[i].text);
        buf_deinit(&loader->indexes[i].last);
    }
    loader->index_count = 0;
}

void loader_free(struct loader *loader)
{
    if (!loader)
        return;
    block_writer_free(loader->writer);
    load_indexes_free(loader);
    buf_deinit(&loader->spare);
    load_unref(loader->load);
    loader_release(loader);
    buf_deinit(&loader->key);
    mem_free(loader->files);
    arena_deinit(&loader->arena);
    mem_free(loader);
}

/* ---------------------------------------------------------------- the writer ---- */

static kdk_status next_file(void *context, uint64_t *number, struct err *err)
{
    kdk_status status = KDK_OK;
    struct loader *loader = context;
    if (loader->file_count == loader->file_cap) {
        const uint32_t cap = MAX(loader->file_cap * 2, 16u);
        uint64_t *files = mem_realloc(loader->files, size_mul(cap, sizeof *files));
        TRY_MEM(files);
        loader->files = files;
        loader->file_cap = cap;
    }
    *number = atomic_fetch_add_explicit(&loader->disk->next_file, 1, memory_order_acq_rel);
    loader->files[loader->file_count++] = *number;
out:
    return status;
}

static kdk_status file_done(void *context, uint64_t number, uint64_t bytes,
                            struct strip_entry *const *entries, uint32_t count,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct loader *loader = context;
    (void)number;
    (void)bytes;
    for (uint32_t i = 0; i < count; i++)
        TRY(load_add_strip(loader->load, entries[i], err));
out:
    return status;
}

static kdk_status strip_staged(void *context, struct strip_order *order, struct err *err);

static kdk_status writer_make(struct loader *loader, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout = loader->layout;
    struct arena *arena = &loader->arena;
    struct block_column *columns;
    uint32_t n = 0;
    TRY(block_columns_of(loader->table, txn_generation(loader->txn), layout, arena,
                         &columns, &n, err));
    TRY_MEM(loader->columns = ARENA_ARRAY(arena, uint32_t, n));
    TRY_MEM(loader->values = ARENA_ARRAY(arena, struct datum, layout->count));
    TRY_MEM(loader->ids = ARENA_ARRAY(arena, uint64_t, BATCH_ROWS));
    for (uint32_t k = 0; k < n; k++)
        loader->columns[k] = columns[k].number;
    TRY_MEM(loader->batch.columns = ARENA_ARRAY(arena, struct vec, n));
    loader->batch.column_count = n;
    TRY(block_writer_new(&(struct block_writer_options){.os = loader->disk->os,
                                                        .dir = loader->disk->blocks,
                                                        .table = loader->table->id,
                                                        /* Not known yet. */
                                                        .newest = TXN_VALUE(UINT64_MAX),
                                                        .codec = ARROW_CODEC_LZ4_FRAME,
                                                        .columns = columns,
                                                        .column_count = n,
                                                        .next_file = next_file,
                                                        .strip = strip_staged,
                                                        .done = file_done,
                                                        .context = loader},
                         &loader->writer, err));
out:
    return status;
}

static kdk_status indexes_make(struct loader *loader, struct err *err)
{
    kdk_status status = KDK_OK;
    /* The part is one of the table's writers: the set stays as it is. */
    txn_enter(loader->txn->man);
    struct index_set *set =
        atomic_load_explicit(&loader->table->indexes, memory_order_acquire);
    loader->indexes = ARENA_ARRAY(&loader->arena, struct load_index, MAX(set->count, 1));
    for (uint32_t i = 0; loader->indexes && i < set->count; i++) {
        struct index *index = set_index(set, i);
        if (!index || atomic_load_explicit(&index->dropped, memory_order_acquire))
            continue;
        struct load_index *one = &loader->indexes[loader->index_count++];
        one->index = index;
        keysort_init(&one->sort, loader->disk);
        keysort_init(&one->fences, loader->disk);
    }
    txn_leave(loader->txn->man);
    TRY_MEM(loader->indexes);
    for (uint32_t i = 0; i < loader->index_count && !loader->leading; i++)
        if (loader->indexes[i].index->def.unique)
            loader->leading = &loader->indexes[i];
    if (loader->leading)
        TRY_MEM(loader->placed =
                    ARENA_ARRAY(&loader->arena, struct placed_key, STRIP_ROWS));
    for (uint32_t i = 0; i < loader->index_count; i++) {
        TRY_MEM(loader->indexes[i].keys =
                    ARENA_ARRAY(&loader->arena, struct staged_key, STAGED_MAX));
        TRY_MEM(loader->indexes[i].moving =
                    ARENA_ARRAY(&loader->arena, struct staged_key, STRIP_ROWS));
    }
    TRY_MEM(loader->staged = ARENA_ARRAY(&loader->arena, uint64_t, STAGED_MAX));
out:
    return status;
}

static kdk_status runs_folder(struct loader *loader, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    TRY(os_kind(loader->disk->os, loader->disk->runs, &kind, err));
    if (kind == OS_MISSING) {
        TRY(os_mkdir(loader->disk->os, loader->disk->runs, err));
        TRY(os_sync_dir(loader->disk->os, loader->disk->path, err));
    }
out:
    return status;
}

kdk_status load_begin(struct txn *txn, struct part *part, struct loader **out,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = part->table;
    struct disk *disk = table->store->disk;
    const struct layout *layout = table_newest(table);
    struct loader *loader = NULL;
    uint32_t columns = 0;
    *out = NULL;
    for (uint32_t c = 0; c < layout->count; c++)
        columns += layout->fields[c].kind != FIELD_NONE;
    /* Catalog tables stay in their row trees, and what was made by this transaction in
     * memory. */
    if (!disk || !txn->one_statement ||
        part->delta < (int64_t)store_limit(table->store, STORE_BULK_LOAD_ROWS) ||
        part->created || table->id < STORE_FIRST_ID || !columns ||
        !disk_try_patiently(disk))
        return KDK_OK;
    loader = MEM_NEW(struct loader);
    if (!loader) {
        disk_release(disk);
        return err_nomem(err);
    }
    loader->txn = txn;
    loader->part = part;
    loader->table = table;
    loader->disk = disk;
    loader->layout = layout;
    loader->holds_disk = true;
    arena_init(&loader->arena);
    TRY(load_new(disk, txn->number | TXN_UNCOMMITTED, &loader->load, err));
    TRY(runs_folder(loader, err));
    TRY(indexes_make(loader, err));
    TRY(writer_make(loader, err));
    *out = loader;
    loader = NULL;
out:
    if (loader)
        loader_free(loader);
    return status;
}

/* ---------------------------------------------------------------------- rows ---- */

static kdk_status row_check(struct loader *loader, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t bytes = 0;
    for (uint32_t c = 0; c < loader->layout->count; c++) {
        const struct field *field = &loader->layout->fields[c];
        const struct datum *value = &loader->values[c];
        if (value->null && field->not_null)
            TRY(not_null_error(loader->table, c, err));
        if (!value->null && field->kind == FIELD_STR)
            bytes += value->s.len;
    }
    TRY(row_fits(loader->layout, bytes, err));
out:
    return status;
}

/* The keys of a row wait until it is known which strip it is in. */
static kdk_status row_stage(struct loader *loader, rowid id, struct err *err)
{
    kdk_status status = KDK_OK;
    TRY_ASSERT(loader->staged_count < STAGED_MAX);
    for (uint32_t i = 0; i < loader->index_count; i++) {
        struct load_index *one = &loader->indexes[i];
        const struct tindex *def = &one->index->def;
        const size_t at = one->text.len;
        bool has_null = false;
        for (uint32_t k = 0; k < def->column_count; k++) {
            const struct datum *value = &loader->values[def->columns[k]];
            has_null |= value->null;
            if (key_add(&one->text, loader->layout->fields[def->columns[k]].type, value,
                        def->descending[k], def->nulls_first[k]) != KDK_OK)
                TRY(err_nomem(err));
        }
        TRY(index_key_fits(one->index, one->text.len - at, err));
        one->keys[loader->staged_count] =
            (struct staged_key){(uint32_t)at, (uint32_t)(one->text.len - at), has_null};
    }
    loader->staged[loader->staged_count++] = id;
out:
    return status;
}

static int staged_compare(const struct load_index *one, uint32_t a, uint32_t b)
{
    return btree_compare(one->text.data + one->keys[a].at, one->keys[a].bytes,
                         one->text.data + one->keys[b].at, one->keys[b].bytes);
}

/* Whether the first `rows` staged rows continue the index's sequence: each key above the
 * one before, or, where keys may repeat, not below. */
static bool in_order(const struct load_index *one, uint32_t rows)
{
    const bool repeat = !one->index->def.unique;
    if (one->last.len) {
        const int order =
            btree_compare(one->last.data, one->last.len - 8,
                          one->text.data + one->keys[0].at, one->keys[0].bytes);
        if (order > 0 || (order == 0 && !repeat && !one->last_null))
            return false;
    }
    for (uint32_t k = 1; k < rows; k++) {
        const int order = staged_compare(one, k - 1, k);
        if (order > 0 || (order == 0 && !repeat && !one->keys[k].has_null))
            return false;
    }
    return true;
}

static kdk_status key_copy(struct load_index *one, uint32_t k, rowid id, struct buf *out,
                           struct err *err)
{
    uint8_t number[8];
    put_be64(number, id);
    buf_clear(out);
    buf_add(out, one->text.data + one->keys[k].at, one->keys[k].bytes);
    if (id)
        buf_add(out, number, sizeof number);
    return buf_status(out, err);
}

static int placed_compare(const void *a, const void *b)
{
    const struct placed_key *one = a, *two = b;
    const int order = btree_compare(one->key, one->bytes, two->key, two->bytes);
    return order ? order : one->row < two->row ? -1 : 1;
}

/* How many rows at the end have the first column of their key in common with the last
 * one. */
static uint32_t last_group(const struct loader *loader, uint32_t rows)
{
    const struct load_index *one = loader->leading;
    const struct tindex *def = &one->index->def;
    const struct placed_key *last = &loader->placed[rows - 1];
    struct cursor in = cursor_of(last->key, last->bytes);
    struct arena arena = {0};
    struct datum value;
    uint32_t n = 1;
    const kdk_status status =
        key_read(&in, loader->layout->fields[def->columns[0]].type, def->descending[0],
                 def->nulls_first[0], &arena, &value, NULL);
    const size_t bytes = (size_t)(in.at - (const uint8_t *)last->key);
    arena_deinit(&arena);
    if (status != KDK_OK)
        return 0; /* No memory for a text: the group is not kept together. */
    while (n < rows && last[-(ptrdiff_t)n].bytes >= bytes &&
           memcmp(last[-(ptrdiff_t)n].key, last->key, bytes) == 0)
        n++;
    return n;
}

/* Rows are put in the order of the leading index if that makes the strip part of its
 * sequence. Then the last group of rows with the same first column waits for the next
 * strip: more of it may come, with keys in between. */
static void strip_arrange(struct loader *loader, struct strip_order *order)
{
    struct load_index *one = loader->leading;
    const bool ordered = !one || in_order(one, order->rows);
    if (!one ||
        (ordered && (order->final || !loader->groups || one->index->def.column_count == 1)))
        return;
    for (uint32_t k = 0; k < order->rows; k++)
        loader->placed[k] =
            (struct placed_key){one->text.data + one->keys[k].at, one->keys[k].bytes, k};
    if (!ordered)
        qsort(loader->placed, order->rows, sizeof *loader->placed, placed_compare);
    const struct placed_key *first = loader->placed;
    bool fits = !one->last.len || btree_compare(one->last.data, one->last.len - 8,
                                                first->key, first->bytes) < 0;
    for (uint32_t k = 1; k < order->rows && fits; k++)
        fits = btree_compare(first[k - 1].key, first[k - 1].bytes, first[k].key,
                             first[k].bytes) < 0;
    if (!fits)
        return;
    order->moved = !ordered;
    loader->groups = true;
    for (uint32_t k = 0; k < order->rows; k++)
        order->place[k] = loader->placed[k].row;
    const uint32_t group = order->final || one->index->def.column_count == 1
                               ? 0
                               : last_group(loader, order->rows);
    if (group < order->rows)
        order->take = order->rows - group;
}

/* Some of the first staged rows become a strip: it joins the sequence of an index, or its
 * keys are sorted with others. */
static kdk_status strip_staged(void *context, struct strip_order *order, struct err *err)
{
    kdk_status status = KDK_OK;
    struct loader *loader = context;
    TRY_ASSERT(order->rows && order->rows <= loader->staged_count);
    strip_arrange(loader, order);
    const uint32_t rows = order->take, left = loader->staged_count - rows;
    for (uint32_t i = 0; i < loader->index_count; i++) {
        struct load_index *one = &loader->indexes[i];
        if (order->moved) {
            for (uint32_t k = 0; k < order->rows; k++)
                one->moving[k] = one->keys[order->place[k]];
            memcpy(one->keys, one->moving, order->rows * sizeof *one->keys);
        }
        if (in_order(one, rows)) {
            TRY(key_copy(one, 0, 0, &loader->key, err));
            TRY(keysort_add(&one->fences, &loader->key, loader->staged[0], false, err));
            TRY(key_copy(one, rows - 1, loader->staged[rows - 1], &one->last, err));
            one->last_null = one->keys[rows - 1].has_null;
            one->rows_in_order += rows;
        } else {
            for (uint32_t k = 0; k < rows; k++) {
                TRY(key_copy(one, k, 0, &loader->key, err));
                TRY(keysort_add(&one->sort, &loader->key, loader->staged[k],
                                one->keys[k].has_null, err));
            }
        }
        buf_clear(&loader->spare);
        for (uint32_t k = 0; k < left; k++) {
            const struct staged_key key = one->keys[rows + k];
            one->keys[k] =
                (struct staged_key){(uint32_t)loader->spare.len, key.bytes, key.has_null};
            buf_add(&loader->spare, one->text.data + key.at, key.bytes);
        }
        TRY(buf_status(&loader->spare, err));
        const struct buf text = one->text;
        one->text = loader->spare;
        loader->spare = text;
    }
    memmove(loader->staged, loader->staged + rows, left * sizeof *loader->staged);
    loader->staged_count = left;
out:
    return status;
}

kdk_status load_add(struct loader *loader, struct batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct table *table = loader->table;
    const uint32_t n = batch->sel.count;
    if (!n)
        return KDK_OK;
    TRY_ASSERT(n <= BATCH_ROWS);
    for (uint32_t c = 0; c < batch->column_count; c++)
        if (batch->columns[c].form == VF_LAZY)
            TRY(batch->columns[c].load(&batch->columns[c], &batch->sel, batch->count, err));
    const rowid first = atomic_fetch_add_explicit(&table->next_id, n, memory_order_seq_cst);
    TRY(rowids_cover(table, first + n - 1, err));
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t row = SEL_ROW(&batch->sel, k);
        for (uint32_t c = 0; c < batch->column_count; c++)
            loader->values[c] = vec_get(&batch->columns[c], row);
        loader->ids[k] = first + k;
        TRY(row_check(loader, err));
        TRY(row_stage(loader, first + k, err));
    }
    for (uint32_t k = 0; k < loader->batch.column_count; k++) {
        loader->batch.columns[k] = batch->columns[loader->columns[k]];
        loader->batch.columns[k].owned = false;
    }
    loader->batch.count = batch->count;
    loader->batch.sel = batch->sel;
    TRY(block_writer_add(loader->writer, loader->ids, &loader->batch, err));
    loader->part->delta += n;
out:
    return status;
}

/* ----------------------------------------------------------------------- end ---- */

struct uniqueness {
    struct index *index;
    struct buf last;
    bool any;
};
static kdk_status entry_unlike_last(void *context, const uint8_t *key, uint32_t bytes,
                                    bool has_null, struct err *err)
{
    kdk_status status = KDK_OK;
    struct uniqueness *u = context;
    if (!u->index->def.unique || has_null)
        return KDK_OK;
    if (u->any && u->last.len == bytes && memcmp(u->last.data, key, bytes) == 0)
        TRY(index_unique_error(u->index, key, bytes, false, err));
    buf_clear(&u->last);
    buf_add(&u->last, key, bytes);
    TRY(buf_status(&u->last, err));
    u->any = true;
out:
    return status;
}

static kdk_status any_fence(void *context, const uint8_t *key, uint32_t bytes,
                            bool has_null, struct err *err)
{
    (void)context;
    (void)key;
    (void)bytes;
    (void)has_null;
    (void)err;
    return KDK_OK;
}

static kdk_status run_make(struct loader *loader, struct load_index *one, bool fences,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = loader->disk;
    struct keysort *sort = fences ? &one->fences : &one->sort;
    struct uniqueness unique = {.index = one->index};
    struct load_run *run;
    char path[4096];
    TRY(load_add_run(loader->load, &run, err));
    run->index = one->index->def.id;
    run->fences = fences;
    run->number = atomic_fetch_add_explicit(&disk->next_file, 1, memory_order_acq_rel);
    TRY(keysort_write(sort, run->number, fences ? any_fence : entry_unlike_last, &unique,
                      &run->ref, err));
    TRY(disk_file_path(disk, run->number | RUN_BIT, path, sizeof path, err));
    TRY(run_open(disk->os, path, &run->ref, disk->cache, &run->run, err));
    keysort_deinit(sort);
    keysort_init(sort, disk);
out:
    buf_deinit(&unique.last);
    return status;
}

kdk_status load_finish(struct loader *loader, struct err *err)
{
    kdk_status status = KDK_OK;
    struct load *load = loader->load;
    struct disk *disk = loader->disk;
    uint64_t lsn;
    if (loader->listed)
        return KDK_OK;
    TRY(block_writer_end_file(loader->writer, err));
    block_writer_free(loader->writer);
    loader->writer = NULL;
    for (uint32_t i = 0; i < loader->index_count; i++) {
        struct load_index *one = &loader->indexes[i];
        if (one->rows_in_order)
            TRY(run_make(loader, one, true, err));
        if (one->rows_in_order != load->rows)
            TRY(run_make(loader, one, false, err));
    }
    if (loader->index_count)
        TRY(os_sync_dir(disk->os, disk->runs, err));
    /* L5: not waited for, since the commit comes later in the log. */
    TRY(dicts_log(loader->table, &lsn, err));
    TRY(disk_fresh_room(disk, loader->file_count + load->run_count, err));
    load_bounds(loader->table, load);
    TRY(load_list(loader->table, load, err));
    loader->listed = true;
    for (uint32_t i = 0; i < loader->index_count; i++)
        if (loader->indexes[i].index->def.unique)
            TRY(index_check_load(loader->txn, loader->part, loader->indexes[i].index, load,
                                 err));
out:
    return status;
}

kdk_status load_encode(const struct loader *loader, struct wal_batch *batch,
                       struct err *err)
{
    kdk_status status = KDK_OK;
    const struct load *load = loader->load;
    struct buf entries = {0}, one = {0};
    for (uint32_t i = 0, next; i < load->strip_count; i = next) {
        uint64_t rows = 0;
        buf_clear(&entries);
        for (next = i;
             next < load->strip_count && load->strips[next]->file == load->strips[i]->file;
             next++) {
            buf_clear(&one);
            TRY(strip_entry_encode(load->strips[next], &one, err));
            buf_add_varint(&entries, one.len);
            buf_add(&entries, one.data, one.len);
            rows += load->strips[next]->rows;
        }
        TRY(buf_status(&entries, err));
        record_add_file(wal_batch_records(batch), loader->table->id, load->strips[i]->file,
                        load->strips[i]->first, load->strips[next - 1]->last, rows,
                        entries.data, entries.len);
        if (wal_batch_bytes(batch) > WAL_PART_BYTES)
            TRY(wal_part(batch, err));
    }
    for (uint32_t i = 0; i < load->run_count; i++) {
        uint8_t reference[LOAD_RUN_BYTES];
        run_ref_encode(&load->runs[i].ref, reference);
        reference[RUN_REF_BYTES] = load->runs[i].fences;
        record_add_run(wal_batch_records(batch), loader->table->id, load->runs[i].index,
                       load->runs[i].number, reference, sizeof reference);
    }
out:
    buf_deinit(&entries);
    buf_deinit(&one);
    return status;
}

void load_stamp(struct loader *loader, uint64_t timestamp)
{
    struct load *load = loader->load;
    for (uint32_t i = 0; i < loader->file_count; i++)
        disk_fresh_add(loader->disk, loader->files[i]);
    for (uint32_t i = 0; i < load->run_count; i++)
        disk_fresh_add(loader->disk, load->runs[i].number | RUN_BIT);
    atomic_store_explicit(&load->stamp, timestamp, memory_order_release);
    /* Each is one place more to look at: a checkpoint takes them in. */
    if (loader->disk->fresh_count >= FRESH_FILES_MAX)
        atomic_store_explicit(&loader->disk->due_now, true, memory_order_relaxed);
    loader_release(loader);
}

void load_rollback(struct loader *loader)
{
    struct load *load = loader->load;
    struct disk *disk = loader->disk;
    char path[4096];
    block_writer_free(loader->writer);
    loader->writer = NULL;
    if (loader->listed)
        load_unlist(loader->table, load);
    /* What cannot be removed is named by nothing: the next opening removes it, if no
     * checkpoint comes first. */
    for (uint32_t i = 0; i < loader->file_count; i++) {
        block_cache_forget(disk->strips, loader->files[i]);
        if (block_path(disk->blocks, loader->files[i], path, sizeof path, NULL) == KDK_OK)
            (void)!os_remove(disk->os, path, NULL);
    }
    for (uint32_t i = 0; i < load->run_count; i++)
        if (disk_file_path(disk, load->runs[i].number | RUN_BIT, path, sizeof path, NULL) ==
            KDK_OK)
            (void)!os_remove(disk->os, path, NULL);
    load_indexes_free(loader);
    loader_release(loader);
}
