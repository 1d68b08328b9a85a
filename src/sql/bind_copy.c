/* bind_copy.c - COPY: its table and columns, and its options as PostgreSQL checks them. */
#include "sql/bind_int.h"

struct copy_state {
    struct binder *b;
    const struct ast_copy *ast;
    struct bound_copy *copy;
    const struct ast_option *format, *delimiter, *null_text, *quote, *escape, *header,
        *force_quote, *force_not_null, *force_null, *encoding, *freeze;
};

static uint32_t option_at(const struct copy_state *s, const struct ast_option *o)
{
    return bind_at(s->b, o->name.at);
}

static kdk_status option_text(struct copy_state *s, const struct ast_option *o,
                              const char **out)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    if (o->values.count != 1 || o->list)
        FAIL_AT(option_at(s, o), KDK_SYNTAX, "%s requires a parameter", o->name.text);
    const struct ast_expr *v = o->values.items[0];
    if (v->kind == AST_STRING)
        *out = v->string.text;
    else if (v->kind == AST_NUMBER)
        *out = v->number.text;
    else if (v->kind == AST_BOOL)
        *out = v->truth ? "true" : "false";
    else
        FAIL_AT(option_at(s, o), KDK_SYNTAX, "%s requires a parameter", o->name.text);
out:
    return status;
}

static bool is_word(const char *text, const char *word)
{
    for (; *text && *word; text++, word++)
        if ((*text >= 'A' && *text <= 'Z' ? *text + 32 : *text) != *word)
            return false;
    return *text == *word;
}

static kdk_status option_bool(struct copy_state *s, const struct ast_option *o, bool *out)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    const char *text;
    if (o->values.count == 0) {
        *out = true;
        return KDK_OK;
    }
    TRY(option_text(s, o, &text));
    if (is_word(text, "true") || is_word(text, "on") || strcmp(text, "1") == 0)
        *out = true;
    else if (is_word(text, "false") || is_word(text, "off") || strcmp(text, "0") == 0)
        *out = false;
    else
        FAIL_AT(option_at(s, o), KDK_SYNTAX, "%s requires a Boolean value", o->name.text);
out:
    return status;
}

static kdk_status option_columns(struct copy_state *s, const struct ast_option *o,
                                 const char *what, bool **out)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    struct bound_copy *c = s->copy;
    TRY_NEW(*out = ARRAY(bool, (size_t)c->column_count + 1));
    for (uint32_t i = 0; i < o->values.count; i++) {
        const struct ast_expr *v = o->values.items[i];
        const char *name = v->kind == AST_STRING   ? v->string.text
                           : v->kind == AST_COLUMN ? ast_last(&v->name)->text
                                                   : NULL;
        uint32_t k = 0;
        if (!name)
            FAIL_AT(option_at(s, o), KDK_BAD_PARAMETER,
                    "argument to option \"%s\" must be a list of column names",
                    o->name.text);
        while (k < c->column_count && strcmp(c->names[k].name, name) != 0)
            k++;
        if (k == c->column_count) {
            if (c->table && table_column(c->table, name) == UINT32_MAX)
                FAIL_AT(bind_at(b, v->at), KDK_UNDEFINED_COLUMN,
                        "column \"%s\" of relation \"%s\" does not exist", name,
                        c->table->name);
            if (!c->table)
                FAIL_AT(bind_at(b, v->at), KDK_UNDEFINED_COLUMN,
                        "column \"%s\" does not exist", name);
            FAIL_AT(bind_at(b, v->at), KDK_INVALID_COLUMN_REFERENCE,
                    "%s column \"%s\" not referenced by COPY", what, name);
        }
        if ((*out)[k])
            FAIL_AT(bind_at(b, v->at), KDK_DUPLICATE_COLUMN,
                    "column \"%s\" specified more than once", name);
        (*out)[k] = true;
    }
    if (!o->values.count && !(o->star && o == s->force_quote))
        FAIL_AT(option_at(s, o), KDK_BAD_PARAMETER,
                "argument to option \"%s\" must be a list of column names", o->name.text);
    for (uint32_t k = 0; o->star && k < c->column_count; k++)
        (*out)[k] = true;
out:
    return status;
}

/* ---- options ---- */

