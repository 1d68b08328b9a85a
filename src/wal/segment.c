/* segment.c - the files of the log: finding them, making more, giving them back.
 *
 * A new segment is written as new.tmp, synced, renamed to its number, and the directory is
 * synced; only then is it used. So a file with a number is whole, and a number is there
 * only when all before it are. A segment that is given back is renamed to spare-<number>
 * and later to its new number: it is written to only after that name is durable, so that
 * the old content is there as long as the old name may come back.
 */
#include <stdio.h>

#include "base/mem.h"
#include "wal/wal_int.h"

#define NAME_BYTES        40u /* Of a name in the directory. */
#define SEGMENT_BYTES_MAX (1ull << 30)

static kdk_status path_in(const struct wal *wal, const char *name, struct buf *path,
                          struct err *err)
{
    buf_clear(path);
    buf_printf(path, "%s/%s", wal->dir, name);
    return buf_status(path, err);
}

static void segment_name(char name[NAME_BYTES], uint64_t number)
{
    snprintf(name, NAME_BYTES, "%016llx.log", (unsigned long long)number);
}

static void spare_name(char name[NAME_BYTES], uint64_t number)
{
    snprintf(name, NAME_BYTES, "spare-%016llx.log", (unsigned long long)number);
}

uint64_t segment_place(const struct wal *wal, uint64_t lsn, char *path, size_t bytes)
{
    char name[NAME_BYTES];
    segment_name(name, lsn / wal->segment_bytes);
    snprintf(path, bytes, "%s/%s", wal->dir, name);
    return lsn % wal->segment_bytes;
}

/* ------------------------------------------------------------------ finding ---- */

/* "<16 digits>.log" */
static bool parse_number(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 16; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return strcmp(text + 16, ".log") == 0;
}

struct found {
    struct wal *wal;
    struct buf numbers; /* uint64_t, ascending: names are listed so. */
    bool stray;         /* There is a new.tmp. */
};

static kdk_status found_name(void *context, const char *name, struct err *err)
{
    struct found *found = context;
    uint64_t number;
    if (parse_number(name, &number))
        buf_add_u64(&found->numbers, number);
    else if (strncmp(name, "spare-", 6) == 0 && parse_number(name + 6, &number)) {
        if (found->wal->spare_count < COUNT_OF(found->wal->spares))
            found->wal->spares[found->wal->spare_count++] = number;
    } else if (strcmp(name, "new.tmp") == 0)
        found->stray = true;
    return buf_status(&found->numbers, err);
}

static kdk_status segments_room(struct wal *wal, size_t count, struct err *err)
{
    if (count <= wal->segment_cap)
        return KDK_OK;
    size_t cap = MAX(count, wal->segment_cap * 2 + 4);
    struct segment *more = mem_realloc(wal->segments, size_mul(cap, sizeof *more));
    if (!more)
        return err_nomem(err);
    wal->segments = more;
    wal->segment_cap = cap;
    return KDK_OK;
}

/* How large segments are is what the files say, whatever new logs get. */
static kdk_status size_find(struct wal *wal, const struct buf *numbers, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0};
    struct os_file *file = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < numbers->len; i += sizeof(uint64_t)) {
        uint64_t bytes;
        char name[NAME_BYTES];
        segment_name(name, get_u64(numbers->data + i));
        TRY(path_in(wal, name, &path, err));
        TRY(os_open(wal->os, path.data, OS_READ, &file, err));
        TRY(os_size(file, &bytes, err));
        os_close(file);
        file = NULL;
        most = MAX(most, bytes);
    }
    if (most) {
        wal->segment_bytes = (most + WAL_SECTOR - 1) / WAL_SECTOR * WAL_SECTOR;
        if (wal->segment_bytes > SEGMENT_BYTES_MAX)
            TRY(err_set(
                err, KDK_CORRUPT,
                "a file in \"%s\" is too large for a segment of the write-ahead log",
                wal->dir));
    }
