/* wal_fuzz.c - any bytes as the first segment of a log: opened or refused; what replay
 * hands out can be decoded or is refused. The checksum of the first group is made right
 * when the input begins with a 1, so that what lies behind it is reached. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "os/sim.h"
#include "wal/record.h"
#include "wal/wal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kdk_status look(void *context, const struct wal_replayed *batch, struct err *err)
{
    kdk_status status = KDK_OK;
    struct cursor in = cursor_of(batch->records, batch->bytes);
    struct record_view view;
    struct record_value value;
    struct datum datum;
    unsigned *count = context;
    while (cursor_left(&in) > 0) {
        TRY(record_next(&in, &view, err));
        for (uint32_t i = 0; i < view.count; i++) {
            record_value(&view, &value);
            if (record_datum(&value, LTYPE(TEXT), &datum, NULL) == KDK_OK && !datum.null &&
                datum.s.len)
                *count += (unsigned char)str_data(&datum.s)[datum.s.len - 1];
        }
    }
out:
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_options sim_options = {.seed = 1, .quiet = true};
    struct sim *sim = NULL;
    struct os_file *file = NULL;
    struct wal *wal = NULL;
    struct wal_report report;
    unsigned count = 0;

    if (size < 2 || size > 1 << 16)
        return 0;
    const bool repair = data[0] == 1, read_only = data[1] & 1;
    data += 2;
    size -= 2;
    uint8_t *bytes = mem_zalloc(size + 64);
    if (!bytes || sim_new(&sim_options, &sim, NULL) != KDK_OK)
        abort();
    memcpy(bytes, data, size);
    if (repair && size > 64) {
        uint64_t length = get_u64(bytes + 32) % (size - 63);
        put_u32(bytes, 0x574b444bu);
        put_u16(bytes + 4, 1);
        put_u64(bytes + 8, 1);
        put_u64(bytes + 16, 0);
        put_u64(bytes + 24, 0);
        put_u64(bytes + 32, length);
        put_u32(bytes + 60, crc32c(crc32c(0, bytes, 60), bytes + 64, length));
    }
    struct os *os = sim_os(sim);
    if (os_mkdir(os, "/wal", NULL) != KDK_OK ||
        os_open(os, "/wal/0000000000000000.log", OS_WRITE | OS_CREATE, &file, NULL) !=
            KDK_OK ||
        os_write(file, 0, bytes, size, NULL) != KDK_OK)
        abort();
    os_close(file);
    struct wal_options options = {.os = os,
                                  .dir = "/",
                                  .segment_bytes = 4096,
                                  .read_only = read_only,
                                  .accept_damage = data[-1] & 2};
    if (wal_open(&options, &wal, &report, NULL) == KDK_OK) {
        if (wal_replay(wal, look, &count, NULL) == KDK_OK && !read_only &&
            !report.damaged) {
            /* What it found is found again. */
            const uint64_t end = report.end_lsn;
            if (wal_close(wal, NULL) != KDK_OK)
                abort();
            wal = NULL;
            if (wal_open(&options, &wal, &report, NULL) != KDK_OK || report.end_lsn < end)
                abort();
        }
        if (wal_close(wal, NULL) != KDK_OK)
            abort();
    }
    sim_free(sim);
    mem_free(bytes);
    return 0;
}
