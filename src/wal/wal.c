/* wal.c - writing: batches get their space, then their place, and leave in groups.
 *
 * wal_reserve() is where a commit may wait or fail: for a segment, or because too much is
 * still to be written. wal_append() links the batch into the group that is being filled.
 * Whoever waits first takes that group as it is and writes it, while the next one fills;
 * the others sleep until it is durable. Nothing is allocated between append and the end of
 * the flush.
 */
#include "wal/wal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/sabotage.h"
#include "task/chore.h"
#include "wal/wal_int.h"

#define FIELD(OFFSET, NAME, TYPE) put_##TYPE(bytes + (OFFSET), header->NAME);
void group_header_put(const struct group_header *header, uint8_t *bytes)
{
    GROUP_FIELDS(FIELD)
}
void batch_header_put(const struct batch_header *header, uint8_t *bytes)
{
    BATCH_FIELDS(FIELD)
}
#undef FIELD
#define FIELD(OFFSET, NAME, TYPE) header->NAME = get_##TYPE(bytes + (OFFSET));
void group_header_get(struct group_header *header, const uint8_t *bytes)
{
    GROUP_FIELDS(FIELD)
}
void batch_header_get(struct batch_header *header, const uint8_t *bytes)
{
    BATCH_FIELDS(FIELD)
}
#undef FIELD

/* ------------------------------------------------------------------ batches ---- */

kdk_status wal_batch_new(struct wal *wal, enum wal_kind kind, struct wal_batch **out,
                         struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *batch = MEM_NEW(struct wal_batch);
    TRY_MEM(batch);
    batch->wal = wal;
    batch->header.kind = (uint8_t)kind;
    TRY_MEM(buf_extend(&batch->bytes, BATCH_BYTES));
    memset(batch->bytes.data, 0, BATCH_BYTES);
    *out = batch;
    batch = NULL;
out:
    wal_batch_free(batch);
    return status;
}

struct buf *wal_batch_records(struct wal_batch *batch)
{
    return &batch->bytes;
}

size_t wal_batch_bytes(const struct wal_batch *batch)
{
    return batch->bytes.len - BATCH_BYTES;
}

bool wal_batch_has_parts(const struct wal_batch *batch)
{
    return batch->header.sequence > 0;
}

/* Under the latch. */
static void parted_unlink(struct wal *wal, struct wal_batch *batch)
{
    if (!batch->listed)
        return;
    *(batch->older ? &batch->older->newer : &wal->parted) = batch->newer;
    *(batch->newer ? &batch->newer->older : &wal->parted_last) = batch->older;
    batch->older = batch->newer = NULL;
    batch->listed = false;
}

/* Under the latch: its first part is in the group that is being filled, at `place`. */
static void parted_link(struct wal *wal, struct wal_batch *batch, uint64_t place)
{
    batch->header.transaction = place;
    batch->parts_from = wal->base;
    batch->listed = true;
    batch->newer = NULL;
    batch->older = wal->parted_last;
    *(wal->parted_last ? &wal->parted_last->newer : &wal->parted) = batch;
    wal->parted_last = batch;
}

static void batch_dispose(struct wal_batch *batch)
{
    buf_deinit(&batch->bytes);
    mem_free(batch);
}

void wal_batch_free(struct wal_batch *batch)
{
    if (!batch)
        return;
    if (batch->reserved || batch->listed) {
        struct wal *wal = batch->wal;
        latch_acquire(&wal->latch);
        wal->promised -= batch->reserved;
        parted_unlink(wal, batch);
        latch_release(&wal->latch);
    }
    batch_dispose(batch);
}

static kdk_status poisoned(struct err *err)
{
    return err_set(err, KDK_IO,
                   "the write-ahead log could not be written earlier: nothing more is "
                   "accepted until the database is opened again");
}

/* ------------------------------------------------------------------ writing ---- */

/* Collects bytes and writes them in steps of the stage. */
struct stager {
    struct wal *wal;
    uint64_t lsn; /* Of the stage's first byte. */
    size_t used;
};

