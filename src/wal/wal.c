/* wal.c - writing: batches get their space, then their place, and leave in groups.
 *
 * wal_reserve() is where a commit may wait or fail: for a segment, or because too much is still to be written. wal_append() links the
 * batch into the group that is being filled. Whoever waits first takes that group as it is and writes it, while the next one
 * fills; the others sleep until it is durable. Nothing is allocated between append and the end of the flush.
 */
#include "wal/wal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/sabotage.h"
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

kdk_status wal_batch_new(struct wal *wal, enum wal_kind kind, struct wal_batch **out, struct err *err)
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
    return err_set(err, KDK_IO, "the write-ahead log could not be written earlier: nothing more is accepted until the database is opened again");
}

/* ------------------------------------------------------------------ writing ---- */

/* Collects bytes and writes them in steps of the stage. */
struct stager {
    struct wal *wal;
    uint64_t lsn; /* Of the stage's first byte. */
    size_t used;
};

static kdk_status stage(struct stager *stager, const void *bytes, size_t count, struct err *err)
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
            TRY(segments_write(stager->wal, stager->lsn, stager->wal->stage, STAGE_BYTES, err));
            stager->lsn += STAGE_BYTES;
            stager->used = 0;
        }
    }
out:
    return status;
}

static kdk_status group_write(struct wal *wal, struct group_header *header, struct wal_batch *head, struct err *err)
{
    kdk_status status = KDK_OK;
    struct stager stager = {.wal = wal, .lsn = header->lsn};
    uint8_t bytes[GROUP_BYTES];
    static const uint8_t zeros[WAL_SECTOR];

    group_header_put(header, bytes);
    uint32_t crc = crc32c(0, bytes, GROUP_CRC_AT);
    for (struct wal_batch *batch = head; batch; batch = batch->next)
        crc = crc32c(crc, batch->bytes.data, batch->bytes.len);
    put_u32(bytes + GROUP_CRC_AT, crc);
    TRY(stage(&stager, bytes, sizeof bytes, err));
    for (struct wal_batch *batch = head; batch; batch = batch->next)
        TRY(stage(&stager, batch->bytes.data, batch->bytes.len, err));
    const uint64_t end = stager.lsn + stager.used;
    TRY(stage(&stager, zeros, (size_t)(sector_up(end) - end), err));
    if (stager.used)
        TRY(segments_write(wal, stager.lsn, wal->stage, stager.used, err));
out:
    return status;
}

/* Takes the group that is being filled and makes it durable. The caller has `writing`, and the latch, which is given up meanwhile. */
static kdk_status flush(struct wal *wal, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal_batch *head = wal->head;
    const uint64_t base = wal->base, end = sector_up(wal->end);
    const bool substance = wal->substance;
    uint64_t syncs = 0;
    struct group_header header = {.magic = GROUP_MAGIC,
                                  .version = GROUP_VERSION,
                                  .log_id = wal->log_id,
                                  .lsn = base,
                                  .durable = wal->durable,
                                  .length = wal->end - base - GROUP_BYTES};
    if (!head)
        return KDK_OK;
    ASSERT(wal->durable == base);
    for (struct wal_batch *batch = head; batch; batch = batch->next) {
        header.count++;
        if (batch->header.kind != WAL_COMMIT)
            continue;
        if (!header.first)
            header.first = batch->header.timestamp;
        header.last = batch->header.timestamp;
    }
    wal->head = NULL;
    wal->tail = &wal->head;
    wal->base = wal->end = end;
    wal->substance = false;
    latch_release(&wal->latch);

    status = group_write(wal, &header, head, err);
    if (status == KDK_OK)
        status = segments_sync(wal, base, end, &syncs, err);
    const uint32_t count = header.count;
    while (head) {
        struct wal_batch *next = head->next;
        batch_dispose(head);
        head = next;
    }

    latch_acquire(&wal->latch);
    wal->stats.syncs += syncs;
    if (status != KDK_OK) {
        /* What is on the disk is unknown, and so is what a later sync would mean. */
        wal->failed = KDK_IO;
        if (status != KDK_IO) {
            status = err ? err_set(err, KDK_IO, "the write-ahead log could not be written: %s", status_text(status)) : KDK_IO;
        }
        return status;
    }
    wal->durable = end;
    wal->vouched = header.durable;
    if (substance)
        wal->wants_vouch = end;
    const bool quiet = !substance && count == 1 && header.durable == base;
    wal->quiet = quiet ? base : 0;
    wal->quiet_end = quiet ? end : 0;
    wal->stats.groups++;
    wal->stats.batches += count;
    wal->stats.bytes += end - base;
    return status;
}

