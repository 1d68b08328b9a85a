/* loads.c - loads between memory and generation: the list, what readers see of it,
 * checkpoints, recovery. */
#include "table/load.h"

#include <stdio.h>

#include "base/mem.h"
#include "table/checkpoint.h"
#include "wal/record.h"

/* ---------------------------------------------------------------------- loads ---- */

kdk_status load_new(struct disk *disk, uint64_t stamp, struct load **out, struct err *err)
{
    struct load *load = MEM_NEW(struct load);
    if (!load)
        return err_nomem(err);
    load->disk = disk;
    atomic_init(&load->refs, 1);
    atomic_init(&load->stamp, stamp);
    *out = load;
    return KDK_OK;
}

void load_ref(struct load *load)
{
    atomic_fetch_add_explicit(&load->refs, 1, memory_order_relaxed);
}

void load_unref(struct load *load)
{
    if (!load || atomic_fetch_sub_explicit(&load->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < load->strip_count; i++)
        strip_entry_unref(load->strips[i]);
    for (uint32_t i = 0; i < load->run_count; i++)
        run_close(load->runs[i].run);
    mem_free(load->strips);
    mem_free(load->runs);
    mem_free(load);
}

kdk_status load_add_strip(struct load *load, struct strip_entry *entry, struct err *err)
{
    kdk_status status = KDK_OK;
    if (load->strip_count == load->strip_cap) {
        const uint32_t cap = MAX(load->strip_cap * 2, 16u);
        struct strip_entry **strips =
            mem_realloc(load->strips, size_mul(cap, sizeof *strips));
        TRY_MEM(strips);
        load->strips = strips;
        load->strip_cap = cap;
    }
    if (!load->strip_count)
        load->first = entry->first;
    else if (entry->first <= load->last)
        TRY(err_set(err, KDK_CORRUPT, "the strips of a load overlap"));
    load->last = entry->last;
    load->rows += entry->rows;
    load->strips[load->strip_count++] = strip_entry_ref(entry);
out:
    return status;
}

kdk_status load_add_run(struct load *load, struct load_run **out, struct err *err)
{
    kdk_status status = KDK_OK;
    if (load->run_count == load->run_cap) {
        const uint32_t cap = MAX(load->run_cap * 2, 4u);
        struct load_run *runs = mem_realloc(load->runs, size_mul(cap, sizeof *runs));
        TRY_MEM(runs);
        load->runs = runs;
        load->run_cap = cap;
    }
    *out = &load->runs[load->run_count++];
    **out = (struct load_run){0};
out:
    return status;
}

void load_bounds(struct table *table, const struct load *load)
{
    const struct layout *layout = table_newest(table);
    for (uint32_t i = 0; i < load->strip_count; i++) {
        const struct strip_entry *entry = load->strips[i];
        for (uint32_t k = 0; k < entry->column_count; k++) {
            const struct strip_column *column = &entry->columns[k];
            if (!column->zone.known || column->number >= layout->count ||
                !layout->fields[column->number].bounds)
                continue;
            bounds_widen(table, &layout->fields[column->number], &column->zone.min);
            bounds_widen(table, &layout->fields[column->number], &column->zone.max);
        }
    }
}

/* ----------------------------------------------------------------------- list ---- */

static void load_garbage(struct txn_garbage *garbage)
{
    load_unref((struct load *)((uintptr_t)garbage - offsetof(struct load, garbage)));
}

kdk_status load_list(struct table *table, struct load *load, struct err *err)
{
    kdk_status status = KDK_OK;
    latch_acquire(&table->store->latch);
    struct load_set *set = table_loads(table), *fresh;
    const uint32_t count = set ? set->count : 0;
    TRY_MEM(fresh = mem_zalloc(sizeof *fresh + (count + 1) * sizeof fresh->load[0]));
    for (uint32_t i = 0; i < count; i++) {
        struct load *one = set_load(set, i);
        if (one)
            atomic_init(&fresh->load[fresh->count++], one);
    }
    load_ref(load);
    atomic_init(&fresh->load[fresh->count++], load);
    /* L4: sequentially consistent, as what follows is a look at what others placed. */
    atomic_exchange_explicit(&table->loads, fresh, memory_order_seq_cst);
    if (set) {
        set->garbage.free = (void (*)(struct txn_garbage *))mem_free;
        txn_retire(table->store->man, &set->garbage);
    }
out:
    latch_release(&table->store->latch);
    return status;
}

void load_unlist(struct table *table, struct load *load)
{
    bool found = false;
    latch_acquire(&table->store->latch);
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++)
        if (set_load(set, i) == load) {
            atomic_store_explicit(&set->load[i], NULL, memory_order_release);
            found = true;
        }
    latch_release(&table->store->latch);
    if (!found)
        return;
    load->garbage.free = load_garbage;
    txn_retire(table->store->man, &load->garbage);
}

