/* sniff.h - what a delimited file holds: its delimiter, its header, and types that fit its
 * first rows. Private to the folder. */
#ifndef KDK_FORMAT_SNIFF_H
#define KDK_FORMAT_SNIFF_H

#include "format/csv.h"

#define SNIFF_ROWS KDK_PICK(5000, 20)

struct sniffed {
    char delimiter;
    uint32_t column_count;
    struct csv_column *columns; /* names, types, slot UINT32_MAX; in the arena */
};

/* `delimiter` 0: the one of , tab ; | that the first line has most of. Reads from `input`
 * as far as needed. */
kdk_status csv_sniff(const struct csv_input *input, const char *path, char delimiter,
                     struct arena *arena, struct sniffed *out,
                     struct err *err) KDK_MUST_CHECK;

#endif