static kdk_status stage(struct stager *stager, const void *bytes, size_t count,
                        struct err *err)
{
    kdk_status status = KDK_OK;
    const uint8_t *at = bytes;
    while (count > 0) {
        size_t some = MIN(count, STAGE_BYTES - stager->used);
        memcpy(stager->wal->stage + stager->used, at, some);
        stager->used += some;
        at += some;
        count -= some;
        if (stager->used == STAGE_BYTES) {
            TRY(segments_write(stager->wal, stager->lsn, stager->wal->stage, STAGE_BYTES,
                               err));
            stager->lsn += STAGE_BYTES;
            stager->used = 0;
        }
    }
out:
    return status;
}

/* Writes and syncs. *unwritten, after a failure: it was the writing. */
static kdk_status group_write(struct wal *wal, struct group_header *header,
                              const struct group *group, bool *unwritten, uint64_t *syncs,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    struct stager stager = {.wal = wal, .lsn = header->lsn};
    uint8_t bytes[GROUP_BYTES];
    static const uint8_t zeros[WAL_SECTOR];
    const uint64_t end = sector_up(group->end);
    /* The usual one: in one step. */
    const bool short_one =
        end - group->base < STAGE_BYTES &&
        group->base / wal->segment_bytes == (end - 1) / wal->segment_bytes;

    *unwritten = true;
    group_header_put(header, bytes);
    header->crc = crc32c(0, bytes, GROUP_CRC_AT);
    for (struct wal_batch *batch = group->head; batch; batch = batch->next)
        header->crc = crc32c(header->crc, batch->bytes.data, batch->bytes.len);
    put_u32(bytes + GROUP_CRC_AT, header->crc);
    TRY(stage(&stager, bytes, sizeof bytes, err));
    for (struct wal_batch *batch = group->head; batch; batch = batch->next)
        TRY(stage(&stager, batch->bytes.data, batch->bytes.len, err));
    TRY(stage(&stager, zeros, (size_t)(end - group->end), err));
    if (short_one) {
        status =
            segment_write_durable(wal, stager.lsn, wal->stage, stager.used, unwritten, err);
        *syncs += status == KDK_OK;
        goto out;
    }
    if (stager.used)
        TRY(segments_write(wal, stager.lsn, wal->stage, stager.used, err));
    *unwritten = false;
    TRY(segments_sync(wal, group->base, end, syncs, err));
out:
    return status;
}

/* Whether the whole group is to be found where it should have been written: a write that
 * fails may have written anything. */
static kdk_status group_is_there(struct wal *wal, const struct group_header *header,
                                 const struct group *group, bool *there, struct err *err)
{
    kdk_status status = KDK_OK;
    uint64_t lsn = group->base, left = group->end - group->base;
    uint32_t crc = 0;
    while (left > 0) {
        const size_t count = (size_t)MIN(left, (uint64_t)STAGE_BYTES);
        uint8_t *bytes = wal->stage;
        size_t from = 0;
        TRY(segments_read(wal, lsn, bytes, count, err));
        if (lsn == group->base) {
            struct group_header found;
            group_header_get(&found, bytes);
            *there = memcmp(&found, header, sizeof found) == 0;
            if (!*there)
                goto out;
            crc = crc32c(0, bytes, GROUP_CRC_AT);
            from = GROUP_BYTES;
        }
        crc = crc32c(crc, bytes + from, count - from);
        lsn += count;
        left -= count;
    }
    *there = crc == header->crc;
out:
    return status;
}

/* A group that could not be written, and so is void by now, is not written over what is
 * left of it: sectors of both together could make a whole one in which nothing is void. Its
 * first sector goes first. */
static kdk_status group_erase(struct wal *wal, uint64_t base, bool *unwritten,
                              uint64_t *syncs, struct err *err)
{
    kdk_status status = KDK_OK;
    static const uint8_t zeros[WAL_SECTOR];
    *unwritten = true;
    TRY(segments_write(wal, base, zeros, sizeof zeros, err));
    *unwritten = false;
    TRY(segments_sync(wal, base, base + WAL_SECTOR, syncs, err));
out:
    return status;
}