void loads_evict(struct table *table, uint64_t floor)
{
    for (;;) {
        struct load *gone = NULL;
        txn_enter(table->store->man);
        struct load_set *set = table_loads(table);
        for (uint32_t i = 0; set && i < set->count && !gone; i++) {
            struct load *load = set_load(set, i);
            if (load && atomic_load_explicit(&load->stamp, memory_order_acquire) <= floor)
                gone = load;
        }
        txn_leave(table->store->man);
        if (!gone)
            return;
        load_unlist(table, gone); /* Only who holds the disk takes committed loads out. */
    }
}

void loads_free(struct table *table)
{
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++)
        load_unref(set_load(set, i));
    mem_free(set);
}

/* -------------------------------------------------------------------- reading ---- */

struct load_reader load_reader_of(const struct txn *txn)
{
    const struct generation *generation = txn_generation(txn);
    return (struct load_reader){generation ? generation->manifest.timestamp : 0,
                                txn->snapshot};
}

struct strip_entry *load_find(const struct load *load, rowid id, uint32_t *position)
{
    uint32_t lo = 0, hi = load->strip_count;
    if (id < load->first || id > load->last)
        return NULL;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (load->strips[mid]->last < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < load->strip_count && strip_entry_position(load->strips[lo], id, position)
               ? load->strips[lo]
               : NULL;
}

struct strip_entry *loads_locate(struct table *table, struct load_reader reader, rowid id,
                                 uint32_t *position)
{
    struct strip_entry *found = NULL;
    struct txnman *man = table->store->man;
    if (!table_loads(table))
        return NULL;
    txn_enter(man);
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count && !found; i++) {
        struct load *load = set_load(set, i);
        if (load && load_counts(load, reader))
            found = strip_entry_ref(load_find(load, id, position));
    }
    txn_leave(man);
    return found;
}

uint64_t loads_header(struct table *table, rowid id)
{
    uint64_t header = 1;
    uint32_t position;
    struct txnman *man = table->store->man;
    if (!table_loads(table))
        return header;
    txn_enter(man);
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++) {
        struct load *load = set_load(set, i);
        const uint64_t stamp =
            load ? atomic_load_explicit(&load->stamp, memory_order_acquire)
                 : TXN_UNCOMMITTED;
        if (!(stamp & TXN_UNCOMMITTED) && load_find(load, id, &position))
            header = stamp;
    }
    txn_leave(man);
    return header;
}

/* The strips of both, by first row. */
static void directory_merge(struct directory *into, struct strip_entry *const *strips,
                            uint32_t count)
{
    uint32_t at = into->count + count, i = into->count, k = count;
    into->count = at;
    while (k) {
        if (i && into->entries[i - 1]->first > strips[k - 1]->first)
            into->entries[--at] = into->entries[--i];
        else
            into->entries[--at] = strips[--k];
    }
}

kdk_status table_directory(struct txn *txn, struct table *table, struct gtable *gtable,
                           struct directory **out, bool *own, struct err *err)
{
    kdk_status status = KDK_OK;
    const struct load_reader reader = load_reader_of(txn);
    struct disk *disk = table->store->disk;
    struct directory *below = NULL, *merged = NULL;
    *own = false;
    *out = NULL;
    if (gtable && gtable->exists)
        TRY(gtable_directory(disk, txn_generation(txn), gtable, &below, err));
    *out = below;
    if (!table_loads(table))
        goto out;
    /* A load that counts for this reader stays in the list as long as the reader lives, so
     * it may be counted first (L2). */
    txn_enter(txn->man);
    struct load_set *set = table_loads(table);
    uint64_t strips = 0;
    for (uint32_t i = 0; set && i < set->count; i++) {
        const struct load *load = set_load(set, i);
        if (load && load_counts(load, reader))
            strips += load->strip_count;
    }
    if (strips) {
        const uint64_t had = below ? below->count : 0;
        merged = mem_zalloc(
            size_add(sizeof *merged, size_mul(strips + had, sizeof merged->entries[0])));
        if (merged && had)
            memcpy(merged->entries, below->entries, had * sizeof merged->entries[0]);
        if (merged)
            merged->count = (uint32_t)had;
        for (uint32_t i = 0; merged && i < set->count; i++) {
            const struct load *load = set_load(set, i);
            if (load && load_counts(load, reader))
                directory_merge(merged, load->strips, load->strip_count);
        }
    }
    txn_leave(txn->man);
    if (!strips)
        goto out;
    TRY_MEM(merged);
    *out = merged;
    *own = true;
out:
    return status;
}