out:
    os_close(file);
    buf_deinit(&path);
    return status;
}

static kdk_status segment_open(struct wal *wal, uint64_t number, struct segment *out,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0};
    struct os_file *file = NULL;
    char name[NAME_BYTES];

    segment_name(name, number);
    TRY(path_in(wal, name, &path, err));
    TRY(os_open(wal->os, path.data, wal->read_only ? OS_READ : OS_WRITE | OS_DURABLE, &file,
                err));
    TRY(os_size(file, &out->bytes, err));
    out->file = file;
    file = NULL;
out:
    os_close(file);
    buf_deinit(&path);
    return status;
}

/* Opens the segments from the one that holds keep_lsn on. Those before it are spares: their
 * release was under way. So are those before a gap. */
kdk_status segments_open(struct wal *wal, bool *none, struct err *err)
{
    kdk_status status = KDK_OK;
    struct found found = {.wal = wal};
    struct buf path = {0}, to = {0};
    char name[NAME_BYTES];
    uint64_t number, last = 0;
    bool any = false;

    TRY(os_list(wal->os, wal->dir, found_name, &found, err));
    TRY(size_find(wal, &found.numbers, err));
    wal->first_segment = wal->from_lsn / wal->segment_bytes;
    if (found.stray && !wal->read_only) {
        TRY(path_in(wal, "new.tmp", &path, err));
        TRY(os_remove(wal->os, path.data, err));
    }
    const size_t count = found.numbers.len / sizeof number;
    for (size_t i = count; i-- > 0;) {
        number = get_u64(found.numbers.data + i * sizeof number);
        if (number + 1 == wal->first_segment &&
            number >= wal->keep_lsn / wal->segment_bytes)
            wal->first_segment = number;
    }
    for (size_t i = 0; i < count; i++) {
        number = get_u64(found.numbers.data + i * sizeof number);
        if (number >= wal->first_segment) {
            any = true;
            last = number;
            continue;
        }
        if (wal->read_only)
            continue;
        segment_name(name, number);
        TRY(path_in(wal, name, &path, err));
        if (wal->spare_count < SPARES_MAX) {
            spare_name(name, number);
            TRY(path_in(wal, name, &to, err));
            TRY(os_rename(wal->os, path.data, to.data, err));
            wal->spares[wal->spare_count++] = number;
        } else {
            TRY(os_remove(wal->os, path.data, err));
        }
    }
    *none = !any && wal->from_lsn == 0;
    if (!any)
        goto out;
    /* Names are those of files that we made, one after the other: a far number is not one
     * of ours. */
    if (last - wal->first_segment > count + (1u << 20)) {
        segment_name(name, last);
        TRY(err_set(err, KDK_CORRUPT,
                    "file \"%s/%s\" does not belong to the write-ahead log", wal->dir,
                    name));
    }
    TRY(segments_room(wal, (size_t)(last - wal->first_segment + 1), err));
    memset(wal->segments, 0,
           (size_t)(last - wal->first_segment + 1) * sizeof *wal->segments);
    wal->segment_count = (size_t)(last - wal->first_segment + 1);
    for (size_t i = 0; i < count; i++) {
        number = get_u64(found.numbers.data + i * sizeof number);
        if (number >= wal->first_segment)
            TRY(segment_open(wal, number, &wal->segments[number - wal->first_segment],
                             err));
    }
out:
    buf_deinit(&found.numbers);
    buf_deinit(&path);
    buf_deinit(&to);
    return status;
}

void segments_close(struct wal *wal)
{
    for (size_t i = 0; i < wal->segment_count; i++)
        os_close(wal->segments[i].file);
    mem_free(wal->segments);
    wal->segments = NULL;
    wal->segment_count = wal->segment_cap = 0;
}

/* ------------------------------------------------------------------- making ---- */