void group_free(struct wal_batch *head)
{
    while (head) {
        struct wal_batch *next = head->next;
        batch_dispose(head);
        head = next;
    }
}

/* Makes commits void without moving anything: each becomes a part of a transaction that has
 * no other and never commits. Parts of transactions that run, and what is written ahead,
 * stay what they are. Returns how many. */
static uint64_t make_void(struct wal_batch *head, uint64_t place)
{
    uint64_t count = 0;
    for (struct wal_batch *batch = head; batch;
         place += batch->bytes.len, batch = batch->next) {
        struct batch_header *header = &batch->header;
        if (header->kind != WAL_COMMIT)
            continue;
        header->kind = WAL_PART;
        header->transaction = place;
        header->timestamp = 0;
        header->sequence = header->parts = 0;
        batch_header_put(header, (uint8_t *)batch->bytes.data);
        count++;
    }
    return count;
}

/* Takes a group, the one that is stuck or the one that is being filled, and makes it
 * durable. The caller has `writing`, and the latch, which is given up meanwhile. */
static kdk_status flush(struct wal *wal, struct err *err)
{
    kdk_status status = KDK_OK;
    struct group group = wal->stuck;
    const bool again = group.head != NULL;
    uint64_t syncs = 0;
    bool unwritten = false, there = false;
    struct err why = {0};
    if (again) {
        wal->stuck.head = NULL;
    } else {
        group = (struct group){wal->head, wal->base, wal->end, wal->substance};
        if (!group.head)
            return KDK_OK;
        wal->head = NULL;
        wal->tail = &wal->head;
        wal->base = wal->end = sector_up(group.end);
        wal->substance = false;
    }
    const uint64_t end = sector_up(group.end);
    struct group_header header = {.magic = GROUP_MAGIC,
                                  .version = GROUP_VERSION,
                                  .log_id = wal->log_id,
                                  .lsn = group.base,
                                  .durable = wal->durable,
                                  .length = group.end - group.base - GROUP_BYTES};
    ASSERT(wal->durable == group.base);
    for (struct wal_batch *batch = group.head; batch; batch = batch->next) {
        header.count++;
        if (batch->header.kind != WAL_COMMIT)
            continue;
        if (!header.first)
            header.first = batch->header.timestamp;
        header.last = batch->header.timestamp;
    }
    latch_release(&wal->latch);

    if (again)
        status = group_erase(wal, group.base, &unwritten, &syncs, &why);
    if (status == KDK_OK)
        status = group_write(wal, &header, &group, &unwritten, &syncs, &why);
    if (status != KDK_OK && unwritten && !again) {
        unwritten = group_is_there(wal, &header, &group, &there, &why) == KDK_OK;
        if (there) /* It was written after all. */
            status = segments_sync(wal, group.base, end, &syncs, &why);
    }
    const bool withdraw = status != KDK_OK && unwritten && !there;
    if (!withdraw)
        group_free(group.head);

    latch_acquire(&wal->latch);
    wal->stats.syncs += syncs;
    if (withdraw) {
        wal->stuck = group;
        wal->stuck_why = why;
        wal->withdrawn_left += make_void(group.head, group.base + GROUP_BYTES) +
                               make_void(wal->head, wal->base + GROUP_BYTES);
        wal->withdrawn_to = wal->end;
    } else if (status != KDK_OK) {
        /* What is on the disk is unknown, and so is what a later sync would mean. */
        wal->failed = KDK_IO;
        if (status != KDK_IO)
            status = err_set(&why, KDK_IO, "the write-ahead log could not be written: %s",
                             status_text(status));
    }
    if (status != KDK_OK) {
        if (err)
            *err = why;
        return status;
    }
    wal->durable = end;
    wal->vouched = header.durable;
    if (group.substance)
        wal->wants_vouch = end;
    const bool quiet =
        !group.substance && header.count == 1 && header.durable == group.base;
    wal->quiet = quiet ? group.base : 0;
    wal->quiet_end = quiet ? end : 0;
    if (group.substance && wal->upkeep && !wal->watched) {
        wal->watched = true;
        chore_ask(wal->upkeep);
    }
    wal->stats.groups++;
    wal->stats.batches += header.count;
    wal->stats.bytes += end - group.base;
    return status;
}