static kdk_status collect(struct copy_state *s)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    struct {
        const char *name;
        const struct ast_option **slot;
    } known[] = {
        {"format", &s->format},           {"delimiter", &s->delimiter},
        {"null", &s->null_text},          {"quote", &s->quote},
        {"escape", &s->escape},           {"header", &s->header},
        {"force_quote", &s->force_quote}, {"force_not_null", &s->force_not_null},
        {"force_null", &s->force_null},   {"encoding", &s->encoding},
        {"freeze", &s->freeze},
    };
    for (uint32_t i = 0; i < s->ast->options.count; i++) {
        const struct ast_option *o = &s->ast->options.items[i];
        size_t k = 0;
        while (k < COUNT_OF(known) && strcmp(known[k].name, o->name.text) != 0)
            k++;
        if (k == COUNT_OF(known))
            FAIL_AT(option_at(s, o), KDK_SYNTAX, "option \"%s\" not recognized",
                    o->name.text);
        if (*known[k].slot)
            FAIL_AT(option_at(s, o), KDK_SYNTAX, "conflicting or redundant options");
        *known[k].slot = o;
    }
out:
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && is_word(text + n - m, end);
}

static kdk_status bind_format(struct copy_state *s)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    struct copy_options *o = &s->copy->options;
    const char *text;
    o->format = COPY_TEXT;
    if (!s->format) {
        /* Ours alone: a file's name says that it is Arrow. CSV has options, and so keeps
         * being asked for. */
        if (s->copy->path &&
            (ends_with(s->copy->path, ".arrow") || ends_with(s->copy->path, ".arrows") ||
             ends_with(s->copy->path, ".feather")))
            o->format = COPY_ARROW;
        return KDK_OK;
    }
    TRY(option_text(s, s->format, &text));
    if (strcmp(text, "text") == 0)
        o->format = COPY_TEXT;
    else if (strcmp(text, "csv") == 0)
        o->format = COPY_CSV;
    else if (strcmp(text, "arrow") == 0)
        o->format = COPY_ARROW;
    else if (strcmp(text, "binary") == 0)
        FAIL_AT(option_at(s, s->format), KDK_UNSUPPORTED,
                "COPY format \"binary\" is not supported");
    else
        FAIL_AT(option_at(s, s->format), KDK_BAD_PARAMETER,
                "COPY format \"%s\" not recognized", text);
out:
    return status;
}

static kdk_status bind_header(struct copy_state *s)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    struct copy_options *o = &s->copy->options;
    const char *text;
    bool yes;
    if (!s->header)
        return KDK_OK;
    if (s->header->values.count == 1) {
        TRY(option_text(s, s->header, &text));
        if (is_word(text, "match")) {
            if (s->copy->to)
                FAIL_AT(option_at(s, s->header), KDK_UNSUPPORTED,
                        "cannot use \"match\" with HEADER in COPY TO");
            o->header = COPY_HEADER_MATCH;
            return KDK_OK;
        }
        if (!is_word(text, "true") && !is_word(text, "on") && strcmp(text, "1") != 0 &&
            !is_word(text, "false") && !is_word(text, "off") && strcmp(text, "0") != 0)
            FAIL_AT(option_at(s, s->header), KDK_SYNTAX,
                    "header requires a Boolean value or \"match\"");
    }
    TRY(option_bool(s, s->header, &yes));
    o->header = yes ? COPY_HEADER_YES : COPY_HEADER_NO;
out:
    return status;
}

static kdk_status one_byte(struct copy_state *s, const struct ast_option *o,
                           const char *what, char *out)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    const char *text;
    if (!o)
        return KDK_OK;
    TRY(option_text(s, o, &text));
    if (strlen(text) != 1)
        FAIL_AT(option_at(s, o), KDK_UNSUPPORTED,
                "COPY %s must be a single one-byte character", what);
    *out = text[0];
out:
    return status;
}

static kdk_status csv_only(struct copy_state *s, const struct ast_option *o,
                           const char *what)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    if (o && s->copy->options.format != COPY_CSV)
        FAIL_AT(option_at(s, o), KDK_UNSUPPORTED, "COPY %s available only in CSV mode",
                what);
out:
    return status;
}

