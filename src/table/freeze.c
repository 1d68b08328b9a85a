/* freeze.c - settled rows become strips.
 *
 * A freeze builds on the newest generation alone and keeps its timestamp: the same rows, in
 * other places. What is in the row tree goes into new block files, together with the rows
 * of those files that a record of the row tree hides a row of, or falls among; the file is
 * the unit that is rewritten. Small files are written again with what is frozen, so that
 * they grow together. Afterwards the row tree is empty.
 */
#include "table/checkpoint.h"
#include "table/resequence.h"

#include "base/mem.h"
#include "wal/wal.h"

/* Files with fewer rows are joined with what is frozen. */
#define SMALL_ROWS ((uint64_t)STRIP_ROWS * FILE_STRIPS / 4)

struct freezing {
    struct pouring *pouring;
    struct table *table;
    const struct layout *layout;
    struct block_writer *writer;
    struct batch batch;
    struct arena arena, texts;
    struct resequence *indexes;
    uint64_t *ids;
    uint32_t rows;
    uint64_t strips;
    struct buf value;
};

static kdk_status next_file(void *context, uint64_t *number, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pouring *pouring = ((struct freezing *)context)->pouring;
    if (pouring->file_count == pouring->file_cap) {
        const uint32_t cap = MAX(pouring->file_cap * 2, 16u);
        uint64_t *files = mem_realloc(pouring->files, size_mul(cap, sizeof *files));
        TRY_MEM(files);
        pouring->files = files;
        pouring->file_cap = cap;
    }
    *number = atomic_fetch_add_explicit(&pouring->disk->next_file, 1, memory_order_acq_rel);
    pouring->files[pouring->file_count++] = *number;
out:
    return status;
}

static kdk_status file_done(void *context, uint64_t number, uint64_t bytes,
                            struct strip_entry *const *entries, uint32_t count,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct freezing *freezing = context;
    (void)number;
    (void)bytes;
    for (uint32_t i = 0; i < count; i++) {
        buf_clear(&freezing->value);
        TRY(strip_entry_encode(entries[i], &freezing->value, err));
        TRY(meta_put(freezing->pouring, freezing->table->id, META_STRIP, entries[i]->first,
                     &freezing->value, err));
        freezing->strips++;
    }
    TRY(resequence_written(freezing->indexes, entries, count, err));
out:
    return status;
}

static kdk_status strip_begin(void *context, struct strip_order *order, struct err *err)
{
    struct freezing *freezing = context;
    /* Rows have their ids: they stay where they are. */
    return resequence_strip(freezing->indexes, order->rows, err);
}

static kdk_status batch_flush(struct freezing *freezing, struct err *err)
{
    kdk_status status = KDK_OK;
    if (!freezing->rows)
        return KDK_OK;
    for (uint32_t k = 0; k < freezing->batch.column_count; k++) {
        struct vec *v = &freezing->batch.columns[k];
        for (uint32_t w = freezing->rows / 64; v->validity && w < bits_words(BATCH_ROWS);
             w++)
            v->validity[w] &=
                w == freezing->rows / 64 ? (1ull << freezing->rows % 64) - 1 : 0;
    }
    batch_all(&freezing->batch, freezing->rows);
    TRY(block_writer_add(freezing->writer, freezing->ids, &freezing->batch, err));
    freezing->rows = 0;
    arena_reset(&freezing->texts);
out:
    return status;
}

static kdk_status row_add(struct freezing *freezing, const struct image *image, rowid id,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    uint32_t k = 0;
    if (freezing->rows == 0)
        for (uint32_t c = 0; c < freezing->batch.column_count; c++) {
            struct vec *v = &freezing->batch.columns[c];
            vec_reset(v, ltype_width(v->type));
        }
    for (uint32_t c = 0; c < freezing->layout->count; c++) {
        const struct field *field = &freezing->layout->fields[c];
        if (field->kind == FIELD_NONE)
            continue;
        struct vec *v = &freezing->batch.columns[k++];
        struct datum value = image_get(freezing->table, image, c);
        if (value.null) {
            vec_set_null(v, freezing->rows, BATCH_ROWS);
            continue;
        }
        if (!datum_copy(&freezing->texts, field->type, value, &value))
            TRY(err_nomem(err));
        vec_put(v, freezing->rows, &value, BATCH_ROWS);
    }
    freezing->ids[freezing->rows++] = id;
    if (freezing->rows == BATCH_ROWS)
        TRY(batch_flush(freezing, err));
out:
    return status;
}

