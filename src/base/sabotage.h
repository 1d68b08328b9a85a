/* sabotage.h - deliberate mistakes, to prove that the crash tests notice them. Never set
 * outside of tests. */
#ifndef KDK_BASE_SABOTAGE_H
#define KDK_BASE_SABOTAGE_H

enum sabotage {
    SABOTAGE_ACK_EARLY = 1,     /* A commit is acknowledged before its flush. */
    SABOTAGE_IGNORE_CRC = 2,    /* Replay believes damaged groups. */
    SABOTAGE_LOSE_INDEX_OP = 4, /* Now and then an index operation is not logged. */
};
/* Which of them are on. Set before the first database is opened. */
extern unsigned sabotage;

#endif
