/* files.c - which files a database is made of: block files, live or not, and the log. */
#include "table/load.h"

#include <stdio.h>

#include "base/mem.h"

struct live_file {
    uint64_t number, hidden;
};
struct listing {
    struct store *store;
    struct generation *generation;
    struct live_file *live;
    size_t count, cap;
    const char *dir;
    bool log;
    kdk_status (*each)(void *context, const struct store_file *file, struct err *err);
    void *context;
};

static kdk_status live_add(struct listing *listing, uint64_t number, uint64_t hidden,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    if (listing->count && listing->live[listing->count - 1].number == number) {
        listing->live[listing->count - 1].hidden += hidden;
        return KDK_OK;
    }
    if (listing->count == listing->cap) {
        const size_t cap = MAX(listing->cap * 2, 64u);
        struct live_file *live = mem_realloc(listing->live, size_mul(cap, sizeof *live));
        TRY_MEM(live);
        listing->live = live;
        listing->cap = cap;
    }
    listing->live[listing->count++] = (struct live_file){number, hidden};
out:
    return status;
}

/* Rows of a strip that a record of the row tree hides. */
static kdk_status hidden_rows(struct disk *disk, const struct gtable *table,
                              const struct strip_entry *entry, uint64_t *out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct btree_cursor cursor = {0};
    uint32_t position;
    *out = 0;
    btree_cursor_init(&cursor, disk->file, &table->rows);
    if (table->rows.height)
        TRY(rows_seek(&cursor, entry->first, err));
    while (cursor.valid && get_be64(cursor.key) <= entry->last) {
        *out += strip_entry_position(entry, get_be64(cursor.key), &position);
        TRY(rows_next(&cursor, err));
    }
out:
    btree_cursor_deinit(&cursor);
    return status;
}

static kdk_status collect_live(struct listing *listing, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = listing->store->disk;
    struct btree_cursor cursor = {0};
    uint8_t key[META_KEY_BYTES];
    btree_cursor_init(&cursor, disk->file, &listing->generation->manifest.meta);
    meta_key(key, 1, 0, 0);
    for (;;) {
        struct gtable *table;
        struct directory *directory;
        uint64_t hidden;
        TRY(btree_cursor_seek(&cursor, key, sizeof key, err));
        if (!cursor.valid)
            break;
        const uint32_t id = __builtin_bswap32(get_u32(cursor.key));
        TRY(generation_table(disk, listing->generation, id, &table, err));
        TRY(gtable_directory(disk, listing->generation, table, &directory, err));
        for (uint32_t i = 0; directory && i < directory->count; i++) {
            TRY(hidden_rows(disk, table, directory->entries[i], &hidden, err));
            TRY(live_add(listing, directory->entries[i]->file, hidden, err));
        }
        if (id == UINT32_MAX)
            break;
        meta_key(key, id + 1, 0, 0);
    }
    for (uint32_t i = 0; i < disk->fresh_count; i++)
        if (!(disk->fresh[i].number & RUN_BIT))
            TRY(live_add(listing, disk->fresh[i].number, 0, err));
out:
    btree_cursor_deinit(&cursor);
    return status;
}

static kdk_status list_one(void *context, const char *name, struct err *err)
{
    kdk_status status = KDK_OK;
    struct listing *listing = context;
    struct disk *disk = listing->store->disk;
    struct buf path = {0};
    struct os_file *file = NULL;
    struct block_info info = {0};
    struct store_file out = {.is_log = listing->log};
    buf_printf(&path, "%s/%s", listing->dir, name);
    TRY(buf_status(&path, err));
    out.path = path.data;
    status = os_open(disk->os, path.data, OS_READ, &file, err);
    if (status == KDK_UNDEFINED_FILE && listing->log) {
        /* A segment got another name meanwhile. */
        err_clear(err);
        status = KDK_OK;
        goto out;
    }
    TRY(status);
    TRY(os_size(file, &out.bytes, err));
    for (const char *at = name; !listing->log && *at >= '0' && *at <= '9'; at++)
        out.number = out.number * 10 + (uint64_t)(*at - '0');
    for (size_t i = 0; !listing->log && i < listing->count; i++)
        if (listing->live[i].number == out.number) {
            out.live = true;
            out.hidden = listing->live[i].hidden;
        }
    if (!listing->log) {
        TRY(block_file_scan(disk->os, disk->blocks, out.number, &info, err));
        out.table = (uint32_t)info.table;
        out.strips = info.strip_count;
        for (uint32_t i = 0; i < info.strip_count; i++)
            out.rows += info.strips[i]->rows;
    }
    TRY(listing->each(listing->context, &out, err));
out:
    block_info_deinit(&info);
    os_close(file);
    buf_deinit(&path);
    return status;
}

kdk_status store_files(struct store *store,
                       kdk_status (*each)(void *context, const struct store_file *file,
                                          struct err *err),
                       void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct disk *disk = store->disk;
    struct listing listing = {.store = store, .each = each, .context = context};
    struct txn *txn = NULL;
    struct buf wal = {0};
    if (!disk)
        return KDK_OK;
    disk_acquire(disk);
    TRY(txn_begin(store->man, TXN_SNAPSHOT, true, &txn, err));
    txn_statement_begin(txn);
    listing.generation = txn_generation(txn);
    TRY(collect_live(&listing, err));
    listing.dir = disk->blocks;
    TRY(os_list(disk->os, disk->blocks, list_one, &listing, err));
    buf_printf(&wal, "%s/wal", disk->path);
    TRY(buf_status(&wal, err));
    listing.dir = wal.data;
    listing.log = true;
    TRY(os_list(disk->os, wal.data, list_one, &listing, err));
out:
    txn_rollback(txn);
    disk_release(disk);
    mem_free(listing.live);
    buf_deinit(&wal);
    return status;
}
