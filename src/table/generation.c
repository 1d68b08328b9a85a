/* generation.c - generations in use, and what the meta tree says of their tables.
 *
 * Transactions pin through the transaction manager's hooks: after the snapshot was taken,
 * the newest generation with S <= R is the newest of all, or an older one when a checkpoint
 * was installed in between. A generation is in use while it is pinned, or while a snapshot
 * that has not pinned yet may still choose it: those from the newest one with S <=
 * txnman_oldest() on.
 */
#include "table/load.h"

#include "base/mem.h"
#include "task/broker.h"

void put_be64(uint8_t *into, uint64_t v)
{
    put_u64(into, __builtin_bswap64(v));
}

uint64_t get_be64(const uint8_t *from)
{
    return __builtin_bswap64(get_u64(from));
}

void meta_key(uint8_t into[META_KEY_BYTES], uint32_t table, enum meta_tag tag,
              uint64_t number)
{
    put_u32(into, __builtin_bswap32(table));
    into[4] = (uint8_t)tag;
    put_be64(into + 5, number);
}

/* ------------------------------------------------------------------- tables ---- */

void gtable_free(struct gtable *table)
{
    if (!table)
        return;
    struct directory *directory =
        atomic_load_explicit(&table->directory, memory_order_acquire);
    for (uint32_t i = 0; directory && i < directory->count; i++)
        strip_entry_unref(directory->entries[i]);
    mem_free(directory);
    mem_free(table->indexes);
    mem_free(table->bounds);
    mem_free(table->distinct);
    mem_free(table);
}

kdk_status gtable_encode(const struct gtable *table, struct buf *out, struct err *err)
{
    uint8_t root[BTREE_ROOT_BYTES];
    buf_clear(out);
    btree_root_encode(&table->rows, root);
    buf_add(out, root, sizeof root);
    buf_add_u64(out, table->next_id);
    buf_add_u64(out, table->count);
    buf_add_u64(out, table->strips);
    buf_add_varint(out, table->index_count);
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct gindex *index = &table->indexes[i];
        const struct btree_root *const roots[] = {&index->root, &index->fences,
                                                  &index->gone};
        buf_add_u32(out, index->id);
        for (size_t k = 0; k < COUNT_OF(roots); k++) {
            btree_root_encode(roots[k], root);
            buf_add(out, root, sizeof root);
        }
    }
    buf_add_varint(out, table->column_count);
    for (uint32_t c = 0; c < table->column_count; c++) {
        buf_add_u8(out, table->bounds[c].known);
        if (!table->bounds[c].known)
            continue;
        buf_add_u64(out, (uint64_t)table->bounds[c].lo);
        buf_add_u64(out, (uint64_t)table->bounds[c].hi);
    }
    return buf_status(out, err);
}

static void root_read(struct cursor *in, struct btree_root *root)
{
    const uint8_t *bytes = cursor_bytes(in, BTREE_ROOT_BYTES);
    if (bytes)
        btree_root_decode(root, bytes);
}

static kdk_status gtable_decode(struct gtable *table, const struct buf *bytes,
                                struct err *err)
{
    kdk_status status = KDK_OK;
    struct cursor in = cursor_of(bytes->data, bytes->len);
    table->exists = true;
    root_read(&in, &table->rows);
    table->next_id = cursor_u64(&in);
    table->count = cursor_u64(&in);
    table->strips = cursor_u64(&in);
    /* Ids begin with 1, and a strip has at least one. */
    if (table->next_id == 0 || table->strips >= table->next_id ||
        table->strips > UINT32_MAX)
        TRY(err_set(err, KDK_CORRUPT, "the entry of table %u is damaged", table->id));
    uint64_t n = cursor_varint(&in);
    if (in.bad || n > cursor_left(&in) / (4 + 3 * BTREE_ROOT_BYTES))
        TRY(err_set(err, KDK_CORRUPT, "the entry of table %u is damaged", table->id));
    TRY_MEM(table->indexes = MEM_ARRAY(struct gindex, MAX(n, 1)));
    table->index_count = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++) {
        table->indexes[i].id = cursor_u32(&in);
        root_read(&in, &table->indexes[i].root);
        root_read(&in, &table->indexes[i].fences);
        root_read(&in, &table->indexes[i].gone);
    }
    n = cursor_varint(&in);
    if (in.bad || n > cursor_left(&in))
        TRY(err_set(err, KDK_CORRUPT, "the entry of table %u is damaged", table->id));
    TRY_MEM(table->bounds = MEM_ARRAY(struct gbounds, MAX(n, 1)));
    TRY_MEM(table->distinct = MEM_ARRAY(_Atomic uint64_t, MAX(n, 1)));
    table->column_count = (uint32_t)n;
    for (uint32_t c = 0; c < n; c++) {
        table->bounds[c].known = cursor_u8(&in);
        if (!table->bounds[c].known)
            continue;
        table->bounds[c].lo = (int64_t)cursor_u64(&in);
        table->bounds[c].hi = (int64_t)cursor_u64(&in);
    }
    if (in.bad || cursor_left(&in))
        TRY(err_set(err, KDK_CORRUPT, "the entry of table %u is damaged", table->id));
