/* open.c - opening the log: where it ends, whether it is damaged, and replay.
 *
 * The first pass walks from group to group until one is bad. That is the end, unless a good
 * group further on says that what is bad was durable (W3). Then, if the log is to be
 * written, whatever behind the end looks like a group of this log loses its first sector
 * (W4): a group that was torn, or one that survived behind a torn one. Without that, an old
 * group might one day follow a new one without a gap. The pass also notes where parts are;
 * the second one, wal_replay(), hands out what committed.
 */
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/sabotage.h"
#include "task/chore.h"
#include "wal/wal_int.h"

#define WINDOW_BYTES ((size_t)KDK_PICK(1u << 20, 2048u))
/* Then twice as much each time: a log that was closed is short. */
#define WINDOW_FIRST ((size_t)KDK_PICK(1u << 16, 1024u))
/* So many zeros behind the end of a log that was closed. */
#define QUIET_BYTES KDK_PICK(1u << 18, 4096u)

/* What was read last. */
struct window {
    struct wal *wal;
    uint8_t *bytes;
    uint64_t lsn;
    size_t count, cap, next;
};

static void window_deinit(struct window *w)
{
    mem_free(w->bytes);
}

/* `count` bytes at `lsn`, which the segments have. Until the next call. */
static kdk_status window_get(struct window *w, uint64_t lsn, size_t count,
                             const uint8_t **out, struct err *err)
{
    kdk_status status = KDK_OK;
    if (lsn < w->lsn || lsn - w->lsn > w->count ||
        w->count - (size_t)(lsn - w->lsn) < count) {
        const uint64_t end = segments_end(w->wal);
        w->next = MIN(MAX(w->next * 2, WINDOW_FIRST), WINDOW_BYTES);
        size_t want = MAX(count, w->next);
        if (want > end - lsn)
            want = (size_t)(end - lsn);
        TRY_ASSERT(want >= count);
        if (want > w->cap) {
            uint8_t *more = mem_alloc(want);
            TRY_MEM(more);
            mem_free(w->bytes);
            w->bytes = more;
            w->cap = want;
        }
        w->count = 0;
        TRY(segments_read(w->wal, lsn, w->bytes, want, err));
        w->lsn = lsn;
        w->count = want;
    }
    *out = w->bytes + (lsn - w->lsn);
out:
    return status;
}

static bool is_zero(const uint8_t *sector)
{
    uint64_t any = 0;
    for (size_t i = 0; i < WAL_SECTOR; i += 8)
        any |= get_u64(sector + i);
    return any == 0;
}

/* ------------------------------------------------------------- judging groups ---- */

bool batch_header_sane(const struct batch_header *header)
{
    switch ((enum wal_kind)header->kind) {
    case WAL_COMMIT:
        return header->timestamp != 0 && header->sequence == 0;
    case WAL_PART:
        return header->timestamp == 0 && header->parts == 0;
    case WAL_AHEAD:
    case WAL_CHECKPOINT:
    case WAL_VOUCH:
        return header->timestamp == 0 && header->sequence == 0 && header->parts == 0;
    }
    return false;
}

/* Does it say that it is a group of this log in this place? */
static bool claims_group(const struct wal *wal, const struct group_header *header,
                         uint64_t lsn)
{
    return header->magic == GROUP_MAGIC && header->lsn == lsn &&
           (!wal->log_id || header->log_id == wal->log_id);
}

