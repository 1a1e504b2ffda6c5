/* err.h -- result codes, error texts and assertions used by every folder.
 *
 * Functions that can fail return mu_code, are MU_CHECKED and take `mu_err *err` last (NULL
 * allowed). Outputs are written only on success.
 */
#ifndef MU_BASE_ERR_H
#define MU_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_CHECKED      __attribute__((warn_unused_result))
#define MU_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef enum mu_code {
    MU_OK,
    MU_E_SYNTAX,    /* text that does not parse */
    MU_E_TYPE,      /* a value of the wrong type */
    MU_E_INPUT,     /* any other mistake in what the caller gave */
    MU_E_NOT_FOUND, /* the named thing does not exist */
    MU_E_CONFLICT,  /* it exists already, or somebody else holds it */
    MU_E_LIMIT,     /* a ceiling was reached */
    MU_E_IO,        /* the system failed: disk, file, permission */
    MU_E_CORRUPT,   /* stored bytes fail their checksum or break an invariant */
    MU_E_NOMEM,
    MU_E_CANCELLED
} mu_code;

typedef struct mu_err {
    mu_code code;
    uint32_t line, column; /* 1-based; 0 when there is no source text */
    char text[512];        /* one sentence for a person, NUL-terminated */
} mu_err;

#define MU_TRY(call)                                                                               \
    do {                                                                                           \
        mu_code code_ = (call);                                                                    \
        if (code_ != MU_OK)                                                                        \
            return code_;                                                                          \
    } while (0)

/* Fills `err` (NULL allowed) and returns `code`, so that `return mu_fail(...)` reads naturally. */
mu_code mu_fail(mu_err *err, mu_code code, const char *format, ...) MU_PRINTF(3, 4);

/* As mu_fail, with the text of `errno` appended: for MU_E_IO. */
mu_code mu_fail_errno(mu_err *err, const char *format, ...) MU_PRINTF(2, 3);

/* The stable name of a code, "corrupt" and the like. */
const char *mu_code_name(mu_code code);

/* States what only a bug could break; stays on in release builds and ends the process. */
#define MU_ASSERT(cond) ((cond) ? (void)0 : mu_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void mu_assert_failed(const char *condition, const char *file, int line);

#ifdef NDEBUG
#define MU_DEBUG_ASSERT(cond) ((void)0)
#else
#define MU_DEBUG_ASSERT(cond) MU_ASSERT(cond)
#endif

#endif