out:
    return status;
}

static struct gtable *bucket_find(struct generation *generation, uint32_t id)
{
    struct gtable *table =
        atomic_load_explicit(&generation->tables[id % GEN_BUCKETS], memory_order_acquire);
    while (table && table->id != id)
        table = table->next;
    return table;
}

kdk_status generation_table(struct disk *disk, struct generation *generation, uint32_t id,
                            struct gtable **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct gtable *fresh = NULL;
    struct buf value = {0};
    *out = NULL;
    if (!generation || (*out = bucket_find(generation, id)))
        return KDK_OK;
    uint8_t key[META_KEY_BYTES];
    bool found;
    TRY_MEM(fresh = MEM_NEW(struct gtable));
    fresh->id = id;
    meta_key(key, id, META_TABLE, 0);
    TRY(btree_get(disk->file, &generation->manifest.meta, key, sizeof key, &value, &found,
                  err));
    if (found)
        TRY(gtable_decode(fresh, &value, err));
    latch_acquire(&generation->latch);
    *out = bucket_find(generation, id);
    if (!*out) {
        _Atomic(struct gtable *) *head = &generation->tables[id % GEN_BUCKETS];
        fresh->next = atomic_load_explicit(head, memory_order_relaxed);
        atomic_store_explicit(head, fresh, memory_order_release);
        *out = fresh;
        fresh = NULL;
    }
    latch_release(&generation->latch);
out:
    gtable_free(fresh);
    buf_deinit(&value);
    return status;
}

const struct gindex *gtable_index(const struct gtable *table, uint32_t id)
{
    for (uint32_t i = 0; table && i < table->index_count; i++)
        if (table->indexes[i].id == id)
            return &table->indexes[i];
    return NULL;
}

kdk_status gtable_directory(struct disk *disk, struct generation *generation,
                            struct gtable *table, struct directory **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct directory *fresh = NULL;
    struct btree_cursor cursor = {0};
    uint8_t key[META_KEY_BYTES];
    *out = atomic_load_explicit(&table->directory, memory_order_acquire);
    if (*out || !table->strips)
        return KDK_OK;
    TRY_MEM(fresh = mem_zalloc(size_add(
                sizeof *fresh, size_mul(table->strips, sizeof fresh->entries[0]))));
    btree_cursor_init(&cursor, disk->file, &generation->manifest.meta);
    meta_key(key, table->id, META_STRIP, 0);
    TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
    while (cursor.valid && cursor.key_bytes == META_KEY_BYTES &&
           memcmp(cursor.key, key, 5) == 0) {
        const uint8_t *value;
        if (fresh->count == table->strips)
            TRY(err_set(err, KDK_CORRUPT, "table %u has more strips than it says",
                        table->id));
        TRY(btree_cursor_value(&cursor, &value, err));
        TRY(strip_entry_decode(value, cursor.value_bytes, &fresh->entries[fresh->count],
                               err));
        fresh->count++;
        TRY(btree_cursor_next(&cursor, err));
    }
    if (fresh->count != table->strips)
        TRY(err_set(err, KDK_CORRUPT, "table %u has fewer strips than it says", table->id));
    latch_acquire(&generation->latch);
    *out = atomic_load_explicit(&table->directory, memory_order_acquire);
    if (!*out) {
        atomic_store_explicit(&table->directory, fresh, memory_order_release);
        *out = fresh;
        fresh = NULL;
    }
    latch_release(&generation->latch);
out:
    btree_cursor_deinit(&cursor);
    for (uint32_t i = 0; fresh && i < fresh->count; i++)
        strip_entry_unref(fresh->entries[i]);
    mem_free(fresh);
    return status;
}

