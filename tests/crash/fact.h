/* What the victims of tests/crash.sh say of themselves before they die: lines `fact KEY JSON` on stdout,
 * which check.py compares with report.json.
 *
 *   signal, code_text, access, address, message, exception, what, stack_overflow, exit_status, sender_pid:
 *       members of "reason"
 *   pid, tid, threads
 *   stack ["inner", "outer", ...]   these functions, in this order; others may stand between
 *   local ["function", "variable", value]
 *   argument ["function", "variable", value]
 *   line ["function", line]
 *   place "text"                    the place has this in it
 *   mapping "text"                  so has the mapping
 *   thread [tid, "function"]        another thread is in this function
 *   register ["rbx", "0x..."]       of the thread that crashed */
#ifndef REEL_TESTS_CRASH_FACT_H
#define REEL_TESTS_CRASH_FACT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FACT(key, ...)                                                                                       \
    (flockfile(stdout), printf("fact %s ", key), printf(__VA_ARGS__), putchar('\n'), fflush(stdout),         \
     funlockfile(stdout))
#define FACT_TEXT(key, text)       FACT(key, "\"%s\"", text)
#define FACT_ADDRESS(key, address) FACT(key, "\"0x%llx\"", (unsigned long long)(address))

#ifdef __clang__
#define CALLED __attribute__((noinline))
#else
#define CALLED __attribute__((noipa))
#endif

#endif