/* ----------------------------------------------------------------- checkpoint ---- */

kdk_status disk_file_path(struct disk *disk, uint64_t number, char *into, size_t bytes,
                          struct err *err)
{
    if (!(number & RUN_BIT))
        return block_path(disk->blocks, number, into, bytes, err);
    const int n = snprintf(into, bytes, "%s/%08llu.kdr", disk->runs,
                           (unsigned long long)(number & ~RUN_BIT));
    if (n < 0 || (size_t)n >= bytes)
        return err_set(err, KDK_LIMIT, "the path of the database is too long");
    return KDK_OK;
}

kdk_status disk_fresh_room(struct disk *disk, uint32_t more, struct err *err)
{
    kdk_status status = KDK_OK;
    if (disk->fresh_count + more > disk->fresh_cap) {
        const uint32_t cap = MAX(disk->fresh_cap * 2, disk->fresh_count + more);
        struct fresh_file *fresh = mem_realloc(disk->fresh, size_mul(cap, sizeof *fresh));
        TRY_MEM(fresh);
        disk->fresh = fresh;
        disk->fresh_cap = cap;
    }
out:
    return status;
}

void disk_fresh_add(struct disk *disk, uint64_t number)
{
    disk->fresh[disk->fresh_count++] = (struct fresh_file){number, false};
}

static void fresh_take(struct disk *disk, uint64_t number)
{
    for (uint32_t i = 0; i < disk->fresh_count; i++)
        if (disk->fresh[i].number == number)
            disk->fresh[i].taken = true;
}

kdk_status pour_loads(struct pouring *pouring, struct table *table, struct gtable *made,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = pouring->disk;
    const struct load_reader reader = load_reader_of(pouring->txn);
    struct buf value = {0};
    /* Who pours holds the disk: nobody lists a load or takes one out meanwhile. */
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++) {
        const struct load *load = set_load(set, i);
        if (!load || !load_counts(load, reader))
            continue;
        for (uint32_t k = 0; k < load->strip_count; k++) {
            const struct strip_entry *entry = load->strips[k];
            buf_clear(&value);
            TRY(strip_entry_encode(entry, &value, err));
            TRY(meta_put(pouring, table->id, META_STRIP, entry->first, &value, err));
            fresh_take(disk, entry->file);
        }
        for (uint32_t k = 0; k < load->run_count; k++) {
            TRY(pouring_dead(pouring, load->runs[k].number | RUN_BIT, err));
            fresh_take(disk, load->runs[k].number | RUN_BIT);
        }
        made->strips += load->strip_count;
        made->count += load->rows;
    }
    TRY(pouring_dicts(pouring, table, err));
out:
    buf_deinit(&value);
    return status;
}

bool loads_to_pour(struct txn *txn, struct table *table)
{
    const struct load_reader reader = load_reader_of(txn);
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++) {
        const struct load *load = set_load(set, i);
        if (load && load_counts(load, reader))
            return true;
    }
    return false;
}

bool loads_have_index(struct txn *txn, struct table *table, uint32_t index)
{
    const struct load_reader reader = load_reader_of(txn);
    struct load_set *set = table_loads(table);
    bool all = true;
    for (uint32_t i = 0; set && i < set->count && all; i++) {
        const struct load *load = set_load(set, i);
        if (!load || !load_counts(load, reader))
            continue;
        all = false;
        for (uint32_t k = 0; k < load->run_count; k++)
            all |= load->runs[k].index == index;
    }
    return all;
}

kdk_status pour_loads_dropped(struct pouring *pouring, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = pouring->disk;
    for (uint32_t i = 0; i < disk->fresh_count; i++) {
        if (disk->fresh[i].taken)
            continue;
        TRY(pouring_dead(pouring, disk->fresh[i].number, err));
        disk->fresh[i].taken = true;
        pouring->changed = true;
    }
out:
    return status;
}