/* *good: a whole group is at `lsn`; *batches are header->length bytes. */
static kdk_status group_read(struct window *w, uint64_t lsn, struct group_header *header,
                             const uint8_t **batches, bool *good, struct err *err)
{
    kdk_status status = KDK_OK;
    const uint8_t *bytes;
    const uint64_t end = segments_end(w->wal);
    *good = false;
    if (lsn >= end)
        return KDK_OK;
    TRY(window_get(w, lsn, GROUP_BYTES, &bytes, err));
    group_header_get(header, bytes);
    if (!claims_group(w->wal, header, lsn) || header->length > end - lsn - GROUP_BYTES ||
        header->log_id == 0)
        goto out;
    TRY(window_get(w, lsn, GROUP_BYTES + (size_t)header->length, &bytes, err));
    const uint32_t crc =
        crc32c(crc32c(0, bytes, GROUP_CRC_AT), bytes + GROUP_BYTES, (size_t)header->length);
    if (crc != header->crc && !(sabotage & SABOTAGE_IGNORE_CRC))
        goto out;
    if (header->version != GROUP_VERSION)
        TRY(err_set(
            err, KDK_UNSUPPORTED,
            "the write-ahead log is of version %u, which is newer than this program",
            header->version));
    *good = header->durable <= lsn;
    *batches = bytes + GROUP_BYTES;
out:
    return status;
}

static kdk_status corrupt_at(const struct wal *wal, uint64_t lsn, const char *what,
                             struct err *err)
{
    char path[ERR_DETAIL_BYTES];
    uint64_t offset = segment_place(wal, lsn, path, sizeof path);
    err_set(err, KDK_CORRUPT, "the write-ahead log is damaged: %s", what);
    err_detail(err, "File \"%s\", offset %llu (position %llu of the log).", path,
               (unsigned long long)offset, (unsigned long long)lsn);
    return KDK_CORRUPT;
}

/* Calls `each` for the batches of a group. What has a right checksum and is wrong
 * nevertheless is damage of another kind. */
typedef kdk_status (*batch_fn)(void *context, const struct batch_header *header,
                               uint64_t lsn, const uint8_t *records, struct err *err);
static kdk_status group_each(const struct wal *wal, const struct group_header *group,
                             const uint8_t *bytes, batch_fn each, void *context,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    struct batch_header header;
    uint64_t at = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        const uint64_t lsn = group->lsn + GROUP_BYTES + at;
        if (group->length - at < BATCH_BYTES)
            TRY(corrupt_at(wal, lsn, "a batch does not fit its group", err));
        batch_header_get(&header, bytes + at);
        at += BATCH_BYTES;
        if (!batch_header_sane(&header) || header.length > group->length - at)
            TRY(corrupt_at(wal, lsn, "the header of a batch is wrong", err));
        TRY(each(context, &header, lsn, bytes + at, err));
        at += header.length;
    }
    if (at != group->length)
        TRY(corrupt_at(wal, group->lsn, "a group has bytes of no batch", err));
out:
    return status;
}

/* -------------------------------------------------------------------- opening ---- */

struct opening {
    struct wal *wal;
    struct wal_report *report;
    bool substance; /* The group has more than vouching. */
    /* The last group does nothing but vouch for all before it, as wal_close() leaves it. */
    bool closed;
};

static kdk_status note_batch(void *context, const struct batch_header *header, uint64_t lsn,
                             const uint8_t *records, struct err *err)
{
    struct opening *opening = context;
    struct wal *wal = opening->wal;
    (void)records;
    opening->substance |= header->kind != WAL_VOUCH;
    if (header->kind == WAL_COMMIT) {
        if (header->timestamp <= wal->last_timestamp)
            return corrupt_at(wal, lsn, "timestamps do not increase", err);
        wal->last_timestamp = header->timestamp;
    }
    if (header->kind == WAL_PART) {
        if (wal->part_count == wal->part_cap) {
            size_t cap = wal->part_cap * 2 + 16;
            struct part_found *more = mem_realloc(wal->parts, size_mul(cap, sizeof *more));
            if (!more)
                return err_nomem(err);
            wal->parts = more;
            wal->part_cap = cap;
        }
        wal->parts[wal->part_count++] = (struct part_found){
            .transaction = header->transaction, .lsn = lsn, .sequence = header->sequence};
    }
    return KDK_OK;
}

static bool part_before(const struct part_found *a, const struct part_found *b)
{
    return a->transaction != b->transaction ? a->transaction < b->transaction
                                            : a->sequence < b->sequence;
}

