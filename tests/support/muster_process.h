/* muster_process.h -- the program itself, run by a test beside it: a server on a free port, ended
 * in order or killed, and commands that end by themselves. What should not happen fails the test
 * and shows the end of what the program said. */
#ifndef MU_TESTS_MUSTER_PROCESS_H
#define MU_TESTS_MUSTER_PROCESS_H

#include "base/arena.h"

#include <stdatomic.h>
#include <sys/types.h>

typedef struct muster_process {
    char program[512], said[512]; /* the program; the file with all that it says */
    pid_t pid;                    /* of the server; 0: none runs */
    uint16_t port;
    atomic_bool is_ending; /* from before it is told to; any thread */
} muster_process;

/* The program lies in the folder of the test; what it says goes to the file `said`. */
void muster_process_init(muster_process *p, const char *said);
/* Kills a server that a failed test left. */
void muster_process_fini(muster_process *p);

/* `muster serve --data FOLDER` with more arguments, the last one NULL, until it listens. */
void muster_serve(muster_process *p, const char *folder, const char *const *more);
/* SIGTERM: it ends in order, with status 0. SIGKILL: at once. Anything else fails the test. */
void muster_end(muster_process *p, int signal_number);

/* Runs a command to its end and expects status 0. The first argument is the command's name, the
 * last one NULL. */
void muster_run(muster_process *p, const char *const *arguments);

/* Fails the test with what the program said last. */
void muster_fail(const muster_process *p, const char *what);

#endif
