#include "tests/support/muster_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX  24u
#define START_MS_MAX   20000
#define SAID_BYTES_MAX ((size_t)64 << 20)

void muster_process_init(muster_process *p, const char *said)
{
    *p = (muster_process){0};
    ssize_t length = readlink("/proc/self/exe", p->program, sizeof p->program - 16);
    assert_true(length > 0);
    char *slash = strrchr(p->program, '/');
    assert_non_null(slash);
    memcpy(slash, "/muster", sizeof "/muster");
    length = snprintf(p->said, sizeof p->said, "%s", said);
    assert_true((size_t)length < sizeof p->said);
}

void muster_process_fini(muster_process *p)
{
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
    unlink(p->said);
}

void muster_fail(const muster_process *p, const char *what)
{
    mu_arena arena;
    mu_str said = {0};
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_file_read(&arena, p->said, SAID_BYTES_MAX, &said, NULL) == MU_OK && said.len > 3000)
        said = (mu_str){said.ptr + said.len - 3000, 3000};
    fail_msg("%s\n" MU_STR_FMT, what, MU_STR_ARG(said));
}

static _Noreturn void become(const muster_process *p, const char *const *arguments)
{
    const char *all[ARGUMENTS_MAX + 2] = {p->program};
    size_t n = 0;
    for (; arguments[n] != NULL && n < ARGUMENTS_MAX; n++)
        all[n + 1] = arguments[n];
    int fd = open(p->said, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    execv(p->program, (char *const *)(uintptr_t)all);
    _exit(127);
}

static pid_t start(const muster_process *p, const char *const *arguments)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(p, arguments);
    return pid;
}

/* The port that the server says it listens on; 0 when it has not said so yet. */
static uint16_t told_port(const muster_process *p)
{
    mu_str before = MU_STR("\"listening\":\"127.0.0.1:"), said = {0};
    mu_arena arena;
    uint16_t port = 0;
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_file_read(&arena, p->said, SAID_BYTES_MAX, &said, NULL) == MU_OK) {
        size_t at = mu_str_find(said, before);
        if (at != SIZE_MAX)
            port = (uint16_t)strtoul(mu_arena_copy(&arena, said).ptr + at + before.len, NULL, 10);
    }
    mu_arena_free(&arena);
    return port;
}

static void wait_until_it_listens(muster_process *p)
{
    struct timespec pause = {.tv_nsec = 1000000};
    for (int ms = 0; ms < START_MS_MAX && p->port == 0; ms++) {
        int status;
        if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
            p->pid = 0;
            muster_fail(p, "the server ended by itself");
        }
        nanosleep(&pause, NULL);
        p->port = told_port(p);
    }
    if (p->port == 0)
        muster_fail(p, "the server does not say where it listens");
}

void muster_serve(muster_process *p, const char *folder, const char *const *more)
{
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--data", folder, "--listen", "127.0.0.1:0"};
    size_t n = 5;
    for (; *more != NULL; more++) {
        assert_true(n + 1 < ARGUMENTS_MAX);
        arguments[n++] = *more;
    }
    unlink(p->said);
    atomic_store(&p->is_ending, false);
    p->port = 0;
    p->pid = start(p, arguments);
    wait_until_it_listens(p);
}

void muster_end(muster_process *p, int signal_number)
{
    int status;
    atomic_store(&p->is_ending, true);
    kill(p->pid, signal_number);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    p->pid = 0;
    bool is_expected = signal_number == SIGTERM
                           ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                           : WIFSIGNALED(status) && WTERMSIG(status) == signal_number;
    if (!is_expected)
        muster_fail(p, "the server ended otherwise than it was told to");
}

void muster_run(muster_process *p, const char *const *arguments)
{
    int status;
    pid_t pid = start(p, arguments);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        muster_fail(p, arguments[0]);
}
