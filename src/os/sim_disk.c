/* sim_disk.c - a disk in memory that can lose power.
 *
 * Each file has two tables of pages: `now`, what reads see, and `disk`, what would surely
 * be found after a cut. They share their pages until one is written; a write copies a
 * shared page and marks the sectors it touched. A sync lets `disk` share the pages that
 * have marks: its cost is the number of dirty pages, not the size of the file. A cut draws
 * for each marked sector which of the two it is. Pages of zeroes are no pages at all, so
 * preallocated logs cost nothing.
 *
 * A real kernel also writes back when it likes. So a sector that is overwritten while it is
 * dirty sometimes reaches the platter in between, and so do a file's size and a directory's
 * entries: all intermediate states can survive, without a list of versions.
 *
 * Names work alike: an entry names one inode now and maybe another on the platter. A rename
 * changes two entries, which then form a group that survives as a whole, as on every
 * journaling file system.
 */
#include "os/sim_int.h"

#include "base/mem.h"

struct sim_page {
    uint32_t refs;
    uint8_t bytes[SIM_PAGE_BYTES];
};

static const uint8_t zeroes[SIM_PAGE_BYTES];

/* Once in so many overwrites a dirty sector, size or directory is written back before. */
#define WRITEBACK_ONCE_IN 6

/* ---- Pages ---- */
static struct sim_page *page_ref(struct sim_page *page)
{
    if (page)
        page->refs++;
    return page;
}

static void page_unref(struct sim_page *page)
{
    if (page && --page->refs == 0)
        mem_raw_free(page);
}

/* Sets *slot to `page`, taking over the caller's reference. */
static void page_set(struct sim_page **slot, struct sim_page *page)
{
    page_unref(*slot);
    *slot = page;
}

/* Makes *slot a page that nobody shares. */
static kdk_status page_own(struct sim_page **slot, struct err *err)
{
    if (*slot && (*slot)->refs == 1)
        return KDK_OK;
    struct sim_page *page = mem_raw_zalloc(sizeof *page);
    if (!page)
        return err_nomem(err);
    page->refs = 1;
    if (*slot)
        memcpy(page->bytes, (*slot)->bytes, SIM_PAGE_BYTES);
    page_set(slot, page);
    return KDK_OK;
}

static const uint8_t *page_bytes(const struct sim_page *page)
{
    return page ? page->bytes : zeroes;
}

/* Copies the sectors in `mask` from one page to another. */
static kdk_status page_mix(struct sim_page **to, const struct sim_page *from, uint8_t mask,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    if (mask == 0)
        return KDK_OK;
    TRY(page_own(to, err));
    for (unsigned s = 0; s < SIM_PAGE_SECTORS; s++)
        if (mask >> s & 1)
            memcpy((*to)->bytes + s * SIM_SECTOR_BYTES,
                   page_bytes(from) + s * SIM_SECTOR_BYTES, SIM_SECTOR_BYTES);
out:
    return status;
}

/* Grows an array of `count` items to hold at least `want`, zeroing what is new. */
static kdk_status grow(void **items, size_t item_bytes, size_t count, size_t cap,
                       struct err *err)
{
    void *grown = mem_raw_zalloc(size_mul(cap, item_bytes));
    if (!grown)
        return err_nomem(err);
    if (count)
        memcpy(grown, *items, count * item_bytes);
    mem_raw_free(*items);
    *items = grown;
    return KDK_OK;
}

#define GROW(ITEMS, COUNT, CAP, ERR)                                                       \
    grow((void **)&(ITEMS), sizeof *(ITEMS), COUNT, CAP, ERR)

/* ---- Inodes ---- */
static struct sim_inode *inode_new(struct sim_disk *disk, bool is_dir)
{
    struct sim_inode *inode = mem_raw_zalloc(sizeof *inode);
    if (!inode)
        return NULL;
    inode->is_dir = is_dir;
    inode->previous = disk->last;
    if (disk->last)
        disk->last->next = inode;
    else
        disk->first = inode;
    disk->last = inode;
    return inode;
}

static void charge(struct sim_disk *disk, struct sim_inode *inode, uint64_t bytes)
{
    disk->used += bytes - inode->charged;
    inode->charged = bytes;
}