/* With the latch. Until all before `lsn` is durable. `withdrawn`: for who waits for a
 * commit. */
static kdk_status wait_durable(struct wal *wal, uint64_t lsn, bool *withdrawn,
                               struct err *err)
{
    kdk_status status = KDK_OK;
    while (wal->durable < lsn) {
        if (withdrawn && wal->withdrawn_left && lsn <= wal->withdrawn_to) {
            if (--wal->withdrawn_left == 0)
                cond_broadcast(&wal->changed);
            *withdrawn = true;
            if (err)
                *err = wal->stuck_why;
            return wal->stuck_why.status;
        }
        if (wal->failed)
            return status != KDK_OK ? status : poisoned(err);
        if (status != KDK_OK && !withdrawn)
            return status;
        status = KDK_OK;
        if (wal->writing || wal->withdrawn_left) {
            cond_wait(&wal->changed, &wal->latch);
            continue;
        }
        wal->writing = true;
        status = flush(wal, err);
        wal->writing = false;
        cond_broadcast(&wal->changed);
    }
    return KDK_OK;
}

kdk_status wal_wait(struct wal *wal, uint64_t lsn, struct err *err)
{
    latch_acquire(&wal->latch);
    kdk_status status = wait_durable(wal, lsn, NULL, err);
    latch_release(&wal->latch);
    return status;
}

kdk_status wal_wait_commit(struct wal *wal, uint64_t lsn, bool *withdrawn, struct err *err)
{
    *withdrawn = false;
    if (sabotage & SABOTAGE_ACK_EARLY)
        return KDK_OK;
    latch_acquire(&wal->latch);
    kdk_status status = wait_durable(wal, lsn, withdrawn, err);
    latch_release(&wal->latch);
    return status;
}

/* ---------------------------------------------------------------- reserving ---- */

/* Under the latch: whether the next segment should be made, when so much is taken. */
static bool grows_soon(const struct wal *wal, uint64_t used)
{
    return used + wal->segment_bytes / 2 > segments_end(wal) && used >= wal->grow_again;
}

kdk_status wal_reserve(struct wal_batch *batch, bool urgent, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = batch->wal;
    /* If it is alone in its group. In company it needs less. */
    const uint64_t need = sector_up(GROUP_BYTES + batch->bytes.len);
    bool waited = false;
    bool grown = false; /* Or tried to, for the sake of those who come later. */

    TRY(buf_status(&batch->bytes, err));
    if (wal->read_only)
        TRY(err_set(err, KDK_READ_ONLY, "the write-ahead log was opened read-only"));
    if (wal_batch_bytes(batch) > WAL_BATCH_BYTES_MAX)
        TRY(err_set(err, KDK_LIMIT,
                    "a transaction's changes do not fit the write-ahead log at once"));
    ASSERT(!batch->reserved);
    batch->header.length = (uint32_t)wal_batch_bytes(batch);

    latch_acquire(&wal->latch);
    for (;;) {
        if (wal->failed) {
            status = poisoned(err);
            break;
        }
        /* What is stuck goes first; as long as it does not, nothing more is taken. */
        if (wal->stuck.head || (wal->end - wal->base > PENDING_BYTES && !urgent)) {
            status = wait_durable(wal, wal->stuck.head ? wal->stuck.end : wal->base + 1,
                                  NULL, err);
            if (status != KDK_OK)
                break;
            continue;
        }
        const uint64_t used = sector_up(wal->end) + wal->promised + need;
        const bool fits = used + (urgent ? 0 : RESERVE_BYTES(wal)) <= segments_end(wal);
        /* The next segment is made while there is still room: by the upkeep, or by who
         * comes first, while the others go on. If that fails it is not tried again with
         * every batch, as long as there is room. */
        const bool soon = grows_soon(wal, used);
        if (fits && soon && wal->upkeep && !wal->growing)
            chore_ask(wal->upkeep);
        if (fits && (wal->growing || grown || !soon || wal->upkeep)) {
            wal->promised += need;
            batch->reserved = need;
            break;
        }
        wal->stats.waited += !waited;
        waited = true;
        if (wal->growing) {
            cond_wait(&wal->changed, &wal->latch);
            continue;
        }
        wal->growing = true;
        latch_release(&wal->latch);
        status = segment_add(wal, fits ? NULL : err);
        latch_acquire(&wal->latch);
        wal->growing = false;
        cond_broadcast(&wal->changed);
        if (status != KDK_OK && !fits)
            break;
        if (status != KDK_OK)
            wal->grow_again = used + wal->segment_bytes / 16;
        status = KDK_OK;
        grown = fits;
    }
    latch_release(&wal->latch);
    if (status != KDK_OK)
        err_while(err, "reserving %llu bytes of the write-ahead log",
                  (unsigned long long)need);
out:
    return status;
}