/* -------------------------------------------------------------- generations ---- */

struct generation *generation_new(const struct manifest *manifest)
{
    struct generation *generation = MEM_NEW(struct generation);
    if (generation) {
        generation->manifest = *manifest;
        latch_init(&generation->latch, OS_RANK_LEAF);
    }
    return generation;
}

void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    for (uint32_t b = 0; b < GEN_BUCKETS; b++) {
        struct gtable *table =
            atomic_load_explicit(&generation->tables[b], memory_order_acquire);
        while (table) {
            struct gtable *next = table->next;
            gtable_free(table);
            table = next;
        }
    }
    mem_free(generation);
}

void generation_install(struct disk *disk, struct generation *generation)
{
    latch_acquire(&disk->latch);
    generation->older = disk->newest;
    disk->newest = generation;
    latch_release(&disk->latch);
}

static void pin(void *context, struct txn *txn)
{
    struct disk *disk = context;
    latch_acquire(&disk->latch);
    struct generation *one = disk->newest;
    while (one->manifest.timestamp > txn->snapshot)
        one = one->older;
    one->pins++;
    txn->pinned = one;
    latch_release(&disk->latch);
}

struct generation *generation_pin_oldest(struct disk *disk)
{
    latch_acquire(&disk->latch);
    struct generation *one = disk->newest;
    while (one->older)
        one = one->older;
    one->pins++;
    latch_release(&disk->latch);
    return one;
}

void generation_unpin(struct disk *disk, struct generation *generation)
{
    latch_acquire(&disk->latch);
    generation->pins--;
    latch_release(&disk->latch);
}

static void unpin(void *context, struct txn *txn)
{
    generation_unpin(context, txn_generation(txn));
}

uint64_t disk_floor(struct disk *disk, uint64_t *number)
{
    /* Before the latch: who takes a snapshot after this has one that is not older. */
    const uint64_t oldest = txnman_oldest(disk->store->man);
    struct generation *unused = NULL;
    latch_acquire(&disk->latch);
    struct generation *last = disk->newest;
    /* From the newest on to the first that any snapshot may choose, and on to the last that
     * is pinned. */
    for (struct generation *one = disk->newest; one; one = one->older) {
        if (one->pins)
            last = one;
        if (one->manifest.timestamp > oldest && one->older)
            last = one->older;
    }
    const uint64_t floor = last->manifest.timestamp;
    if (number)
        *number = last->manifest.sequence;
    unused = last->older;
    last->older = NULL;
    latch_release(&disk->latch);
    while (unused) {
        struct generation *older = unused->older;
        generation_free(unused);
        unused = older;
    }
    return floor;
}

/* --------------------------------------------------------------- open, close ---- */

static char *join(const char *dir, const char *name)
{
    const size_t bytes = strlen(dir) + strlen(name) + 2;
    char *path = mem_alloc(bytes);
    if (path) {
        memcpy(path, dir, strlen(dir));
        path[strlen(dir)] = '/';
        memcpy(path + strlen(dir) + 1, name, strlen(name) + 1);
    }
    return path;
}

/* MANIFEST comes into being whole: it is written under another name first. */
static kdk_status disk_create(struct disk *disk, const char *path, struct manifest *out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct os_file *file = NULL;
    char *fresh = NULL;
    struct pour *pour = NULL;
    bool touched;
    TRY_MEM(fresh = join(disk->path, "MANIFEST.new"));
    *out = (struct manifest){.sequence = 1, .next_file = 1};
    TRY(pour_begin(disk->pages, 1, &pour, err));
    TRY(pour_finish(pour, &out->map, err));
    TRY(os_open(disk->os, fresh, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err));
    TRY(os_sync_dir(disk->os, disk->path, err)); /* The names of the folders. */
    TRY(manifest_clear(file, err));
    TRY(manifest_write(file, out, &touched, err));
    os_close(file);
    file = NULL;
    TRY(os_rename(disk->os, fresh, path, err));
    TRY(os_sync_dir(disk->os, disk->path, err));
    pour_commit(pour);
    pour = NULL;
out:
    pour_abort(pour);
    os_close(file);
    mem_free(fresh);
    return status;
}