static void inode_free(struct sim_inode *inode)
{
    for (size_t i = 0; i < inode->page_cap; i++) {
        page_unref(inode->now[i]);
        page_unref(inode->disk[i]);
    }
    mem_raw_free(inode->now);
    mem_raw_free(inode->disk);
    mem_raw_free(inode->dirty);
    mem_raw_free(inode->lost);
    mem_raw_free(inode->dirty_pages);
    mem_raw_free(inode->entries);
    mem_raw_free(inode);
}

static void entry_free(struct sim_disk *disk, struct sim_entry *entry);

static void inode_unref(struct sim_disk *disk, struct sim_inode *inode)
{
    if (!inode || --inode->refs > 0)
        return;
    *(inode->previous ? &inode->previous->next : &disk->first) = inode->next;
    *(inode->next ? &inode->next->previous : &disk->last) = inode->previous;
    charge(disk, inode, 0);
    for (size_t i = 0; i < inode->entry_count; i++)
        entry_free(disk, inode->entries[i]);
    inode_free(inode);
}

static struct sim_inode *inode_ref(struct sim_inode *inode)
{
    if (inode)
        inode->refs++;
    return inode;
}

/* What has no name and is not open takes no room, though the platter still has it. */
static void inode_recharge(struct sim_disk *disk, struct sim_inode *inode)
{
    bool used = inode->links > 0 || inode->handles > 0;
    charge(disk, inode, used ? align_up(inode->size_now, SIM_SECTOR_BYTES) : 0);
}

void sim_inode_open(struct sim_inode *inode)
{
    inode->refs++;
    inode->handles++;
}

void sim_inode_close(struct sim_disk *disk, struct sim_inode *inode)
{
    inode->handles--;
    inode_recharge(disk, inode);
    inode_unref(disk, inode);
}

static kdk_status pages_reserve(struct sim_inode *inode, size_t pages, struct err *err)
{
    kdk_status status = KDK_OK;
    if (pages <= inode->page_cap)
        return KDK_OK;
    size_t cap = MAX(pages, inode->page_cap * 2), had = inode->page_cap;
    TRY(GROW(inode->now, had, cap, err));
    TRY(GROW(inode->disk, had, cap, err));
    TRY(GROW(inode->dirty, had, cap, err));
    TRY(GROW(inode->lost, had, cap, err));
    inode->page_cap = cap;
out:
    return status;
}

static kdk_status mark_dirty(struct sim_inode *inode, size_t page, uint8_t mask,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    if (inode->dirty[page] == 0) {
        if (inode->dirty_count == inode->dirty_cap) {
            size_t cap = MAX((size_t)8, inode->dirty_cap * 2);
            TRY(GROW(inode->dirty_pages, inode->dirty_count, cap, err));
            inode->dirty_cap = cap;
        }
        inode->dirty_pages[inode->dirty_count++] = (uint32_t)page;
    }
    inode->dirty[page] |= mask;
    inode->lost[page] &= (uint8_t)~mask;
out:
    return status;
}