/* Is it one of PostgreSQL's encodings? Letters and digits alone count in their names. */
static bool encoding_exists(const char *name)
{
    static const char *const names[] = {
        "abc",         "alt",          "big5",        "euccn",       "eucjis2004",
        "eucjp",       "euckr",        "euctw",       "gb18030",     "gbk",
        "iso88591",    "iso885910",    "iso885913",   "iso885914",   "iso885915",
        "iso885916",   "iso88592",     "iso88593",    "iso88594",    "iso88595",
        "iso88596",    "iso88597",     "iso88598",    "iso88599",    "johab",
        "koi8",        "koi8r",        "koi8u",       "latin1",      "latin10",
        "latin2",      "latin3",       "latin4",      "latin5",      "latin6",
        "latin7",      "latin8",       "latin9",      "mskanji",     "muleinternal",
        "shiftjis",    "shiftjis2004", "sjis",        "sqlascii",    "tcvn",
        "tcvn5712",    "uhc",          "vscii",       "win",         "win1250",
        "win1251",     "win1252",      "win1253",     "win1254",     "win1255",
        "win1256",     "win1257",      "win1258",     "win866",      "win874",
        "win932",      "win936",       "win949",      "win950",      "windows1250",
        "windows1251", "windows1252",  "windows1253", "windows1254", "windows1255",
        "windows1256", "windows1257",  "windows1258", "windows866",  "windows874",
        "windows932",  "windows936",   "windows949",  "windows950"};
    char plain[24];
    size_t n = 0;
    for (; *name && n + 1 < sizeof plain; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            plain[n++] = c;
    }
    plain[n] = '\0';
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], plain) == 0)
            return true;
    return false;
}

static kdk_status bind_options(struct copy_state *s)
{
    kdk_status status = KDK_OK;
    struct binder *b = s->b;
    struct copy_options *o = &s->copy->options;
    const char *encoding;

    TRY(bind_format(s));
    const bool csv = o->format == COPY_CSV;
    if (o->format == COPY_ARROW) {
        const struct ast_option *const others[] = {
            s->delimiter,   s->null_text,      s->quote,      s->escape,  s->header,
            s->force_quote, s->force_not_null, s->force_null, s->encoding};
        for (size_t i = 0; i < COUNT_OF(others); i++)
            if (others[i])
                FAIL_AT(option_at(s, others[i]), KDK_SYNTAX,
                        "cannot specify %s in ARROW mode", others[i]->name.text);
        if (s->freeze)
            TRY(option_bool(s, s->freeze, &o->freeze));
        return KDK_OK;
    }
    TRY(bind_header(s));
    o->delimiter = csv ? ',' : '\t';
    o->null_text = csv ? "" : "\\N";
    o->quote = '"';
    TRY(one_byte(s, s->delimiter, "delimiter", &o->delimiter));
    if (s->null_text)
        TRY(option_text(s, s->null_text, &o->null_text));
    const uint32_t delimiter_at =
        s->delimiter ? option_at(s, s->delimiter) : bind_at(b, s->ast->file_at);
    const uint32_t null_at = s->null_text ? option_at(s, s->null_text) : delimiter_at;
    if (o->delimiter == '\n' || o->delimiter == '\r')
        FAIL_AT(delimiter_at, KDK_BAD_PARAMETER,
                "COPY delimiter cannot be newline or carriage return");
    if (strchr(o->null_text, '\n') || strchr(o->null_text, '\r'))
        FAIL_AT(null_at, KDK_BAD_PARAMETER,
                "COPY null representation cannot use newline or carriage return");
    if (!csv && strchr("\\.abcdefghijklmnopqrstuvwxyz0123456789", o->delimiter))
        FAIL_AT(delimiter_at, KDK_BAD_PARAMETER, "COPY delimiter cannot be \"%c\"",
                o->delimiter);
    TRY(csv_only(s, s->quote, "quote"));
    TRY(one_byte(s, s->quote, "quote", &o->quote));
    if (o->quote == '\n' || o->quote == '\r' || o->quote == '\0')
        FAIL_AT(option_at(s, s->quote), KDK_UNSUPPORTED,
                "COPY quote cannot be newline or carriage return");
    if (csv && o->delimiter == o->quote)
        FAIL_AT(s->quote ? option_at(s, s->quote) : delimiter_at, KDK_BAD_PARAMETER,
                "COPY delimiter and quote must be different");
    TRY(csv_only(s, s->escape, "escape"));
    o->escape = o->quote;
    TRY(one_byte(s, s->escape, "escape", &o->escape));
    TRY(csv_only(s, s->force_quote, "force quote"));
    if (s->force_quote && !s->copy->to)
        FAIL_AT(option_at(s, s->force_quote), KDK_UNSUPPORTED,
                "COPY force quote only available using COPY TO");
    TRY(csv_only(s, s->force_not_null, "force not null"));
    if (s->force_not_null && s->copy->to)
        FAIL_AT(option_at(s, s->force_not_null), KDK_UNSUPPORTED,
                "COPY force not null only available using COPY FROM");
    TRY(csv_only(s, s->force_null, "force null"));
    if (s->force_null && s->copy->to)
        FAIL_AT(option_at(s, s->force_null), KDK_UNSUPPORTED,
                "COPY force null only available using COPY FROM");
    if (strchr(o->null_text, o->delimiter))
        FAIL_AT(null_at, KDK_UNSUPPORTED,
                "COPY delimiter must not appear in the NULL specification");
    if (csv && strchr(o->null_text, o->quote))
        FAIL_AT(null_at, KDK_UNSUPPORTED,
                "CSV quote character must not appear in the NULL specification");
    if (s->force_quote) {
        TRY(option_columns(s, s->force_quote, "FORCE_QUOTE", &o->force_quote));
        o->force_quote_all = s->force_quote->star;
    }
    if (s->force_not_null)
        TRY(option_columns(s, s->force_not_null, "FORCE_NOT_NULL", &o->force_not_null));
    if (s->force_null)
        TRY(option_columns(s, s->force_null, "FORCE_NULL", &o->force_null));
    if (s->encoding) {
        TRY(option_text(s, s->encoding, &encoding));
        if (!is_word(encoding, "utf8") && !is_word(encoding, "utf-8") &&
            !is_word(encoding, "unicode"))
            FAIL_AT(option_at(s, s->encoding),
                    encoding_exists(encoding) ? KDK_UNSUPPORTED : KDK_BAD_PARAMETER,
                    encoding_exists(encoding) ? "encoding \"%s\" is not supported"
                                              : "argument to option \"encoding\" must be a "
                                                "valid encoding name, not \"%s\"",
                    encoding);
        o->encoding = encoding;
    }
    if (s->freeze)
        TRY(option_bool(s, s->freeze, &o->freeze));
    if (o->freeze && s->copy->to)
        FAIL_AT(option_at(s, s->freeze), KDK_UNSUPPORTED,
                "COPY FREEZE cannot be used with COPY TO");
    if (o->freeze)
        FAIL_AT(option_at(s, s->freeze), KDK_UNSUPPORTED,
                "COPY FREEZE is not supported yet");
out:
    return status;
}

