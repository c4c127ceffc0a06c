/* error: the one error type of reel.
 *
 * A function that can fail returns `struct error *`: NULL means success, anything else describes the
 * failure and is owned by the caller, who passes it on, reports it or frees it with error_free().
 * Outputs come last in the parameter list and are untouched on failure unless a header says otherwise.
 *
 * A message is written as "WHAT: WHY"; the hint, when there is one, is what the user can do about it. The
 * program prints `reel: WHAT: WHY (HINT)`. */
#ifndef REEL_BASE_ERROR_H
#define REEL_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_OTHER,        /* anything that has no code of its own */
    ERROR_NO_MEMORY,    /* malloc failed */
    ERROR_SYSTEM,       /* a system call failed; error->errnum says how */
    ERROR_BAD_DATA,     /* a file that was read is damaged or hostile */
    ERROR_NOT_FOUND,    /* what was asked for does not exist */
    ERROR_USAGE,        /* the command line is wrong */
    ERROR_UNSUPPORTED,  /* reel knows what this is and cannot do it */
    ERROR_TASK_GONE,    /* the tracee died under our hands; its exit will be reported as a stop */
    ERROR_DIVERGED,     /* the replay no longer matches its log */
    ERROR_LIMIT,        /* a limit the user set was reached */
    ERROR_NO_PROGRAM,   /* the program to run was not found (exit status 127) */
    ERROR_NOT_RUNNABLE, /* it was found and cannot be run (126) */
};

struct error {
    enum error_code code;
    int errnum;    /* errno for ERROR_SYSTEM, else 0 */
    char *message; /* "WHAT: WHY" */
    char *hint;    /* what to do, or NULL */
};

/* Make an error from a printf format that yields "WHAT: WHY". Never returns NULL: out of memory yields the
 * static no-memory error. */
struct error *error_new(enum error_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));

/* Make an ERROR_SYSTEM from errnum; ": " and the text of errnum are appended to the format. ESRCH becomes
 * ERROR_TASK_GONE. */
struct error *error_system(int errnum, const char *format, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));

/* Replace the hint of err (which may be NULL: then nothing happens) and return err. */
struct error *error_hint(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "WHAT: " in front of the message of err (which may be NULL) and return err. */
struct error *error_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Static error for failed allocations; error_free() leaves it alone. */
extern struct error error_no_memory;

/* Free an error; NULL is fine. */
void error_free(struct error *err);

/* True if err is not NULL and has this code. */
bool error_is(const struct error *err, enum error_code code);

/* Return early with the error of an expression. */
#define TRY(expression)                                                                                      \
    do {                                                                                                     \
        struct error *try_error_ = (expression);                                                             \
        if (try_error_)                                                                                      \
            return try_error_;                                                                               \
    } while (0)

#endif
