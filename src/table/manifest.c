/* manifest.c - the file MANIFEST: two slots, written in turn, each naming a whole
 * generation.
 *
 * A slot is a block of MANIFEST_SLOT_BYTES: magic, version, page size, the fields of struct
 * manifest, zeros, and in its last four bytes a CRC-32C of all before. A checkpoint writes
 * the slot that the older generation has, and syncs: a cut in between damages that slot
 * alone, and the other one still names a complete generation, whose pages, files and log
 * are kept.
 */
#include "table/disk.h"

#include "base/mem.h"

#define MAGIC   "KDKMNFST"
#define VERSION 2u /* 1 had no sequences of strips. */

static void encode(const struct manifest *manifest, uint8_t *slot)
{
    memset(slot, 0, MANIFEST_SLOT_BYTES);
    memcpy(slot, MAGIC, 8);
    put_u32(slot + 8, VERSION);
    put_u32(slot + 12, TREE_PAGE_BYTES);
    put_u64(slot + 16, manifest->sequence);
    put_u64(slot + 24, manifest->timestamp);
    put_u64(slot + 32, manifest->log_lsn);
    put_u64(slot + 40, manifest->next_file);
    put_u64(slot + 48, manifest->next_id);
    btree_root_encode(&manifest->meta, slot + 56);
    pagestore_map_encode(&manifest->map, slot + 56 + BTREE_ROOT_BYTES);
    put_u32(slot + MANIFEST_SLOT_BYTES - 4, crc32c(0, slot, MANIFEST_SLOT_BYTES - 4));
}

static bool decode(const uint8_t *slot, uint64_t parity, struct manifest *out)
{
    if (memcmp(slot, MAGIC, 8) != 0 ||
        get_u32(slot + MANIFEST_SLOT_BYTES - 4) !=
            crc32c(0, slot, MANIFEST_SLOT_BYTES - 4) ||
        get_u64(slot + 16) % 2 != parity || get_u64(slot + 16) == 0)
        return false;
    out->sequence = get_u64(slot + 16);
    out->timestamp = get_u64(slot + 24);
    out->log_lsn = get_u64(slot + 32);
    out->next_file = get_u64(slot + 40);
    out->next_id = get_u64(slot + 48);
    btree_root_decode(&out->meta, slot + 56);
    pagestore_map_decode(&out->map, slot + 56 + BTREE_ROOT_BYTES);
    return true;
}

kdk_status manifest_read(struct os_file *file, struct manifest *newest,
                         struct manifest *older, bool *damaged, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *slots = NULL;
    size_t got;
    struct manifest found[2];
    memset(newest, 0, sizeof *newest);
    memset(older, 0, sizeof *older);
    memset(found, 0, sizeof found);
    *damaged = false;
    TRY_MEM(slots = mem_zalloc(2 * MANIFEST_SLOT_BYTES));
    TRY(os_read(file, 0, slots, 2 * MANIFEST_SLOT_BYTES, &got, err));
    for (uint32_t k = 0; k < 2; k++) {
        const uint8_t *slot = slots + k * MANIFEST_SLOT_BYTES;
        bool some = false;
        for (uint32_t i = 0; i < MANIFEST_SLOT_BYTES && !some; i++)
            some = slot[i] != 0;
        if (!decode(slot, k, &found[k])) {
            *damaged |= some;
            continue;
        }
        if (get_u32(slot + 8) != VERSION || get_u32(slot + 12) != TREE_PAGE_BYTES)
            TRY(err_set(err, KDK_UNSUPPORTED,
                        "%s: the database has format %u with pages of %u bytes; this build "
                        "reads format %u with pages of %u bytes",
                        os_file_path(file), get_u32(slot + 8), get_u32(slot + 12), VERSION,
                        (unsigned)TREE_PAGE_BYTES));
    }
    const uint32_t best = found[1].sequence > found[0].sequence;
    *newest = found[best];
    *older = found[!best];
    /* The file has its name only when the first manifest is in it: one without any has lost
     * it. */
    if (!newest->sequence)
        TRY(err_set(err, KDK_CORRUPT, "%s: neither slot is valid (offsets 0 and %u)",
                    os_file_path(file), MANIFEST_SLOT_BYTES));
out:
    mem_free(slots);
    return status;
}

static kdk_status slot_write(struct os_file *file, const struct manifest *manifest,
                             uint8_t *slot, struct err *err)
{
    encode(manifest, slot);
    return os_write(file, manifest->sequence % 2 * MANIFEST_SLOT_BYTES, slot,
                    MANIFEST_SLOT_BYTES, err);
}

kdk_status manifest_again(struct os_file *file, const struct manifest *newest,
                          const struct manifest *older, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *slot;
    TRY_MEM(slot = mem_alloc(MANIFEST_SLOT_BYTES));
    if (older->sequence)
        TRY(slot_write(file, older, slot, err));
    if (newest->sequence)
        TRY(slot_write(file, newest, slot, err));
    TRY(os_sync(file, err));
out:
    mem_free(slot);
    return status;
}

kdk_status manifest_clear(struct os_file *file, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *slots;
    TRY_MEM(slots = mem_zalloc(2 * MANIFEST_SLOT_BYTES));
    TRY(os_write(file, 0, slots, 2 * MANIFEST_SLOT_BYTES, err));
out:
    mem_free(slots);
    return status;
}

kdk_status manifest_write(struct os_file *file, const struct manifest *manifest,
                          bool *touched, struct err *err)
{
    kdk_status status = KDK_OK;
    uint8_t *slot;
    *touched = false;
    TRY_MEM(slot = mem_alloc(MANIFEST_SLOT_BYTES));
    *touched = true;
    TRY(slot_write(file, manifest, slot, err));
    TRY(os_sync(file, err));
out:
    mem_free(slot);
    return status;
}