static kdk_status fill_zeros(struct wal *wal, struct os_file *file, uint64_t from,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    const size_t chunk = (size_t)MIN(wal->segment_bytes, (uint64_t)1 << 20);
    uint8_t *zeros = mem_zalloc(chunk);
    TRY_MEM(zeros);
    while (from < wal->segment_bytes) {
        size_t count = (size_t)MIN((uint64_t)chunk, wal->segment_bytes - from);
        TRY(os_write(file, from, zeros, count, err));
        from += count;
    }
    TRY(os_sync(file, err));
out:
    mem_free(zeros);
    return status;
}

static kdk_status new_file(struct wal *wal, const char *path, struct err *err)
{
    kdk_status status = KDK_OK;
    struct os_file *file = NULL;
    TRY(os_open(wal->os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err));
    TRY(fill_zeros(wal, file, 0, err));
out:
    os_close(file);
    /* What it took of a full disk is given back. */
    if (status != KDK_OK && os_remove(wal->os, path, NULL) != KDK_OK)
        err_detail(err, "File \"%s\" could not be removed.", path);
    return status;
}

kdk_status segment_add(struct wal *wal, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0}, from = {0};
    struct segment segment = {0}, *more = NULL;
    char name[NAME_BYTES];
    bool named = false;
    /* Only who grows changes these. */
    const uint64_t number = wal->first_segment + wal->segment_count;
    size_t cap = wal->segment_count + 1 > wal->segment_cap ? wal->segment_cap * 2 + 4 : 0;

    if (cap)
        TRY_MEM(more = MEM_ARRAY(struct segment, cap));
    segment_name(name, number);
    TRY(path_in(wal, name, &path, err));
    if (wal->spare_count > 0) {
        spare_name(name, wal->spares[wal->spare_count - 1]);
        TRY(path_in(wal, name, &from, err));
        wal->spare_count--;
        TRY(os_rename(wal->os, from.data, path.data, err));
    } else {
        TRY(path_in(wal, "new.tmp", &from, err));
        TRY(new_file(wal, from.data, err));
        TRY(os_rename(wal->os, from.data, path.data, err));
    }
    named = true;
    TRY(segment_open(wal, number, &segment, err));
    if (segment.bytes < wal->segment_bytes)
        TRY(fill_zeros(wal, segment.file, segment.bytes, err));
    TRY(os_sync_dir(wal->os, wal->dir, err));

    latch_acquire(&wal->latch);
    if (more) {
        if (wal->segment_count)
            memcpy(more, wal->segments, wal->segment_count * sizeof *more);
        mem_free(wal->segments);
        wal->segments = more;
        wal->segment_cap = cap;
        more = NULL;
    }
    wal->segments[wal->segment_count++] =
        (struct segment){.file = segment.file, .bytes = wal->segment_bytes};
    latch_release(&wal->latch);
    segment.file = NULL;
    named = false;
out:
    os_close(segment.file);
    /* A name whose sync failed is not to be trusted: the next try starts from scratch. */
    if (named && os_remove(wal->os, path.data, NULL) != KDK_OK)
        err_detail(err, "File \"%s\" could not be removed.", path.data);
    mem_free(more);
    buf_deinit(&path);
    buf_deinit(&from);
    return status;
}

kdk_status segments_fill(struct wal *wal, uint64_t lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    for (uint64_t n = lsn / wal->segment_bytes; n < wal->first_segment + wal->segment_count;
         n++) {
        struct segment *segment = &wal->segments[n - wal->first_segment];
        if (segment->bytes == wal->segment_bytes)
            continue;
        TRY(fill_zeros(wal, segment->file, segment->bytes, err));
        segment->bytes = wal->segment_bytes;
    }
out:
    return status;
}