/* ---- COPY ---- */

static kdk_status copy_columns(struct binder *b, const struct ast_copy *ast,
                               struct bound_copy *c)
{
    kdk_status status = KDK_OK;
    const struct ctable *table = c->table;
    c->column_count = ast->columns.count ? ast->columns.count : table->column_count;
    TRY_NEW(c->columns = ARRAY(uint32_t, (size_t)c->column_count + 1));
    TRY_NEW(c->names = ARRAY(struct relcol, (size_t)c->column_count + 1));
    for (uint32_t i = 0; i < c->column_count; i++) {
        uint32_t position = i;
        if (ast->columns.count) {
            const struct ast_ident *name = &ast->columns.items[i];
            position = table_column(table, name->text);
            if (position == UINT32_MAX)
                FAIL_AT(bind_at(b, name->at), KDK_UNDEFINED_COLUMN,
                        "column \"%s\" of relation \"%s\" does not exist", name->text,
                        table->name);
            for (uint32_t k = 0; k < i; k++)
                if (c->columns[k] == position)
                    FAIL_AT(bind_at(b, name->at), KDK_DUPLICATE_COLUMN,
                            "column \"%s\" specified more than once", name->text);
        }
        c->columns[i] = position;
        c->names[i] = (struct relcol){.type = table->columns[position].type,
                                      .name = table->columns[position].name};
    }
out:
    return status;
}

