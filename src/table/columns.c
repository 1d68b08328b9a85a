/* columns.c - what a table's columns are, for who makes the next definition of it. */
#include "table/table_int.h"

uint32_t table_column_count(const struct table *table)
{
    return table_newest((struct table *)(uintptr_t)table)->count;
}

struct ltype table_column_type(const struct table *table, uint32_t column)
{
    return table_newest((struct table *)(uintptr_t)table)->fields[column].type;
}

void table_column_definition(const struct table *table, uint32_t column,
                             struct tcolumn *out)
{
    const struct field *field =
        &table_newest((struct table *)(uintptr_t)table)->fields[column];
    *out = (struct tcolumn){.type = field->type,
                            .not_null = field->not_null,
                            .dropped = field->dropped,
                            .missing = field->missing};
}