void pour_loads_end(struct disk *disk, bool done)
{
    if (done)
        disk->fresh_count = 0;
    for (uint32_t i = 0; i < disk->fresh_count; i++)
        disk->fresh[i].taken = false;
}

/* ------------------------------------------------------------------- recovery ---- */

static struct load *load_at(struct table *table, uint64_t timestamp)
{
    struct load_set *set = table_loads(table);
    for (uint32_t i = 0; set && i < set->count; i++)
        if (atomic_load_explicit(&set_load(set, i)->stamp, memory_order_relaxed) ==
            timestamp)
            return set_load(set, i);
    return NULL;
}

static kdk_status recover_file(struct table *table, struct load *load,
                               const struct record_view *view, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cursor in = cursor_of(view->key, view->key_bytes);
    uint64_t rows = 0;
    while (cursor_left(&in) > 0) {
        const uint64_t bytes = cursor_varint(&in);
        const uint8_t *at = cursor_bytes(&in, bytes);
        struct strip_entry *entry;
        if (!at || in.bad)
            TRY(err_set(err, KDK_CORRUPT, "the strips of file %llu cannot be read",
                        (unsigned long long)view->number));
        TRY(strip_entry_decode(at, bytes, &entry, err));
        rows += entry->rows;
        const bool other = entry->file != view->number;
        status = other ? KDK_OK : load_add_strip(load, entry, err);
        strip_entry_unref(entry);
        TRY(status);
        if (other)
            TRY(err_set(err, KDK_CORRUPT, "a strip of file %llu names another file",
                        (unsigned long long)view->number));
    }
    if (rows != view->rows)
        TRY(err_set(err, KDK_CORRUPT, "the strips of file %llu have %llu rows, not %llu",
                    (unsigned long long)view->number, (unsigned long long)rows,
                    (unsigned long long)view->rows));
    atomic_fetch_add_explicit(&table->live, (int64_t)rows, memory_order_relaxed);
    load_bounds(table, load);
out:
    return status;
}

static kdk_status recover_dict(struct table *table, const struct record_view *view,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    const struct layout *layout = table_newest(table);
    struct column_dict *dict;
    if (view->column >= layout->count || layout->fields[view->column].kind != FIELD_STR)
        return KDK_OK; /* Dropped since. */
    TRY(table_dict(table, table->store->disk->newest, view->column,
                   layout->fields[view->column].type, &dict, err));
    TRY(dict_import(dict->dict, (uint32_t)view->number,
                    str_of((const char *)view->key, view->key_bytes), err));
    dict->logged = dict_count(dict->dict);
out:
    return status;
}

kdk_status load_recover(struct table *table, uint64_t timestamp,
                        const struct record_view *view, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = table->store->disk;
    struct load *load = load_at(table, timestamp), *fresh = NULL;
    struct run *run = NULL;
    struct load_run *added;
    struct run_ref ref;
    char path[4096];
    if (view->kind == RECORD_DICT) {
        TRY(recover_dict(table, view, err));
        goto out;
    }
    TRY(disk_fresh_room(disk, 1, err));
    if (view->kind == RECORD_FILE) {
        if (!load) {
            TRY(load_new(disk, timestamp, &fresh, err));
            TRY(load_list(table, fresh, err));
            load = fresh;
        }
        TRY(recover_file(table, load, view, err));
        disk_fresh_add(disk, view->number);
    } else {
        if (!load || view->key_bytes != LOAD_RUN_BYTES || view->key[RUN_REF_BYTES] > 1)
            TRY(err_set(err, KDK_CORRUPT,
                        "the write-ahead log names run %llu, but no rows with it",
                        (unsigned long long)view->number));
        run_ref_decode(&ref, view->key);
        TRY(disk_file_path(disk, view->number | RUN_BIT, path, sizeof path, err));
        TRY(run_open(disk->os, path, &ref, disk->cache, &run, err));
        TRY(load_add_run(load, &added, err));
        *added = (struct load_run){view->index, view->key[RUN_REF_BYTES] == 1, view->number,
                                   ref, run};
        run = NULL;
        disk_fresh_add(disk, view->number | RUN_BIT);
    }
out:
    load_unref(fresh);
    run_close(run);
    return status;
}