/* Files that nothing names are those of a checkpoint or of a load that did not end. */
struct sweep {
    struct disk *disk;
    const char *dir;
    uint64_t next_file, bit; /* RUN_BIT for runs. */
};
static kdk_status sweep_one(void *context, const char *name, struct err *err)
{
    struct sweep *sweep = context;
    kdk_status status = KDK_OK;
    uint64_t number = 0;
    char *path = NULL;
    const char *at = name;
    while (*at >= '0' && *at <= '9')
        number = number * 10 + (uint64_t)(*at++ - '0');
    if (at == name || number < sweep->next_file)
        return KDK_OK;
    for (uint32_t i = 0; i < sweep->disk->fresh_count; i++)
        if (sweep->disk->fresh[i].number == (number | sweep->bit))
            return KDK_OK; /* The log names it. */
    TRY_MEM(path = join(sweep->dir, name));
    TRY(os_remove(sweep->disk->os, path, err));
out:
    mem_free(path);
    return status;
}

kdk_status disk_sweep(struct disk *disk, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint64_t next = disk->newest->manifest.next_file;
    enum os_kind kind;
    if (disk->read_only)
        return KDK_OK;
    struct sweep blocks = {disk, disk->blocks, next, 0},
                 runs = {disk, disk->runs, next, RUN_BIT};
    TRY(os_list(disk->os, disk->blocks, sweep_one, &blocks, err));
    TRY(os_kind(disk->os, disk->runs, &kind, err));
    if (kind == OS_DIR)
        TRY(os_list(disk->os, disk->runs, sweep_one, &runs, err));
    /* What stays is not given again. */
    uint64_t above = next;
    for (uint32_t i = 0; i < disk->fresh_count; i++)
        above = MAX(above, (disk->fresh[i].number & ~RUN_BIT) + 1);
    if (above > atomic_load_explicit(&disk->next_file, memory_order_relaxed))
        atomic_store_explicit(&disk->next_file, above, memory_order_relaxed);
out:
    return status;
}

/* Files that the meta tree lists as replaced. */
static kdk_status dead_read(struct disk *disk, const struct manifest *manifest,
                            struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    uint8_t key[META_KEY_BYTES];
    btree_cursor_init(&cursor, disk->file, &manifest->meta);
    meta_key(key, 0, META_DEAD, 0);
    TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
    while (cursor.valid && cursor.key_bytes == META_KEY_BYTES &&
           memcmp(cursor.key, key, 5) == 0 && cursor.value_bytes == 8) {
        if (disk->dead_count == disk->dead_cap) {
            const uint32_t cap = MAX(disk->dead_cap * 2, 16u);
            struct dead_file *dead = mem_realloc(disk->dead, size_mul(cap, sizeof *dead));
            TRY_MEM(dead);
            disk->dead = dead;
            disk->dead_cap = cap;
        }
        disk->dead[disk->dead_count++] =
            (struct dead_file){get_be64(cursor.key + 5), get_u64(cursor.value)};
        TRY(btree_cursor_next(&cursor, err));
    }
out:
    btree_cursor_deinit(&cursor);
    return status;
}

static kdk_status seen_numbered(void *context, const char *name, struct err *err)
{
    bool *seen = context;
    (void)err;
    *seen |= *name >= '0' && *name <= '9';
    return KDK_OK;
}

/* Without a MANIFEST the directory is new, was left while it was being made, which leaves a
 * page file of a header at the most, or has lost it. */
static kdk_status manifest_missing(struct disk *disk, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    char *path = NULL;
    struct os_file *file = NULL;
    uint64_t bytes = 0;
    bool seen = false;
    TRY_MEM(path = join(disk->trees, "pages.kdt"));
    TRY(os_kind(disk->os, path, &kind, err));
    if (kind == OS_FILE) {
        TRY(os_open(disk->os, path, OS_READ, &file, err));
        TRY(os_size(file, &bytes, err));
    }
    TRY(os_kind(disk->os, disk->blocks, &kind, err));
    if (kind == OS_DIR)
        TRY(os_list(disk->os, disk->blocks, seen_numbered, &seen, err));
    if (seen || bytes > TREE_PAGE_BYTES) {
        err_set(err, KDK_CORRUPT, "the MANIFEST of \"%s\" is missing", disk->path);
        err_detail(err, "There are files that it would name, in \"%s\".",
                   seen ? disk->blocks : disk->trees);
        err_hint(err, "Restore it, or the whole directory, from a backup.");
        status = KDK_CORRUPT;
    }
out:
    os_close(file);
    mem_free(path);
    return status;
}