/* Sectors of a page that the bytes [from, to) touch. */
static uint8_t sector_mask(size_t from, size_t to)
{
    unsigned first = (unsigned)(from / SIM_SECTOR_BYTES);
    unsigned end = (unsigned)((to + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES);
    return (uint8_t)((1u << end) - (1u << first));
}

/* A part of one page changes: `from` NULL makes zeroes. */
static kdk_status page_change(struct sim_disk *disk, struct sim_inode *inode, size_t page,
                              size_t at, const uint8_t *from, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t mask = sector_mask(at, at + bytes);
    uint8_t again = mask & inode->dirty[page] & (uint8_t)~inode->lost[page];
    if (again && sim_once_in(&disk->random, WRITEBACK_ONCE_IN))
        TRY(page_mix(&inode->disk[page], inode->now[page], again, err));
    TRY(mark_dirty(inode, page, mask, err));
    if (bytes == SIM_PAGE_BYTES && (!from || memcmp(from, zeroes, bytes) == 0)) {
        page_set(&inode->now[page], NULL);
        goto out;
    }
    if (bytes == SIM_PAGE_BYTES && inode->now[page] && inode->now[page]->refs > 1)
        page_set(&inode->now[page], NULL); /* Nothing of it is kept: no need to copy. */
    TRY(page_own(&inode->now[page], err));
    if (from)
        memcpy(inode->now[page]->bytes + at, from, bytes);
    else
        memset(inode->now[page]->bytes + at, 0, bytes);
out:
    return status;
}

static void size_change(struct sim_disk *disk, struct sim_inode *inode, uint64_t bytes)
{
    if (inode->size_disk != inode->size_now &&
        sim_once_in(&disk->random, WRITEBACK_ONCE_IN))
        inode->size_disk = inode->size_now;
    inode->size_now = bytes;
    inode_recharge(disk, inode);
}

size_t sim_inode_read(const struct sim_inode *inode, uint64_t offset, void *into,
                      size_t bytes)
{
    if (offset >= inode->size_now)
        return 0;
    bytes = (size_t)MIN((uint64_t)bytes, inode->size_now - offset);
    for (size_t done = 0; done < bytes;) {
        size_t page = (size_t)((offset + done) / SIM_PAGE_BYTES);
        size_t at = (size_t)((offset + done) % SIM_PAGE_BYTES);
        size_t part = MIN(bytes - done, SIM_PAGE_BYTES - at);
        memcpy((uint8_t *)into + done, page_bytes(inode->now[page]) + at, part);
        done += part;
    }
    return bytes;
}

static kdk_status full(struct err *err, const struct sim_disk *disk)
{
    kdk_status status = err_set(err, KDK_FULL, "no space left on the simulated disk");
    err_detail(err, "%llu of %llu bytes are used", (unsigned long long)disk->used,
               (unsigned long long)disk->capacity);
    return status;
}

/* Bytes to which a file may grow. */
static uint64_t size_limit(const struct sim_disk *disk, const struct sim_inode *inode)
{
    if (disk->full)
        return 0;
    if (!disk->capacity)
        return INT64_MAX;
    uint64_t others = disk->used - inode->charged;
    return disk->capacity > others
               ? (disk->capacity - others) & ~(uint64_t)(SIM_SECTOR_BYTES - 1)
               : 0;
}

kdk_status sim_inode_write(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset,
                           const void *from, size_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    if (bytes == 0)
        return KDK_OK;
    uint64_t limit = MAX(size_limit(disk, inode), inode->size_now), end = offset + bytes;
    bool fits = end <= limit && end > offset;
    if (!fits) { /* As much as there is room for. */
        if (limit <= offset)
            return full(err, disk);
        bytes = (size_t)(limit - offset);
        end = limit;
    }
    TRY(pages_reserve(inode, (size_t)((end + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES), err));
    for (size_t done = 0; done < bytes;) {
        size_t page = (size_t)((offset + done) / SIM_PAGE_BYTES);
        size_t at = (size_t)((offset + done) % SIM_PAGE_BYTES);
        size_t part = MIN(bytes - done, SIM_PAGE_BYTES - at);
        TRY(page_change(disk, inode, page, at, (const uint8_t *)from + done, part, err));
        done += part;
    }
    if (end > inode->size_now)
        size_change(disk, inode, end);
    if (!fits)
        status = full(err, disk);
out:
    return status;
}

kdk_status sim_inode_truncate(struct sim_disk *disk, struct sim_inode *inode,
                              uint64_t bytes, struct err *err)
{
    kdk_status status = KDK_OK;
    if (bytes > inode->size_now && bytes > size_limit(disk, inode))
        return full(err, disk);
    size_t pages = (size_t)((bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES);
    TRY(pages_reserve(inode, pages, err));
    /* Bytes past the end are zeroes, so that growing again shows zeroes. */
    for (uint64_t at = bytes; at < inode->size_now;) {
        size_t in_page = (size_t)(at % SIM_PAGE_BYTES), part = SIM_PAGE_BYTES - in_page;
        size_t page = (size_t)(at / SIM_PAGE_BYTES);
        if (inode->now[page] || inode->disk[page])
            TRY(page_change(disk, inode, page, in_page, NULL, part, err));
        at += part;
    }
    size_change(disk, inode, bytes);
out:
    return status;
}

kdk_status sim_inode_sync(struct sim_inode *inode, struct err *err)
{
    kdk_status status = KDK_OK;
    size_t kept = 0;
    for (size_t i = 0; i < inode->dirty_count; i++) {
        size_t page = inode->dirty_pages[i];
        uint8_t lost = inode->lost[page];
        if (lost) {
            TRY(page_mix(&inode->disk[page], inode->now[page],
                         inode->dirty[page] & (uint8_t)~lost, err));
            inode->dirty_pages[kept++] = (uint32_t)page;
        } else {
            page_set(&inode->disk[page], page_ref(inode->now[page]));
        }
        inode->dirty[page] = lost;
    }
    inode->dirty_count = kept;
    inode->size_disk = inode->size_now;
out:
    return status;
}

kdk_status sim_inode_sync_failed(struct sim_disk *disk, struct sim_inode *inode,
                                 struct err *err)
{
    kdk_status status = KDK_OK;
    for (size_t i = 0; i < inode->dirty_count; i++) {
        size_t page = inode->dirty_pages[i];
        uint8_t written = (uint8_t)sim_draw(&disk->random) & inode->dirty[page] &
                          (uint8_t)~inode->lost[page];
        TRY(page_mix(&inode->disk[page], inode->now[page], written, err));
        /* Those that were written are the same in both now; marking them lost changes
         * nothing. */
        inode->lost[page] = inode->dirty[page];
    }
out:
    return status;
}

kdk_status sim_inode_flip(struct sim_inode *inode, uint64_t offset, uint8_t mask,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    size_t page = (size_t)(offset / SIM_PAGE_BYTES), at = (size_t)(offset % SIM_PAGE_BYTES);
    bool same = inode->now[page] == inode->disk[page];
    if (same)
        page_set(&inode->disk[page], NULL);
    TRY(page_own(&inode->now[page], err));
    inode->now[page]->bytes[at] ^= mask;
    if (same) {
        page_set(&inode->disk[page], page_ref(inode->now[page]));
    } else {
        TRY(page_own(&inode->disk[page], err));
        inode->disk[page]->bytes[at] ^= mask;
    }
out:
    return status;
}

/* ---- Names ---- */
static void entry_free(struct sim_disk *disk, struct sim_entry *entry)
{
    if (entry->pending)
        for (size_t i = 0; i < disk->pending_count; i++)
            if (disk->pending[i] == entry) {
                disk->pending[i] = disk->pending[--disk->pending_count];
                break;
            }
    if (entry->now) {
        entry->now->links--;
        inode_recharge(disk, entry->now);
    }
    inode_unref(disk, entry->now);
    inode_unref(disk, entry->disk);
    mem_raw_free(entry);
}

/* Where `name` stands or would stand. */
static size_t entry_index(const struct sim_inode *dir, const char *name, size_t bytes,
                          bool *found)
{
    size_t low = 0, high = dir->entry_count;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other = dir->entries[middle]->name;
        int order = strncmp(other, name, bytes);
        if (order == 0 && other[bytes] != '\0')
            order = 1;
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct sim_entry *entry_get(const struct sim_inode *dir, const char *name,
                                   size_t bytes)
{
    bool found;
    size_t i = entry_index(dir, name, bytes, &found);
    return found ? dir->entries[i] : NULL;
}

/* The entry of the name, made if there is none: then it names nothing. */
static kdk_status entry_make(struct sim_inode *dir, const char *name, size_t bytes,
                             struct sim_entry **out, struct err *err)
{
    kdk_status status = KDK_OK;
    bool found;
    size_t i = entry_index(dir, name, bytes, &found);
    if (found) {
        *out = dir->entries[i];
        return KDK_OK;
    }
    if (dir->entry_count == dir->entry_cap) {
        size_t cap = MAX((size_t)8, dir->entry_cap * 2);
        TRY(GROW(dir->entries, dir->entry_count, cap, err));
        dir->entry_cap = cap;
    }
    struct sim_entry *entry = mem_raw_zalloc(sizeof *entry + bytes + 1);
    TRY_MEM(entry);
    entry->dir = dir;
    memcpy(entry->name, name, bytes);
    memmove(dir->entries + i + 1, dir->entries + i,
            (dir->entry_count - i) * sizeof(struct sim_entry *));
    dir->entries[i] = entry;
    dir->entry_count++;
    *out = entry;
out:
    return status;
}

static kdk_status make_pending(struct sim_disk *disk, struct sim_entry *entry,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    if (entry->pending)
        return KDK_OK;
    if (disk->pending_count == disk->pending_cap) {
        size_t cap = MAX((size_t)8, disk->pending_cap * 2);
        TRY(GROW(disk->pending, disk->pending_count, cap, err));
        disk->pending_cap = cap;
    }
    disk->pending[disk->pending_count++] = entry;
    entry->pending = true;
out:
    return status;
}

static void entry_point(struct sim_disk *disk, struct sim_entry *entry,
                        struct sim_inode *inode)
{
    struct sim_inode *old = entry->now;
    entry->now = inode_ref(inode);
    if (inode) {
        inode->links++;
        inode_recharge(disk, inode);
    }
    if (old) {
        old->links--;
        inode_recharge(disk, old);
        inode_unref(disk, old);
    }
}

/* What the entry names now (`keep_now`) or on the platter becomes the truth. The caller has
 * taken it off the list. */
static void entry_settle(struct sim_disk *disk, struct sim_entry *entry, bool keep_now)
{
    if (keep_now) {
        struct sim_inode *old = entry->disk;
        entry->disk = inode_ref(entry->now);
        inode_unref(disk, old);
    } else {
        entry_point(disk, entry, entry->disk);
    }
    entry->group = 0;
    if (entry->now)
        return;
    struct sim_inode *dir = entry->dir;
    bool found;
    size_t i = entry_index(dir, entry->name, strlen(entry->name), &found);
    ASSERT(found);
    dir->entry_count--;
    memmove(dir->entries + i, dir->entries + i + 1,
            (dir->entry_count - i) * sizeof(struct sim_entry *));
    mem_raw_free(entry);
}

/* Settling may free a directory, and with it entries further on in the list. So: one at a
 * time, from the end, asking `choose` about each. Directories are few; so are pending
 * entries. */
enum choice { LEAVE, KEEP_NOW, KEEP_DISK };
typedef enum choice (*choose_fn)(void *context, const struct sim_entry *entry);

static void settle(struct sim_disk *disk, choose_fn choose, void *context)
{
    for (size_t i = disk->pending_count; i-- > 0;) {
        if (i >= disk->pending_count)
            continue;
        struct sim_entry *entry = disk->pending[i];
        enum choice choice = choose(context, entry);
        if (choice == LEAVE)
            continue;
        memmove(disk->pending + i, disk->pending + i + 1,
                (--disk->pending_count - i) * sizeof(struct sim_entry *));
        entry->pending = false;
        entry_settle(disk, entry, choice == KEEP_NOW);
    }
}

struct draw {
    uint64_t salt;
    uint64_t survive_of_16; /* How many of 16 changes survive. */
};

/* By name or group, not by position: the same for all of a group. */
static enum choice choose_drawn(void *context, const struct sim_entry *entry)
{
    const struct draw *draw = context;
    uint64_t key =
        entry->group ? entry->group : hash_bytes(entry->name, strlen(entry->name));
    return hash_u64(key ^ draw->salt) % 16 < draw->survive_of_16 ? KEEP_NOW : KEEP_DISK;
}

static enum choice choose_written_back(void *context, const struct sim_entry *entry)
{
    return choose_drawn(context, entry) == KEEP_NOW ? KEEP_NOW : LEAVE;
}

/* All, none, or something between. */
static struct draw draw_new(struct sim_disk *disk)
{
    static const uint8_t shares[] = {0, 0, 16, 2, 8, 8, 14, 8};
    uint64_t r = sim_draw(&disk->random);
    return (struct draw){.salt = hash_u64(r),
                         .survive_of_16 = shares[r % COUNT_OF(shares)]};
}

/* Before names change, the kernel may write back some earlier changes. */
static void maybe_write_back(struct sim_disk *disk)
{
    if (disk->pending_count && sim_once_in(&disk->random, WRITEBACK_ONCE_IN)) {
        struct draw draw = draw_new(disk);
        settle(disk, choose_written_back, &draw);
    }
}

struct sync_groups {
    const struct sim_inode *dir;
    struct sim_disk *disk;
};

static enum choice choose_dir(void *context, const struct sim_entry *entry)
{
    const struct sync_groups *sync = context;
    if (entry->dir == sync->dir)
        return KEEP_NOW;
    if (!entry->group)
        return LEAVE;
    for (size_t i = 0; i < sync->disk->pending_count; i++)
        if (sync->disk->pending[i]->group == entry->group &&
            sync->disk->pending[i]->dir == sync->dir)
            return KEEP_NOW;
    return LEAVE;
}

/* A rename into another directory goes with the first of the two that is synced: so the
 * other directories' entries are settled before this one's. */
static enum choice choose_other_dirs(void *context, const struct sim_entry *entry)
{
    const struct sync_groups *sync = context;
    return entry->dir == sync->dir ? LEAVE : choose_dir(context, entry);
}

void sim_disk_sync_dir(struct sim_disk *disk, struct sim_inode *dir)
{
    struct sync_groups sync = {dir, disk};
    inode_ref(dir);
    settle(disk, choose_other_dirs, &sync);
    settle(disk, choose_dir, &sync);
    inode_unref(disk, dir);
}

/* ---- Paths ---- */
/* The next name of *path, which it is moved past; false at the end. "." is skipped. */
static bool next_name(const char **path, const char **name, size_t *bytes)
{
    for (;;) {
        while (**path == '/')
            (*path)++;
        if (**path == '\0')
            return false;
        *name = *path;
        while (**path != '\0' && **path != '/')
            (*path)++;
        *bytes = (size_t)(*path - *name);
        if (*bytes != 1 || **name != '.')
            return true;
    }
}

struct sim_inode *sim_disk_parent(const struct sim_disk *disk, const char *path,
                                  const char **name, size_t *bytes)
{
    struct sim_inode *dir = disk->root;
    const char *next;
    size_t next_bytes;
    if (!next_name(&path, name, bytes))
        return NULL;
    while (next_name(&path, &next, &next_bytes)) {
        const struct sim_entry *entry = entry_get(dir, *name, *bytes);
        if (!entry || !entry->now || !entry->now->is_dir)
            return NULL;
        dir = entry->now;
        *name = next;
        *bytes = next_bytes;
    }
    return dir;
}

struct sim_inode *sim_disk_find(const struct sim_disk *disk, const char *path)
{
    const char *name, *at = path;
    size_t bytes;
    if (!next_name(&at, &name, &bytes))
        return disk->root;
    const struct sim_inode *dir = sim_disk_parent(disk, path, &name, &bytes);
    const struct sim_entry *entry = dir ? entry_get(dir, name, bytes) : NULL;
    return entry ? entry->now : NULL;
}

static kdk_status no_such(struct err *err, const char *doing, const char *path)
{
    return err_set(err, KDK_UNDEFINED_FILE,
                   "could not %s \"%s\": No such file or directory", doing, path);
}

kdk_status sim_disk_create(struct sim_disk *disk, const char *path, bool is_dir,
                           struct sim_inode **out, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_entry *entry = NULL;
    struct sim_inode *inode = NULL;
    const char *name;
    size_t bytes;
    maybe_write_back(disk);
    struct sim_inode *dir = sim_disk_parent(disk, path, &name, &bytes);
    if (!dir)
        TRY(no_such(err, "create", path));
    TRY(entry_make(dir, name, bytes, &entry, err));
    TRY(make_pending(disk, entry, err));
    inode = inode_new(disk, is_dir);
    TRY_MEM(inode);
    entry_point(disk, entry, inode);
    if (out)
        *out = inode;
out:
    return status;
}

size_t sim_dir_count(const struct sim_inode *dir)
{
    size_t count = 0;
    for (size_t i = 0; i < dir->entry_count; i++)
        count += dir->entries[i]->now != NULL;
    return count;
}

kdk_status sim_disk_remove(struct sim_disk *disk, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    const char *name;
    size_t bytes;
    maybe_write_back(disk);
    struct sim_inode *dir = sim_disk_parent(disk, path, &name, &bytes);
    struct sim_entry *entry = dir ? entry_get(dir, name, bytes) : NULL;
    if (!entry || !entry->now)
        TRY(no_such(err, "remove", path));
    TRY(make_pending(disk, entry, err));
    entry_point(disk, entry, NULL);
out:
    return status;
}

kdk_status sim_disk_rename(struct sim_disk *disk, const char *from, const char *to,
                           struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_entry *target = NULL;
    const char *name, *to_name;
    size_t bytes, to_bytes;
    maybe_write_back(disk);
    struct sim_inode *dir = sim_disk_parent(disk, from, &name, &bytes);
    struct sim_entry *source = dir ? entry_get(dir, name, bytes) : NULL;
    struct sim_inode *to_dir = sim_disk_parent(disk, to, &to_name, &to_bytes);
    if (!source || !source->now || !to_dir)
        TRY(no_such(err, "rename", source && source->now ? to : from));
    TRY(entry_make(to_dir, to_name, to_bytes, &target, err));
    if (target->now && (target->now->is_dir != source->now->is_dir ||
                        (target->now->is_dir && sim_dir_count(target->now) > 0)))
        TRY(err_set(err, KDK_IO, "could not rename \"%s\": \"%s\" is in the way", from,
                    to));
    TRY(make_pending(disk, source, err));
    TRY(make_pending(disk, target, err));
    if (source->now == target->now)
        goto out;
    /* One group of all that either was tied to. */
    uint64_t group = ++disk->groups, a = source->group, b = target->group;
    for (size_t i = 0; i < disk->pending_count; i++) {
        struct sim_entry *other = disk->pending[i];
        if (other->group && (other->group == a || other->group == b))
            other->group = group;
    }
    source->group = target->group = group;
    entry_point(disk, target, source->now);
    entry_point(disk, source, NULL);
out:
    return status;
}

/* ---- The whole disk ---- */
kdk_status sim_disk_init(struct sim_disk *disk, uint64_t seed, struct err *err)
{
    kdk_status status = KDK_OK;
    *disk = (struct sim_disk){.random = {hash_combine(seed, 2)}};
    disk->root = inode_new(disk, true);
    TRY_MEM(disk->root);
    disk->root->refs = 1;
    disk->root->links = 1;
out:
    return status;
}

void sim_disk_deinit(struct sim_disk *disk)
{
    for (struct sim_inode *inode = disk->first, *next; inode; inode = next) {
        next = inode->next;
        for (size_t i = 0; i < inode->entry_count; i++)
            mem_raw_free(inode->entries[i]);
        inode_free(inode);
    }
    mem_raw_free(disk->pending);
    *disk = (struct sim_disk){0};
}

/* An empty inode like `from`, which remembers it in `copy`. */
static kdk_status inode_copy(struct sim_disk *to, struct sim_inode *from, struct err *err)
{
    kdk_status status = KDK_OK;
    struct sim_inode *inode =
        from->is_dir && from->copy ? from->copy : inode_new(to, from->is_dir);
    TRY_MEM(inode);
    from->copy = inode;
    inode->size_now = from->size_now;
    inode->size_disk = from->size_disk;
    /* Pages past the end on both sides are all zeroes: only these tables are as long. */
    TRY(pages_reserve(inode, from->page_cap, err));
    for (size_t i = 0; i < from->page_cap; i++) {
        inode->now[i] = page_ref(from->now[i]);
        inode->disk[i] = page_ref(from->disk[i]);
    }
    for (size_t i = 0; i < from->dirty_count; i++) {
        size_t page = from->dirty_pages[i];
        TRY(mark_dirty(inode, page, from->dirty[page], err));
        inode->lost[page] = from->lost[page];
    }
out:
    return status;
}

kdk_status sim_disk_copy(const struct sim_disk *from, uint64_t seed, struct sim_disk *to,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    TRY(sim_disk_init(to, seed, err));
    to->capacity = from->capacity;
    to->groups = from->groups;
    for (struct sim_inode *inode = from->first; inode; inode = inode->next)
        inode->copy = inode == from->root ? to->root : NULL;
    /* What is only open is not reachable in the copy. */
    for (struct sim_inode *inode = from->first; inode; inode = inode->next)
        if (inode == from->root || inode->refs > inode->handles)
            TRY(inode_copy(to, inode, err));
    for (struct sim_inode *dir = from->first; dir; dir = dir->next)
        for (size_t i = 0; dir->copy && i < dir->entry_count; i++) {
            const struct sim_entry *entry = dir->entries[i];
            struct sim_entry *copy = NULL;
            TRY(entry_make(dir->copy, entry->name, strlen(entry->name), &copy, err));
            entry_point(to, copy, entry->now ? entry->now->copy : NULL);
            copy->disk = inode_ref(entry->disk ? entry->disk->copy : NULL);
            copy->group = entry->group;
        }
    /* In the same order, so that the same seed gives the same future. */
    for (size_t i = 0; i < from->pending_count; i++) {
        const struct sim_entry *entry = from->pending[i];
        if (entry->dir->copy)
            TRY(make_pending(
                to, entry_get(entry->dir->copy, entry->name, strlen(entry->name)), err));
    }
    for (struct sim_inode *inode = to->first; inode; inode = inode->next)
        inode_recharge(to, inode);
out:
    if (status != KDK_OK)
        sim_disk_deinit(to);
    return status;
}

/* Draws what a file is after a cut. */
static kdk_status inode_cut(struct sim_disk *disk, struct sim_inode *inode, struct err *err)
{
    kdk_status status = KDK_OK;
    if (inode->dirty_count == 0 && inode->size_now == inode->size_disk)
        return KDK_OK;
    struct draw draw = draw_new(disk);
    for (size_t i = 0; i < inode->dirty_count; i++) {
        size_t page = inode->dirty_pages[i];
        uint8_t maybe = inode->dirty[page] & (uint8_t)~inode->lost[page], survived = 0;
        for (unsigned s = 0; s < SIM_PAGE_SECTORS; s++)
            if ((maybe >> s & 1) && sim_below(&disk->random, 16) < draw.survive_of_16)
                survived |= (uint8_t)(1u << s);
        if (survived == 0xff)
            page_set(&inode->disk[page], page_ref(inode->now[page]));
        else
            TRY(page_mix(&inode->disk[page], inode->now[page], survived, err));
        page_set(&inode->now[page], page_ref(inode->disk[page]));
        inode->dirty[page] = inode->lost[page] = 0;
    }
    inode->dirty_count = 0;
    uint64_t size = sim_below(&disk->random, 16) < draw.survive_of_16 ? inode->size_now
                                                                      : inode->size_disk;
    /* Sectors past the end may have survived; nobody sees them, and growing shows
     * zeroes. */
    inode->size_now = inode->page_cap * SIM_PAGE_BYTES;
    TRY(sim_inode_truncate(disk, inode, MIN(size, inode->size_now), err));
    if (size > inode->size_now)
        TRY(sim_inode_truncate(disk, inode, size, err));
    TRY(sim_inode_sync(inode, err));
out:
    return status;
}

kdk_status sim_disk_cut(struct sim_disk *disk, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t capacity = disk->capacity;
    disk->capacity = 0; /* What is there has room. */
    struct draw draw = draw_new(disk);
    settle(disk, choose_drawn, &draw);
    for (struct sim_inode *inode = disk->first, *next; inode; inode = next) {
        uint32_t handles = inode->handles;
        inode->handles = 0;
        inode->locked_by = NULL;
        inode->refs -= handles;
        if (inode->refs == 0) {
            inode->refs = 1;
            next = inode->next;
            inode_unref(disk, inode);
            continue;
        }
        if (!inode->is_dir)
            TRY(inode_cut(disk, inode, err));
        next = inode->next;
    }
out:
    disk->capacity = capacity;
    return status;
}