static kdk_status copy_from(struct binder *b, const struct ast_copy *ast,
                            struct bound_copy *c)
{
    kdk_status status = KDK_OK;
    const struct ctable *table = c->table;
    const uint32_t n = table->column_count;
    struct rel_dml *dml = NEW(struct rel_dml);
    TRY_NEW(dml);
    TRY_NEW(c->input = ARRAY(colid, (size_t)c->column_count + 1));
    TRY_NEW(dml->set = ARRAY(struct expr *, (size_t)n + 1));
    TRY_NEW(dml->set_columns = ARRAY(uint32_t, (size_t)n + 1));
    TRY_NEW(dml->fresh = ARRAY(colid, (size_t)n + 1));
    TRY_NEW(dml->old = ARRAY(colid, (size_t)n + 1));
    for (uint32_t i = 0; i < c->column_count; i++) {
        if (!(c->input[i] = bind_colid(b)))
            TRY(err_nomem(b->err));
        c->names[i].id = c->input[i];
        TRY_NEW(dml->set[c->columns[i]] =
                    expr_column(b, c->input[i], c->names[i].type, ast->name.at));
    }
    dml->set_count = n;
    for (uint32_t i = 0; i < n; i++) {
        dml->set_columns[i] = i;
        if (!dml->set[i])
            TRY(bind_default(b, table, i, ast->name.at, &dml->set[i]));
        if (!(dml->fresh[i] = bind_colid(b)))
            TRY(err_nomem(b->err));
    }
    TRY(bind_checks(b, table, dml, NULL));
    c->dml = dml;
    if (ast->where) { /* Over the whole row, as it will be. */
        struct scope scope;
        struct scope_rel *rel = NEW(struct scope_rel);
        TRY_NEW(rel);
        scope_init(b, &scope, NULL);
        scope.no_subqueries = true;
        rel->alias = table->name;
        rel->schema = table->schema;
        rel->count = n;
        TRY_NEW(rel->cols = ARRAY(struct scope_col, (size_t)n + 1));
        for (uint32_t i = 0; i < n; i++)
            rel->cols[i] = (struct scope_col){.name = table->columns[i].name,
                                              .id = dml->fresh[i],
                                              .type = table->columns[i].type};
        TRY(ns_add_rel(b, &scope.ns, rel, ast->name.at));
        TRY(bind_condition(b, &scope, ast->where, CLAUSE_COPY_WHERE, &c->where));
    }
    for (uint32_t i = 0; i < n; i++)
        if (!b->cols[dml->fresh[i]].used)
            dml->fresh[i] = 0;
out:
    return status;
}

kdk_status bind_copy(struct binder *b, const struct ast_copy *ast, struct bound_stmt *out)
{
    kdk_status status = KDK_OK;
    struct bound_copy *c = NEW(struct bound_copy);
    struct copy_state s = {.b = b, .ast = ast, .copy = c};
    TRY_NEW(c);
    c->to = ast->to;
    if (ast->end == AST_COPY_PROGRAM)
        FAIL_AT(bind_at(b, ast->file_at), KDK_UNSUPPORTED,
                "COPY with PROGRAM is not supported");
    c->path = ast->end == AST_COPY_FILE ? ast->file : NULL;
    if (ast->where && ast->to)
        FAIL_AT(bind_at(b, ast->where->at), KDK_SYNTAX,
                "WHERE clause not allowed with COPY TO");
    if (ast->query) {
        struct query q;
        TRY(bind_query(b, ast->query, NULL, false, &q));
        out->root = q.rel;
        c->column_count = out->column_count = q.count;
        TRY_NEW(c->names = ARRAY(struct relcol, (size_t)q.count + 1));
        for (uint32_t i = 0; i < q.count; i++)
            c->names[i] = (struct relcol){
                .id = q.cols[i].id, .type = q.cols[i].type, .name = q.cols[i].name};
        out->columns = c->names;
    } else {
        TRY(bind_table_name(b, &ast->name, &c->table));
        if (ast->to && c->table->kind == COBJ_VIEW) {
            status = err_set(b->err, KDK_WRONG_OBJECT_TYPE, "cannot copy from view \"%s\"",
                             c->table->name);
            err_hint(b->err, "Try the COPY (SELECT ...) TO variant.");
            err_at(b->err, bind_at(b, ast->name.at));
            goto out;
        }
        if (!ast->to && c->table->kind == COBJ_VIEW)
            FAIL_AT(bind_at(b, ast->name.at), KDK_WRONG_OBJECT_TYPE,
                    "cannot copy to view \"%s\"", c->table->name);
        if (!ast->to)
            TRY(bind_writable(b, c->table, "copy to", ast->name.at));
        TRY(copy_columns(b, ast, c));
        if (ast->to) { /* Its rows are a query like any other. */
            struct scope scope;
            struct rel *scan;
            struct scope_rel *rel;
            scope_init(b, &scope, NULL);
            TRY(bind_scan(b, &scope, c->table, NULL, false, ast->name.at, &scan, &rel));
            for (uint32_t i = 0; i < c->column_count; i++) {
                c->names[i].id = scan->cols[c->columns[i]].id;
                b->cols[c->names[i].id].used = true;
            }
            out->root = scan;
            out->column_count = c->column_count;
            out->columns = c->names;
        } else {
            TRY(copy_from(b, ast, c));
        }
    }
    TRY(collect(&s));
    TRY(bind_options(&s));
    out->copy = c;
out:
    return status;
}