/* ---------------------------------------------------------------- appending ---- */

kdk_status wal_append(struct wal_batch *batch, uint64_t timestamp, uint64_t *lsn,
                      struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = batch->wal;
    struct batch_header *header = &batch->header;

    TRY_ASSERT(batch->reserved && batch->bytes.len == BATCH_BYTES + header->length);
    latch_acquire(&wal->latch);
    if (wal->failed) {
        status = poisoned(err);
    } else if (header->kind == WAL_COMMIT && timestamp <= wal->last_timestamp) {
        /* W2 */
        status = err_set(err, KDK_INTERNAL,
                         "commits are not appended in the order of their timestamps");
    } else {
        if (!wal->head)
            wal->end = wal->base + GROUP_BYTES;
        const uint64_t place = wal->end;
        if (header->kind == WAL_COMMIT) {
            header->timestamp = timestamp;
            header->parts = header->sequence;
            header->sequence = 0;
            wal->last_timestamp = timestamp;
            parted_unlink(wal, batch);
        } else if (batch->whole && header->sequence == 0) {
            header->transaction = place;
            parted_link(wal, batch->whole, place);
        }
        if (header->kind != WAL_VOUCH)
            wal->substance = true;
        batch_header_put(header, (uint8_t *)batch->bytes.data);
        wal->promised -= batch->reserved;
        batch->reserved = 0;
        batch->next = NULL;
        *wal->tail = batch;
        wal->tail = &batch->next;
        wal->end = place + batch->bytes.len;
        *lsn = wal->end;
    }
    latch_release(&wal->latch);
out:
    return status;
}

kdk_status wal_append_ahead(struct wal_batch *batch, uint64_t *lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    ASSERT(batch->header.kind != WAL_COMMIT);
    TRY(wal_reserve(batch,
                    batch->header.kind == WAL_CHECKPOINT || batch->header.kind == WAL_VOUCH,
                    err));
    TRY(wal_append(batch, 0, lsn, err));
out:
    return status;
}

kdk_status wal_part(struct wal_batch *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = batch->wal;
    struct wal_batch *part = NULL;
    uint64_t lsn;

    ASSERT(batch->header.kind == WAL_COMMIT && !batch->reserved);
    TRY(buf_status(&batch->bytes, err));
    TRY(wal_batch_new(wal, WAL_PART, &part, err));
    /* The bytes change hands. */
    struct buf swap = part->bytes;
    part->bytes = batch->bytes;
    batch->bytes = swap;
    part->header.transaction = batch->header.transaction;
    part->header.sequence = batch->header.sequence;
    TRY(wal_reserve(part, false, err));
    part->whole = batch;
    TRY(wal_append(part, 0, &lsn, err));
    part = NULL;
    batch->header.sequence++;
out:
    wal_batch_free(part);
    return status;
}

