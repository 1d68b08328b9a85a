/* bounds.h - every named limit. Passing one is a status, never a crash. In the tiny build
 * each is as small as correctness allows, so that the rare path is the common one. */
#ifndef KDK_BASE_BOUNDS_H
#define KDK_BASE_BOUNDS_H

#if KDK_TINY
#define KDK_PICK(NORMAL, TINY) (TINY)
#else
#define KDK_PICK(NORMAL, TINY) (NORMAL)
#endif

/* Execution */
#define BATCH_ROWS    KDK_PICK(2048, 64)     /* Rows of a batch; a multiple of 64. */
#define ROWPAGE_BYTES KDK_PICK(262144, 4096) /* A power of two. */
/* Blocks. A strip is a multiple of a batch. */
#define STRIP_ROWS       KDK_PICK(8192, 64)
#define FILE_STRIPS      KDK_PICK(64, 4)
#define STRIP_BYTES_MAX  (2u << 20) /* A strip closes here, however few its rows. */
#define FILE_BYTES_MAX   (32u << 20)
#define DICT_ENTRIES_MAX KDK_PICK(65536, 16) /* A column with more turns plain. */
/* More rows of one statement go into files of their own. */
#define BULK_LOAD_ROWS KDK_PICK(16384, 48)
/* Trees */
#define TREE_PAGE_BYTES    KDK_PICK(16384, 512)
#define TREE_CACHE_PAGES   KDK_PICK(4096, 4)
#define TREE_KEY_BYTES_MAX (TREE_PAGE_BYTES / 4) /* A longer key is 54000. */
/* Log */
#define WAL_SEGMENT_BYTES    KDK_PICK(16u << 20, 4096u)
#define CHECKPOINT_LOG_BYTES KDK_PICK(256ull << 20, 16ull << 10)
/* Values and SQL */
#define VALUE_BYTES_MAX      ((1u << 30) - 1)
#define TABLE_COLUMNS_MAX    1600
#define SQL_DEPTH_MAX        1000 /* Nesting of expressions and queries. */
#define SQL_BYTES_MAX        (64u << 20)
#define IDENTIFIER_BYTES_MAX 63
#define PARAMETERS_MAX       65535
#define JOIN_RELATIONS_MAX   64
/* Transactions */
#define TXN_SLOTS         4096 /* Transactions at once. */
#define STATEMENT_RETRIES 10   /* Of an autocommit statement that got 40001. */

#endif