/* Insertion by halves would be quadratic and qsort may allocate: a heap sort. */
static void parts_sort(struct part_found *parts, size_t count)
{
    for (size_t n = count, start = count / 2; n > 1;) {
        struct part_found moved;
        if (start > 0) {
            moved = parts[--start];
        } else {
            n--;
            moved = parts[n];
            parts[n] = parts[0];
        }
        size_t at = start;
        for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
            if (child + 1 < n && part_before(&parts[child], &parts[child + 1]))
                child++;
            if (!part_before(&moved, &parts[child]))
                break;
            parts[at] = parts[child];
            at = child;
        }
        parts[at] = moved;
    }
}

/* Walks from from_lsn to the first bad group: the end, also on an error. *last: where the
 * last good one begins. */
static kdk_status find_end(struct opening *opening, struct window *w, uint64_t *last,
                           uint64_t *end, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = opening->wal;
    struct group_header header;
    const uint8_t *batches;
    uint64_t lsn = wal->from_lsn;
    bool good;
    *last = lsn;
    for (;;) {
        *end = lsn;
        TRY(group_read(w, lsn, &header, &batches, &good, err));
        if (!good)
            break;
        const uint64_t timestamp = wal->last_timestamp;
        wal->log_id = header.log_id;
        opening->substance = false;
        status = group_each(wal, &header, batches, note_batch, opening, err);
        if (status != KDK_OK) {
            wal->last_timestamp = timestamp;
            goto out;
        }
        *last = lsn;
        opening->closed = !opening->substance && header.count == 1 && header.durable == lsn;
        lsn = sector_up(lsn + GROUP_BYTES + header.length);
        wal->vouched = header.durable;
        if (opening->substance)
            wal->wants_vouch = lsn;
    }
out:
    return status;
}

/* Nothing follows from_lsn: what is written next belongs nevertheless to the log of the
 * groups before, which may be replayed too. */
static kdk_status kept_id(struct window *w, struct err *err)
{
    struct wal *wal = w->wal;
    struct group_header header;
    const uint8_t *batches;
    bool good;
    if (wal->keep_lsn == wal->from_lsn ||
        wal->keep_lsn < wal->first_segment * wal->segment_bytes)
        return KDK_OK;
    const kdk_status status = group_read(w, wal->keep_lsn, &header, &batches, &good, err);
    if (status == KDK_OK && good)
        wal->log_id = header.log_id;
    return status;
}

/* Looks at each sector behind the end: for groups that vouch for it, and for what is to be
 * cut. If the log was closed, zeros from the end on for QUIET_BYTES, as closing leaves
 * them, are enough; else they may be an extent that was lost, with durable groups behind
 * it. */
static kdk_status look_behind(struct opening *opening, struct window *w, uint64_t end,
                              struct buf *cut, bool *vouched, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = opening->wal;
    struct group_header header;
    const uint8_t *bytes;
    bool good;
    uint64_t cut_end = end, quiet = 0;
    const uint64_t limit = segments_end(wal);
    *vouched = false;
    for (uint64_t lsn = end; lsn < limit; lsn += WAL_SECTOR) {
        if (!wal->segments[lsn / wal->segment_bytes - wal->first_segment].file) {
            lsn = (lsn / wal->segment_bytes + 1) * wal->segment_bytes - WAL_SECTOR;
            continue;
        }
        TRY(window_get(w, lsn, WAL_SECTOR, &bytes, err));
        if (opening->closed && lsn == end + quiet && is_zero(bytes)) {
            quiet += WAL_SECTOR;
            if (quiet == QUIET_BYTES)
                break;
            continue;
        }
        group_header_get(&header, bytes);
        if (!claims_group(wal, &header, lsn) || header.log_id == 0)
            continue;
        TRY(group_read(w, lsn, &header, &bytes, &good, err));
        if (good && header.durable > end)
            *vouched = true;
        TRY(buf_add_u64(cut, lsn));
        uint64_t length = MIN(header.length, limit - lsn - GROUP_BYTES);
        cut_end = MAX(cut_end, lsn + GROUP_BYTES + length);
    }
    opening->report->cut_bytes = cut_end - end;
out:
    return status == KDK_NOMEM ? err_nomem(err) : status;
}