/* ------------------------------------------------------------------ the rest ---- */

kdk_status wal_vouch(struct wal *wal, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *batch = NULL;
    uint64_t lsn;

    if (wal->read_only)
        return KDK_OK;
    /* What is pending first, so that the group that vouches covers it. */
    latch_acquire(&wal->latch);
    status = wait_durable(wal, wal->head ? wal->end : wal->base, NULL, err);
    const bool done = wal->vouched >= wal->wants_vouch;
    latch_release(&wal->latch);
    if (status != KDK_OK || done)
        goto out;
    TRY(wal_batch_new(wal, WAL_VOUCH, &batch, err));
    TRY(wal_append_ahead(batch, &lsn, err));
    batch = NULL;
    TRY(wal_wait(wal, lsn, err));
out:
    wal_batch_free(batch);
    return status;
}

/* Under the latch: makes the next segment if it is time. */
static void upkeep_grow(struct wal *wal)
{
    const uint64_t used = sector_up(wal->end) + wal->promised;
    if (wal->growing || !grows_soon(wal, used))
        return;
    wal->growing = true;
    latch_release(&wal->latch);
    /* Failing harms nobody yet: who finds no room tries himself, and is told. */
    const kdk_status status = segment_add(wal, NULL);
    latch_acquire(&wal->latch);
    wal->growing = false;
    cond_broadcast(&wal->changed);
    if (status != KDK_OK)
        wal->grow_again = used + wal->segment_bytes / 16;
}

/* Under the latch: vouches if nothing was appended since the last look. Returns when to
 * look again. */
static uint64_t upkeep_vouch(struct wal *wal)
{
    if (!wal->watched)
        return OS_FOREVER;
    const uint64_t now = os_now_ns(wal->os), at = MAX(wal->end, wal->base);
    if (at != wal->watched_end) {
        wal->watched_end = at;
        wal->watched_ns = now;
        return WAL_IDLE_NS;
    }
    if (now - wal->watched_ns < WAL_IDLE_NS)
        return WAL_IDLE_NS - (now - wal->watched_ns);
    wal->watched = false;
    latch_release(&wal->latch);
    /* A log that cannot be written says so to the next commit; the group after that is
     * watched again. */
    (void)!(wal_vouch(wal, NULL) == KDK_OK);
    latch_acquire(&wal->latch);
    return OS_FOREVER;
}

static uint64_t upkeep_run(void *context)
{
    struct wal *wal = context;
    latch_acquire(&wal->latch);
    uint64_t again = OS_FOREVER;
    if (!wal->failed) {
        upkeep_grow(wal);
        again = upkeep_vouch(wal);
    }
    latch_release(&wal->latch);
    return again;
}

kdk_status wal_start_upkeep(struct wal *wal, struct err *err)
{
    ASSERT(!wal->upkeep);
    return wal->read_only
               ? KDK_OK
               : chore_new(wal->os, "kdk-log", upkeep_run, wal, &wal->upkeep, err);
}

uint64_t wal_position(struct wal *wal)
{
    latch_acquire(&wal->latch);
    uint64_t lsn = wal->parted ? wal->parted->parts_from : wal->base;
    /* By this group opening sees that the log was closed, if nothing comes after it. */
    if (!wal->parted && wal->quiet_end && wal->base == wal->quiet_end)
        lsn = wal->quiet;
    latch_release(&wal->latch);
    return lsn;
}

uint64_t wal_durable(struct wal *wal)
{
    latch_acquire(&wal->latch);
    uint64_t lsn = wal->durable;
    latch_release(&wal->latch);
    return lsn;
}

void wal_stats(struct wal *wal, struct wal_stats *out)
{
    latch_acquire(&wal->latch);
    *out = wal->stats;
    out->segments = wal->segment_count;
    out->spares = wal->spare_count;
    latch_release(&wal->latch);
}
