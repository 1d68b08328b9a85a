#include "sql/keywords.h"

const struct keyword_info keyword_info[KW_COUNT] = {{"", 0, KEYWORD_NOT, true},
#define LABEL_BARE true
#define LABEL_AS   false
#define KEYWORD_INFO(NAME, TEXT, CATEGORY, LABEL)                                          \
    {TEXT, sizeof(TEXT) - 1, KEYWORD_##CATEGORY, LABEL_##LABEL},
                                                    KEYWORD_LIST(KEYWORD_INFO)
#undef KEYWORD_INFO
};

#define KEYWORD_BYTES_MAX 20

enum keyword keyword_find(const char *text, size_t bytes)
{
    char folded[KEYWORD_BYTES_MAX];
    unsigned low = 1, high = KW_COUNT;

    if (bytes == 0 || bytes > sizeof folded)
        return KW_0;
    for (size_t i = 0; i < bytes; i++)
        folded[i] =
            (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct keyword_info *info = &keyword_info[middle];
        int order = memcmp(folded, info->text, MIN(bytes, (size_t)info->bytes));
        if (order == 0)
            order = bytes < info->bytes ? -1 : bytes > info->bytes;
        if (order == 0)
            return (enum keyword)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return KW_0;
}