kdk_status disk_open(struct store *store, const struct store_options *options,
                     struct manifest *out, struct store_report *report, struct err *err)
{
    kdk_status status = KDK_OK;
    char *path = NULL;
    bool *created = &report->created;
    struct manifest older = {0};
    struct generation *generation = NULL;
    enum os_kind kind;
    struct disk *disk;
    *created = false;
    TRY_MEM(disk = MEM_NEW(struct disk));
    store->disk = disk;
    disk->store = store;
    disk->os = options->os;
    disk->read_only = options->read_only;
    latch_init(&disk->latch, OS_RANK_LEAF);
    latch_init(&disk->dict_latch, OS_RANK_LEAF);
    latch_init(&disk->upkeep.latch, OS_RANK_LEAF);
    TRY_MEM(disk->path = mem_strdup(options->dir));
    TRY_MEM(disk->trees = join(disk->path, "trees"));
    TRY_MEM(disk->blocks = join(disk->path, "blocks"));
    TRY_MEM(disk->runs = join(disk->path, "runs"));
    TRY_MEM(path = join(disk->path, "MANIFEST"));
    TRY(os_kind(disk->os, path, &kind, err));
    if (kind == OS_MISSING && disk->read_only)
        TRY(err_set(err, KDK_UNDEFINED_FILE, "%s is not a database: it has no MANIFEST",
                    disk->path));
    *created = kind == OS_MISSING;
    if (*created) {
        TRY(manifest_missing(disk, err));
        TRY(os_mkdir(disk->os, disk->trees, err));
        TRY(os_mkdir(disk->os, disk->blocks, err));
    } else {
        TRY(os_open(disk->os, path, disk->read_only ? OS_READ : OS_WRITE, &disk->slots,
                    err));
        TRY(manifest_read(disk->slots, out, &older, &report->slot_lost, err));
        if (!disk->read_only)
            TRY(manifest_again(disk->slots, out, &older, err));
    }
    TRY(page_cache_new(0, &disk->cache, err));
    const struct pagestore_map none = {0};
    TRY(pagestore_open(disk->os, disk->trees, *created ? &none : &out->map, disk->read_only,
                       disk->cache, &disk->pages, err));
    disk->file = pagestore_file(disk->pages);
    if (*created) {
        TRY(disk_create(disk, path, out, err));
        TRY(os_open(disk->os, path, OS_WRITE, &disk->slots, err));
    }
    TRY(block_cache_new(
        &(struct block_cache_options){.os = disk->os,
                                      .dir = disk->blocks,
                                      .broker = options->broker,
                                      .bytes_max = cache_share(disk->os, options->broker)},
        &disk->strips, err));
    disk->older_slot = older.sequence;
    atomic_init(&disk->since_lsn, out->log_lsn);
    disk->older_lsn = older.sequence ? older.log_lsn : out->log_lsn;
    atomic_init(&disk->next_file, out->next_file);
    TRY(dead_read(disk, out, err));
    TRY_MEM(generation = generation_new(out));
    disk->newest = generation;
out:
    mem_free(path);
    return status;
}

void disk_start(struct store *store)
{
    struct disk *disk = store->disk;
    disk->pins = (struct txn_pins){disk, pin, unpin, checkpoint_if_due};
    txnman_set_pins(store->man, &disk->pins);
}

void disk_close(struct disk *disk)
{
    if (!disk)
        return;
    while (disk->newest) {
        struct generation *older = disk->newest->older;
        generation_free(disk->newest);
        disk->newest = older;
    }
    block_cache_free(disk->strips);
    pagestore_close(disk->pages);
    page_cache_free(disk->cache);
    os_close(disk->slots);
    mem_free(disk->path);
    mem_free(disk->trees);
    mem_free(disk->blocks);
    mem_free(disk->runs);
    mem_free(disk->fresh);
    mem_free(disk->dead);
    mem_free(disk);
}
