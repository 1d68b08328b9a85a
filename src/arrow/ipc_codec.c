/* ipc_codec.c - compression of single buffers: LZ4 frames and ZSTD. */
#include <lz4frame.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "arrow/ipc_int.h"

#include "base/mem.h"

uint64_t ipc_decoded_max(enum arrow_codec codec, uint64_t payload)
{
    switch (codec) {
    case ARROW_CODEC_NONE:
        return payload;
    case ARROW_CODEC_LZ4_FRAME:
        return payload * 256; /* A byte of a match length stands for 255. */
    case ARROW_CODEC_ZSTD:
        return payload * 32768 + 65536; /* A run block: 4 bytes for 128 KiB. */
    }
    return 0;
}

static kdk_status bad_payload(const char *what, struct err *err)
{
    return err_set(err, KDK_CORRUPT, "damaged compressed buffer: %s", what);
}

static kdk_status decode_lz4(const uint8_t *from, size_t left, uint8_t *into, size_t room,
                             struct err *err)
{
    kdk_status status = KDK_OK;
    LZ4F_dctx *context = NULL;
    size_t more = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return err_nomem(err);
    /* A frame ends when 0 more bytes are wanted; frames may follow one another. */
    while (left > 0) {
        size_t taken = left, given = room;
        more = LZ4F_decompress(context, into, &given, from, &taken, NULL);
        if (LZ4F_isError(more)) {
            status = bad_payload(LZ4F_getErrorName(more), err);
            goto out;
        }
        if (taken == 0 && given == 0) {
            status = bad_payload("it holds more than it says", err);
            goto out;
        }
        from += taken;
        left -= taken;
        into += given;
        room -= given;
    }
    if (more != 0 || room != 0)
        status = bad_payload("it holds less than it says", err);
out:
    LZ4F_freeDecompressionContext(context);
    return status;
}

kdk_status arrow_decode(enum arrow_codec codec, const void *payload, size_t payload_bytes,
                        void *into, size_t bytes, struct err *err)
{
    size_t got;

    switch (codec) {
    case ARROW_CODEC_NONE:
        if (payload_bytes != bytes)
            return bad_payload("wrong length", err);
        if (bytes)
            memcpy(into, payload, bytes);
        return KDK_OK;
    case ARROW_CODEC_LZ4_FRAME:
        return decode_lz4(payload, payload_bytes, into, bytes, err);
    case ARROW_CODEC_ZSTD:
        got = ZSTD_decompress(into, bytes, payload, payload_bytes);
        if (ZSTD_isError(got))
            return bad_payload(ZSTD_getErrorName(got), err);
        return got == bytes ? KDK_OK : bad_payload("it holds less than it says", err);
    }
    return err_set(err, KDK_BAD_PARAMETER, "unknown codec");
}

static kdk_status encode_lz4(int level, size_t block_bytes, const uint8_t *from,
                             size_t bytes, struct buf *out, struct err *err)
{
    kdk_status status = KDK_OK;
    LZ4F_cctx *context = NULL;
    LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
    size_t got, at, room;

    if (block_bytes == 0 || block_bytes > 64 << 10)
        block_bytes = 64 << 10;
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.frameInfo.contentSize = bytes;
    preferences.compressionLevel = level;
    preferences.autoFlush = 1; /* Each update ends a block. */
    if (LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)))
        return err_nomem(err);
    room = LZ4F_compressBound(block_bytes, &preferences) + LZ4F_HEADER_SIZE_MAX;
    TRY_MEM(buf_reserve(out, room) == KDK_OK ? out : NULL);
    got = LZ4F_compressBegin(context, out->data + out->len, room, &preferences);
    for (at = 0; !LZ4F_isError(got) && at < bytes; at += block_bytes) {
        out->len += got;
        TRY_MEM(buf_reserve(out, room) == KDK_OK ? out : NULL);
        got = LZ4F_compressUpdate(context, out->data + out->len, room, from + at,
                                  MIN(block_bytes, bytes - at), NULL);
    }
    if (!LZ4F_isError(got)) {
        out->len += got;
        TRY_MEM(buf_reserve(out, room) == KDK_OK ? out : NULL);
        got = LZ4F_compressEnd(context, out->data + out->len, room, NULL);
    }
    if (LZ4F_isError(got)) {
        status = err_set(err, KDK_INTERNAL, "LZ4: %s", LZ4F_getErrorName(got));
        goto out;
    }
    out->len += got;
out:
    LZ4F_freeCompressionContext(context);
    return status;
}

static kdk_status encode_zstd(int level, const void *from, size_t bytes, struct buf *out,
                              struct err *err)
{
    kdk_status status = KDK_OK;
    size_t room = ZSTD_compressBound(bytes), got;

    TRY_MEM(buf_reserve(out, room) == KDK_OK ? out : NULL);
    got = ZSTD_compress(out->data + out->len, room, from, bytes, level ? level : 3);
    if (ZSTD_isError(got)) {
        status = ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation
                     ? err_nomem(err)
                     : err_set(err, KDK_INTERNAL, "ZSTD: %s", ZSTD_getErrorName(got));
        goto out;
    }
    out->len += got;
out:
    return status;
}

kdk_status arrow_encode(enum arrow_codec codec, int level, size_t block_bytes,
                        const void *from, size_t bytes, struct buf *out, struct err *err)
{
    switch (codec) {
    case ARROW_CODEC_NONE:
        buf_add(out, from, bytes);
        return buf_status(out, err);
    case ARROW_CODEC_LZ4_FRAME:
        return encode_lz4(level, block_bytes, from, bytes, out, err);
    case ARROW_CODEC_ZSTD:
        return encode_zstd(level, from, bytes, out, err);
    }
    return err_set(err, KDK_BAD_PARAMETER, "unknown codec");
}