/* Rows of the generation in [from, to) go to a file, or several. */
static kdk_status range_freeze(struct freezing *freezing, struct row_walk *walk, rowid from,
                               rowid to, struct err *err)
{
    kdk_status status = KDK_OK;
    rowid id;
    walk->next = from;
    walk->end = to;
    for (;;) {
        TRY(row_walk_next(walk, &id, err));
        if (!id)
            break;
        TRY(resequence_row(freezing->indexes, &walk->image, id, err));
        TRY(row_add(freezing, &walk->image, id, err));
    }
    TRY(batch_flush(freezing, err));
    TRY(block_writer_end_file(freezing->writer, err));
out:
    return status;
}

kdk_status block_columns_of(struct table *table, struct generation *generation,
                            const struct layout *layout, struct arena *arena,
                            struct block_column **out, uint32_t *count, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_column *columns;
    uint32_t n = 0;
    TRY_MEM(columns = ARENA_ARRAY(arena, struct block_column, MAX(layout->count, 1)));
    for (uint32_t c = 0; c < layout->count; c++) {
        const struct field *field = &layout->fields[c];
        struct column_dict *dict = NULL;
        char room[TABLE_NAME_ROOM];
        if (field->kind == FIELD_NONE)
            continue;
        if (field->kind == FIELD_STR)
            TRY(table_dict(table, generation, c, field->type, &dict, err));
        columns[n] = (struct block_column){
            .number = c,
            .type = field->type,
            .name = arena_strdup(arena, name_of_column(table, c, room)),
            .dict = dict ? dict->dict : NULL};
        TRY_MEM(columns[n++].name);
    }
    *out = columns;
    *count = n;
out:
    return status;
}

static kdk_status writer_make(struct freezing *freezing, struct err *err)
{
    kdk_status status = KDK_OK;
    struct block_column *columns = NULL;
    struct ltype *types;
    uint32_t n = 0;
    TRY(block_columns_of(freezing->table, txn_generation(freezing->pouring->txn),
                         freezing->layout, &freezing->arena, &columns, &n, err));
    TRY_MEM(types = ARENA_ARRAY(&freezing->arena, struct ltype, MAX(n, 1)));
    TRY_MEM(freezing->ids = ARENA_ARRAY(&freezing->arena, uint64_t, BATCH_ROWS));
    for (uint32_t k = 0; k < n; k++)
        types[k] = columns[k].type;
    TRY(batch_init(&freezing->batch, types, n, &freezing->arena, err));
    TRY(block_writer_new(
        &(struct block_writer_options){.os = freezing->pouring->disk->os,
                                       .dir = freezing->pouring->disk->blocks,
                                       .table = freezing->table->id,
                                       .newest = freezing->pouring->manifest.timestamp,
                                       .codec = ARROW_CODEC_LZ4_FRAME,
                                       .columns = columns,
                                       .column_count = n,
                                       .next_file = next_file,
                                       .strip = strip_begin,
                                       .done = file_done,
                                       .context = freezing},
        &freezing->writer, err));
out:
    return status;
}

/* Whether a record of the row tree falls into [first, last]. */
static kdk_status touched(struct disk *disk, const struct gtable *old, rowid first,
                          rowid last, bool *out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    btree_cursor_init(&cursor, disk->file, &old->rows);
    TRY(rows_seek(&cursor, first, err));
    *out = cursor.valid && get_be64(cursor.key) <= last;
out:
    btree_cursor_deinit(&cursor);
    return status;
}