/* With the latch. Until all before `lsn` is durable. */
static kdk_status wait_durable(struct wal *wal, uint64_t lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    while (wal->durable < lsn) {
        if (wal->failed)
            return poisoned(err);
        if (wal->writing) {
            cond_wait(&wal->changed, &wal->latch);
            continue;
        }
        wal->writing = true;
        status = flush(wal, err);
        wal->writing = false;
        cond_broadcast(&wal->changed);
        if (status != KDK_OK)
            return status;
    }
    return KDK_OK;
}

kdk_status wal_wait(struct wal *wal, uint64_t lsn, struct err *err)
{
    if (sabotage & SABOTAGE_ACK_EARLY)
        return KDK_OK;
    latch_acquire(&wal->latch);
    kdk_status status = wait_durable(wal, lsn, err);
    latch_release(&wal->latch);
    return status;
}

/* ---------------------------------------------------------------- reserving ---- */

kdk_status wal_reserve(struct wal_batch *batch, bool urgent, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = batch->wal;
    /* If it is alone in its group. In company it needs less. */
    const uint64_t need = sector_up(GROUP_BYTES + batch->bytes.len);
    bool grown = false; /* Or tried to, for the sake of those who come later. */

    TRY(buf_status(&batch->bytes, err));
    if (wal->read_only)
        TRY(err_set(err, KDK_READ_ONLY, "the write-ahead log was opened read-only"));
    if (wal_batch_bytes(batch) > WAL_BATCH_BYTES_MAX)
        TRY(err_set(err, KDK_LIMIT, "a transaction's changes do not fit the write-ahead log at once"));
    ASSERT(!batch->reserved);
    batch->header.length = (uint32_t)wal_batch_bytes(batch);

    latch_acquire(&wal->latch);
    for (;;) {
        if (wal->failed) {
            status = poisoned(err);
            break;
        }
        if (wal->end - wal->base > PENDING_BYTES && !urgent) {
            status = wait_durable(wal, wal->base + 1, err);
            if (status != KDK_OK)
                break;
            continue;
        }
        const uint64_t used = sector_up(wal->end) + wal->promised + need, end = segments_end(wal);
        const bool fits = used + (urgent ? 0 : RESERVE_BYTES(wal)) <= end;
        /* The next segment is made while there is still room, so that one waits for it and the others go on. If that fails it is not tried
         * again with every batch, as long as there is room. */
        const bool soon = used + wal->segment_bytes / 2 > end && used >= wal->grow_again;
        if (fits && (wal->growing || grown || !soon)) {
            wal->promised += need;
            batch->reserved = need;
            break;
        }
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
        err_while(err, "reserving %llu bytes of the write-ahead log", (unsigned long long)need);
out:
    return status;
}

/* ---------------------------------------------------------------- appending ---- */

kdk_status wal_append(struct wal_batch *batch, uint64_t timestamp, uint64_t *lsn, struct err *err)
{
    kdk_status status = KDK_OK;
    struct wal *wal = batch->wal;
    struct batch_header *header = &batch->header;

    TRY_ASSERT(batch->reserved && batch->bytes.len == BATCH_BYTES + header->length);
    latch_acquire(&wal->latch);
    if (wal->failed) {
        status = poisoned(err);
    } else if (header->kind == WAL_COMMIT && timestamp <= wal->last_timestamp) {
        status = err_set(err, KDK_INTERNAL, "commits are not appended in the order of their timestamps"); /* W2 */
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
    TRY(wal_reserve(batch, batch->header.kind == WAL_CHECKPOINT || batch->header.kind == WAL_VOUCH, err));
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
    status = wait_durable(wal, wal->head ? wal->end : wal->base, err);
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