kdk_status wal_release_before(struct wal *wal, uint64_t lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf path = {0}, to = {0};
    char name[NAME_BYTES];

    if (wal->read_only)
        return err_set(err, KDK_READ_ONLY, "the write-ahead log was opened read-only");
    latch_acquire(&wal->latch);
    while (wal->growing)
        cond_wait(&wal->changed, &wal->latch);
    wal->growing = true;
    ASSERT(lsn <= wal->durable);
    latch_release(&wal->latch);

    /* Only who has `growing` changes the list; who writes looks at what is not durable
     * yet. */
    while ((wal->first_segment + 1) * wal->segment_bytes <= lsn && wal->segment_count > 1) {
        const uint64_t number = wal->first_segment;
        segment_name(name, number);
        TRY(path_in(wal, name, &path, err));
        spare_name(name, number);
        TRY(path_in(wal, name, &to, err));
        if (wal->spare_count < SPARES_MAX) {
            TRY(os_rename(wal->os, path.data, to.data, err));
            wal->spares[wal->spare_count++] = number;
        } else {
            TRY(os_remove(wal->os, path.data, err));
        }
        latch_acquire(&wal->latch);
        struct os_file *file = wal->segments[0].file;
        memmove(wal->segments, wal->segments + 1,
                (wal->segment_count - 1) * sizeof *wal->segments);
        wal->segment_count--;
        wal->first_segment++;
        latch_release(&wal->latch);
        os_close(file);
    }
out:
    latch_acquire(&wal->latch);
    wal->growing = false;
    cond_broadcast(&wal->changed);
    latch_release(&wal->latch);
    buf_deinit(&path);
    buf_deinit(&to);
    return status;
}

/* ------------------------------------------------------- reading and writing ---- */

/* A segment's file; under the latch, since the array moves. */
static struct os_file *segment_file(struct wal *wal, uint64_t lsn)
{
    latch_acquire(&wal->latch);
    const uint64_t number = lsn / wal->segment_bytes;
    struct os_file *file = NULL;
    if (number >= wal->first_segment && number - wal->first_segment < wal->segment_count)
        file = wal->segments[number - wal->first_segment].file;
    latch_release(&wal->latch);
    return file;
}

kdk_status segments_write(struct wal *wal, uint64_t lsn, const void *bytes, size_t count,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    const uint8_t *at = bytes;
    while (count > 0) {
        const uint64_t offset = lsn % wal->segment_bytes;
        const size_t some = (size_t)MIN((uint64_t)count, wal->segment_bytes - offset);
        struct os_file *file = segment_file(wal, lsn);
        TRY_ASSERT(file);
        TRY(os_write(file, offset, at, some, err));
        at += some;
        lsn += some;
        count -= some;
    }
out:
    return status;
}

kdk_status segment_write_durable(struct wal *wal, uint64_t lsn, const void *bytes,
                                 size_t count, bool *unwritten, struct err *err)
{
    struct os_file *file = segment_file(wal, lsn);
    if (!file)
        return err_set(err, KDK_INTERNAL, "a segment of the write-ahead log is not there");
    return os_write_durable(file, lsn % wal->segment_bytes, bytes, count, unwritten, err);
}

kdk_status segments_sync(struct wal *wal, uint64_t lsn, uint64_t end, uint64_t *syncs,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    while (lsn < end) {
        struct os_file *file = segment_file(wal, lsn);
        TRY_ASSERT(file);
        TRY(os_sync(file, err));
        *syncs += 1;
        lsn = (lsn / wal->segment_bytes + 1) * wal->segment_bytes;
    }
out:
    return status;
}

kdk_status segments_read(struct wal *wal, uint64_t lsn, void *into, size_t count,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *at = into;
    while (count > 0) {
        const uint64_t offset = lsn % wal->segment_bytes;
        const size_t some = (size_t)MIN((uint64_t)count, wal->segment_bytes - offset);
        struct os_file *file = segment_file(wal, lsn);
        size_t got = 0;
        if (file)
            TRY(os_read(file, offset, at, some, &got, err));
        memset(at + got, 0, some - got);
        at += some;
        lsn += some;
        count -= some;
    }
out:
    return status;
}