/* The last group may be in the kernel's memory only: whoever wrote it may have died before
 * the sync, or the sync failed, after which the kernel takes for written what is not. So it
 * is written again, the same bytes, and synced with what make_end() writes. */
static kdk_status group_again(struct wal *wal, uint64_t lsn, uint64_t end, struct err *err)
{
    kdk_status status = KDK_OK;
    while (lsn < end) {
        const size_t some = (size_t)MIN((uint64_t)STAGE_BYTES, end - lsn);
        TRY(segments_read(wal, lsn, wal->stage, some, err));
        TRY(segments_write(wal, lsn, wal->stage, some, err));
        lsn += some;
    }
out:
    return status;
}

/* W4, and what was found is made durable for certain. */
static kdk_status make_end(struct wal *wal, uint64_t last, uint64_t end,
                           const struct buf *cut, struct err *err)
{
    kdk_status status = KDK_OK;
    static const uint8_t zeros[WAL_SECTOR];
    uint64_t syncs = 0;
    size_t whole = 0;
    /* Files behind a gap hold nothing. */
    while (whole < wal->segment_count && wal->segments[whole].file)
        whole++;
    for (size_t i = whole; i < wal->segment_count; i++) {
        char path[ERR_DETAIL_BYTES];
        if (!wal->segments[i].file)
            continue;
        os_close(wal->segments[i].file);
        wal->segments[i].file = NULL;
        segment_place(wal, (wal->first_segment + i) * wal->segment_bytes, path,
                      sizeof path);
        TRY(os_remove(wal->os, path, err));
    }
    wal->segment_count = whole;
    TRY(segments_fill(wal, end, err));
    TRY(group_again(wal, last, end, err));
    for (size_t i = 0; i < cut->len; i += sizeof(uint64_t)) {
        uint64_t lsn = get_u64(cut->data + i);
        if (lsn < segments_end(wal))
            TRY(segments_write(wal, lsn, zeros, sizeof zeros, err));
    }
    TRY(segments_sync(wal, MIN(last, end), cut->len ? segments_end(wal) : end, &syncs,
                      err));
    TRY(os_sync_dir(wal->os, wal->dir, err));
out:
    return status;
}

static kdk_status make_dir(struct wal *wal, const char *parent, struct err *err)
{
    kdk_status status = KDK_OK;
    enum os_kind kind;
    TRY(os_kind(wal->os, wal->dir, &kind, err));
    if (kind == OS_DIR)
        goto out;
    if (wal->read_only || wal->from_lsn)
        TRY(err_set(err, KDK_CORRUPT,
                    "the write-ahead log is missing: there is no directory \"%s\"",
                    wal->dir));
    TRY(os_mkdir(wal->os, wal->dir, err));
out:
    /* Also when it was there: who made it may have died before this. */
    if (status == KDK_OK && !wal->read_only)
        status = os_sync_dir(wal->os, parent, err);
    return status;
}

static void wal_free(struct wal *wal)
{
    if (!wal)
        return;
    chore_free(wal->upkeep);
    group_free(wal->stuck.head);
    group_free(wal->head);
    segments_close(wal);
    mem_free(wal->parts);
    mem_free(wal->stage_room);
    mem_free(wal->dir);
    mem_free(wal);
}

static kdk_status wal_new(const struct wal_options *options, struct wal **out,
                          struct err *err)
{
    kdk_status status = KDK_OK;
    struct buf dir = {0};
    struct wal *wal = MEM_NEW(struct wal);
    TRY_MEM(wal);
    wal->os = options->os;
    wal->read_only = options->read_only;
    wal->from_lsn = options->from_lsn;
    wal->keep_lsn = options->keep_lsn;
    wal->segment_bytes =
        options->segment_bytes ? options->segment_bytes : WAL_SEGMENT_BYTES;
    ASSERT(wal->segment_bytes % WAL_SECTOR == 0 && wal->from_lsn % WAL_SECTOR == 0);
    ASSERT(wal->keep_lsn % WAL_SECTOR == 0 && wal->keep_lsn <= wal->from_lsn);
    wal->tail = &wal->head;
    latch_init(&wal->latch, OS_RANK_WAL);
    buf_printf(&dir, "%s/wal", options->dir);
    TRY(buf_status(&dir, err));
    wal->dir = buf_take(&dir);
    if (!wal->read_only) {
        TRY_MEM(wal->stage_room = mem_alloc(STAGE_BYTES + STAGE_ALIGN));
        wal->stage = (uint8_t *)wal->stage_room +
                     (STAGE_ALIGN - (uintptr_t)wal->stage_room % STAGE_ALIGN);
    }
    *out = wal;
    wal = NULL;
out:
    buf_deinit(&dir);
    wal_free(wal);
    return status;
}

