/* utf8.c - see utf8.h. Runs of ASCII are passed eight bytes at a time. */
#include "base/utf8.h"

#define TOP_BITS 0x8080808080808080ull

/* Bytes of the well-formed character at `at`, 0 if there is none (Unicode, table 3-7). */
static size_t well_formed(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    size_t length;
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0) {
        length = 2;
    } else if (first < 0xf0) {
        length = 3;
        if (first == 0xe0)
            low = 0xa0; /* Not the shortest form below. */
        if (first == 0xed)
            high = 0x9f; /* Surrogates above. */
    } else if (first < 0xf5) {
        length = 4;
        if (first == 0xf0)
            low = 0x90;
        if (first == 0xf4)
            high = 0x8f; /* U+10FFFF is the last. */
    } else {
        return 0;
    }
    if (left < length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool utf8_valid(const char *text, size_t bytes, size_t *bad)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t i = 0;
    while (i < bytes) {
        if (bytes - i >= 8 && !(get_u64(at + i) & TOP_BITS)) {
            i += 8;
            continue;
        }
        size_t length = well_formed(at + i, bytes - i);
        if (!length) {
            if (bad)
                *bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

size_t utf8_count(const char *text, size_t bytes)
{
    size_t count = bytes, i = 0;
    for (; bytes - i >= 8; i += 8) {
        uint64_t word = get_u64(text + i);
        /* A continuation byte is 10xxxxxx. */
        count -= (size_t)__builtin_popcountll(word & ~(word << 1) & TOP_BITS);
    }
    for (; i < bytes; i++)
        count -= ((unsigned char)text[i] & 0xc0) == 0x80;
    return count;
}

size_t utf8_offset(const char *text, size_t bytes, size_t index)
{
    size_t i = 0;
    while (index > 0 && i < bytes) {
        if (index >= 8 && bytes - i >= 8 && !(get_u64(text + i) & TOP_BITS)) {
            i += 8;
            index -= 8;
            continue;
        }
        i += utf8_length((unsigned char)text[i]);
        index--;
    }
    return MIN(i, bytes);
}

size_t utf8_length(unsigned char first)
{
    return first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        if (code >= 0xd800 && code < 0xe000)
            return 0;
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    if (code > 0x10ffff)
        return 0;
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

uint32_t utf8_decode(const char *text, size_t *bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    uint32_t code = at[0];
    size_t length = utf8_length(at[0]);
    if (length > 1) {
        code &= 0x7fu >> length;
        for (size_t i = 1; i < length; i++)
            code = code << 6 | (at[i] & 0x3fu);
    }
    *bytes = length;
    return code;
}
