/* utf8.h - UTF-8 (RFC 3629): what is text and how many characters it has. */
#ifndef KDK_BASE_UTF8_H
#define KDK_BASE_UTF8_H

#include "base/base.h"

/* Shortest form only, no surrogates, up to U+10FFFF. On false `*bad` (may be NULL) is the
 * offset of the first byte that is not part of a character. */
bool utf8_valid(const char *text, size_t bytes, size_t *bad);
/* Characters (code points) of valid text. */
size_t utf8_count(const char *text, size_t bytes);
/* The byte offset of character `index` (0-based), or `bytes` if there are fewer. Valid
 * text. */
size_t utf8_offset(const char *text, size_t bytes, size_t index);
/* Bytes of the character that starts at `text`; 1 for what is not a start byte. */
size_t utf8_length(unsigned char first);
/* Writes 1 to 4 bytes; 0 for what is not a scalar value. */
size_t utf8_encode(uint32_t code, char out[4]);
/* The code point at `text`, its length in *bytes. Valid text, not at its end. */
uint32_t utf8_decode(const char *text, size_t *bytes);

#endif