kdk_status wal_open(const struct wal_options *options, struct wal **out,
                    struct wal_report *report, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = NULL;
    struct window window = {0};
    struct opening opening = {.report = report};
    struct buf cut = {0};
    uint64_t last = options->from_lsn, end = options->from_lsn;
    bool none = false, vouched = false, missing;

    memset(report, 0, sizeof *report);
    TRY(wal_new(options, &wal, err));
    opening.wal = window.wal = wal;
    TRY(make_dir(wal, options->dir, err));
    TRY(segments_open(wal, &none, err));
    report->created = none;
    /* The log may end just where a segment would begin, else the file was lost. */
    const uint64_t first = options->from_lsn / wal->segment_bytes - wal->first_segment;
    missing = !none && options->from_lsn % wal->segment_bytes != 0 &&
              (wal->segment_count <= first || !wal->segments[first].file);
    if (!missing) {
        status = find_end(&opening, &window, &last, &end, err);
        if (status == KDK_OK && !wal->log_id)
            status = kept_id(&window, err);
        if (status == KDK_OK)
            status = look_behind(&opening, &window, end, &cut, &vouched, err);
        /* The checksum was right and the content is wrong: as damaged as can be. The walk
         * ended before that group. */
        if (status != KDK_OK && status != KDK_CORRUPT)
            goto out;
    }
    if (missing || vouched || status == KDK_CORRUPT) {
        if (status == KDK_OK)
            status = corrupt_at(wal, end,
                                missing ? "a segment is missing"
                                        : "a group cannot be read that was durable",
                                err);
        if (!options->accept_damage)
            goto out;
        /* The text stays in `err`. */
        status = KDK_OK;
        report->damaged = true;
        report->cut_bytes = 0;
        wal->read_only = true;
    }
    report->end_lsn = end;
    report->replay_bytes = end - options->from_lsn;
    report->last_timestamp = wal->last_timestamp;
    if (!wal->read_only)
        TRY(make_end(wal, last, end, &cut, err));
    if (!wal->log_id)
        os_random(wal->os, &wal->log_id, sizeof wal->log_id);
    wal->log_id += !wal->log_id; /* 0 is none. */
    parts_sort(wal->parts, wal->part_count);
    wal->base = wal->end = wal->durable = end;
    if (opening.closed && last < end) {
        wal->quiet = last;
        wal->quiet_end = end;
    }
    *out = wal;
    wal = NULL;
out:
    window_deinit(&window);
    buf_deinit(&cut);
    wal_free(wal);
    if (status != KDK_OK)
        err_while(err, "opening the write-ahead log in \"%s\"", options->dir);
    return status;
}

/* Zeros behind the end, where a segment that is used again has what it held before: for
 * look_behind(). */
static kdk_status make_quiet(struct wal *wal, struct err *err)
{
    kdk_status status = KDK_OK;
    struct window window = {.wal = wal};
    static const uint8_t zeros[WAL_SECTOR];
    const uint64_t end = wal->durable, limit = MIN(end + QUIET_BYTES, segments_end(wal));
    const uint8_t *bytes;
    uint64_t syncs = 0, last = end;
    for (uint64_t lsn = end; lsn < limit; lsn += WAL_SECTOR) {
        TRY(window_get(&window, lsn, WAL_SECTOR, &bytes, err));
        if (is_zero(bytes))
            continue;
        TRY(segments_write(wal, lsn, zeros, sizeof zeros, err));
        last = lsn + WAL_SECTOR;
    }
    if (last > end)
        TRY(segments_sync(wal, end, last, &syncs, err));
out:
    window_deinit(&window);
    return status;
}