static kdk_status freeze_table(struct pouring *pouring, struct table *table,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = pouring->disk;
    struct generation *generation = txn_generation(pouring->txn);
    struct freezing freezing = {.pouring = pouring, .table = table};
    struct row_walk walk = {0};
    struct gtable *old, made;
    struct directory *directory;
    struct gindex *indexes = NULL;
    bool walking = false;
    rowid at = 1;
    uint64_t lsn;
    TRY(generation_table(disk, generation, table->id, &old, err));
    if (!old->exists || !old->rows.height)
        goto out;
    /* A definition in flight, or newer than the generation: next time. The layout first,
     * then who is at it. */
    freezing.layout = table_newest(table);
    if (atomic_load_explicit(&table->ddl_owner, memory_order_seq_cst) ||
        atomic_load_explicit(&table->ddl_timestamp, memory_order_seq_cst) >
            generation->manifest.timestamp ||
        table_newest(table) != freezing.layout) /* It was one that was rolled back. */
        goto out;
    uint32_t columns = 0;
    for (uint32_t c = 0; c < freezing.layout->count; c++)
        columns += freezing.layout->fields[c].kind != FIELD_NONE;
    if (!columns)
        goto out; /* Nothing to make columns of. */
    TRY(writer_make(&freezing, err));
    TRY(resequence_new(pouring, table, old, &freezing.indexes, err));
    TRY_MEM(indexes = MEM_ARRAY(struct gindex, MAX(old->index_count, 1)));
    walking = true;
    TRY(row_walk_open(&walk, pouring->txn, table, true, err));
    TRY(gtable_directory(disk, generation, old, &directory, err));
    for (uint32_t i = 0, next; directory && i < directory->count; i = next) {
        const struct strip_entry *first = directory->entries[i];
        uint64_t rows = 0;
        bool dirty;
        for (next = i;
             next < directory->count && directory->entries[next]->file == first->file;
             next++)
            rows += directory->entries[next]->rows;
        const rowid last = directory->entries[next - 1]->last;
        TRY(touched(disk, old, first->first, last, &dirty, err));
        if (!dirty && rows >= SMALL_ROWS) {
            TRY(range_freeze(&freezing, &walk, at, first->first, err));
            at = last + 1;
            freezing.strips += next - i;
            continue;
        }
        for (uint32_t k = i; k < next; k++) {
            TRY(meta_put(pouring, table->id, META_STRIP, directory->entries[k]->first, NULL,
                         err));
            TRY(resequence_replaced(freezing.indexes, directory->entries[k], err));
        }
        TRY(pouring_dead(pouring, first->file, err));
    }
    TRY(range_freeze(&freezing, &walk, at, old->next_id, err));
    TRY(dicts_log(table, &lsn, err));
    if (lsn)
        /* The manifest must not be there before them. */
        TRY(wal_wait(table->store->wal, lsn, err));
    TRY(pouring_dicts(pouring, table, err));
    TRY(btree_drop(pouring->sink, &old->rows, err));
    made = *old;
    memset(&made.rows, 0, sizeof made.rows);
    made.strips = freezing.strips;
    made.indexes = indexes;
    TRY(resequence_apply(freezing.indexes, indexes, &made.index_count, err));
    TRY(gtable_encode(&made, &freezing.value, err));
    TRY(meta_put(pouring, table->id, META_TABLE, 0, &freezing.value, err));
    pouring->changed = true;
out:
    if (walking)
        row_walk_close(&walk);
    block_writer_free(freezing.writer);
    resequence_free(freezing.indexes);
    mem_free(indexes);
    buf_deinit(&freezing.value);
    arena_deinit(&freezing.arena);
    arena_deinit(&freezing.texts);
    return status;
}

kdk_status store_freeze(struct store *store, struct table *table, struct err *err)
{
    kdk_status status = KDK_OK;
    struct pouring pouring;
    TRY(pouring_begin(store->disk, &pouring, err));
    TRY(pouring_tables(&pouring, err));
    /* The catalog's own tables are small, and for nobody outside. */
    for (uint32_t i = 0; i < pouring.table_count; i++)
        if (table ? pouring.tables[i] == table : pouring.tables[i]->id >= STORE_FIRST_ID)
            TRY(freeze_table(&pouring, pouring.tables[i], err));
out:
    return pouring_end(&pouring, status, err);
}
