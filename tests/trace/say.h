/* What the victims of tests/trace.sh say: lines `expect TID ...` on stdout, which check.py compares with the trace.
 * They come from the program's own variables, at the place where the thing happens:
 *
 *   call NAME argument=JSON ...     NAME is entered; arguments that are not spoken of are ignored
 *   return NAME [JSON]              NAME returns this
 *   unwound NAME                    NAME is left by an exception or a longjmp
 *   tail NAME [JSON]                NAME ends with a call: it returns this, or ends by a tail call when optimised
 *   assign NAME.VARIABLE JSON       a variable of NAME, which may be inlined, gets this value
 *   branch LINE KIND TAKEN
 *   throw TYPE [what], catch TYPE [what], rethrow
 *   longjmp VALUE, abort, signal NAME handled|fatal
 *   never NAME                      no call of NAME is in the trace
 *
 * Whoever is spoken of must appear as said, in this order, and not otherwise. */
#ifndef REEL_TESTS_TRACE_SAY_H
#define REEL_TESTS_TRACE_SAY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPECT(...) (flockfile(stdout), printf("expect %d ", (int)gettid()), printf(__VA_ARGS__), putchar(10), fflush(stdout), funlockfile(stdout))
/* A decision of the line in the variable `line`. */
#define BRANCH(kind, taken) EXPECT("branch %d %s %s", line, kind, (taken) ? "true" : "false")
#define BOOL(value)         ((value) ? "true" : "false")

#ifdef __clang__
#define CALLED __attribute__((noinline))
#else
#define CALLED __attribute__((noipa))
#endif
/* The value is used, nothing is known of it, and what stands before it is done. */
#define KEEP(value) __asm__ volatile("" : "+r"(value) : : "memory")

#endif