kdk_status wal_close(struct wal *wal, struct err *err)
{
    if (!wal)
        return KDK_OK;
    chore_free(wal->upkeep); /* What it is at, it ends. */
    wal->upkeep = NULL;
    kdk_status status = wal_vouch(wal, err);
    if (status == KDK_OK && !wal->read_only && !wal->failed)
        status = make_quiet(wal, err);
    wal_free(wal);
    return status;
}

/* -------------------------------------------------------------------- replay ---- */

struct replaying {
    struct wal *wal;
    wal_replay_fn each;
    void *context;
    struct window parts; /* Parts are elsewhere. */
};

static kdk_status replay_parts(struct replaying *r, const struct batch_header *commit,
                               uint64_t lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = r->wal;
    const struct part_found key = {.transaction = commit->transaction};
    size_t low = 0, high = wal->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part_before(&wal->parts[middle], &key))
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < commit->parts; i++) {
        struct batch_header header;
        const uint8_t *bytes;
        const struct part_found *part =
            low + i < wal->part_count ? &wal->parts[low + i] : NULL;
        if (!part || part->transaction != commit->transaction || part->sequence != i ||
            part->lsn >= lsn)
            TRY(corrupt_at(wal, lsn, "a part of a transaction is missing", err));
        TRY(window_get(&r->parts, part->lsn, BATCH_BYTES, &bytes, err));
        batch_header_get(&header, bytes);
        TRY(window_get(&r->parts, part->lsn, BATCH_BYTES + (size_t)header.length, &bytes,
                       err));
        struct wal_replayed batch = {.kind = WAL_PART,
                                     .lsn = part->lsn,
                                     .timestamp = commit->timestamp,
                                     .part = i,
                                     .parts = commit->parts,
                                     .records = bytes + BATCH_BYTES,
                                     .bytes = header.length};
        TRY(r->each(r->context, &batch, err));
    }
out:
    return status;
}

static kdk_status replay_batch(void *context, const struct batch_header *header,
                               uint64_t lsn, const uint8_t *records, struct err *err)
{
    kdk_status status = KDK_OK;
    struct replaying *r = context;
    struct wal_replayed batch = {.kind = (enum wal_kind)header->kind,
                                 .lsn = lsn,
                                 .timestamp = header->timestamp,
                                 .part = header->parts,
                                 .parts = header->parts,
                                 .records = records,
                                 .bytes = header->length};
    if (batch.kind == WAL_PART || batch.kind == WAL_VOUCH)
        return KDK_OK;
    /* Parts from before the begin: the commit was appended before wal_position() was
     * asked. */
    if (header->parts && header->transaction < r->wal->from_lsn)
        return KDK_OK;
    if (header->parts)
        TRY(replay_parts(r, header, lsn, err));
    TRY(r->each(r->context, &batch, err));
out:
    return status;
}

kdk_status wal_replay(struct wal *wal, wal_replay_fn each, void *context, struct err *err)
{
    kdk_status status = KDK_OK;
    struct replaying r = {
        .wal = wal, .each = each, .context = context, .parts = {.wal = wal}};
    struct window window = {.wal = wal};
    struct group_header header;
    const uint8_t *batches;
    bool good;
    for (uint64_t lsn = wal->from_lsn; lsn < wal->durable;
         lsn = sector_up(lsn + GROUP_BYTES + header.length)) {
        TRY(group_read(&window, lsn, &header, &batches, &good, err));
        if (!good)
            TRY(corrupt_at(wal, lsn, "a group cannot be read any more", err));
        TRY(group_each(wal, &header, batches, replay_batch, &r, err));
    }
out:
    window_deinit(&window);
    window_deinit(&r.parts);
    mem_free(wal->parts);
    wal->parts = NULL;
    wal->part_count = wal->part_cap = 0;
    if (status != KDK_OK)
        err_while(err, "replaying the write-ahead log");
    return status;
}
