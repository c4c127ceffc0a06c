/* tls: where a thread-local variable of a thread is.
 *
 * The executable's own are at a fixed distance from the thread pointer (ELF Handling For Thread-Local
 * Storage, variant II). Those of libraries are found by glibc's tables, as its own libthread_db does it: a
 * library has a module id, and each thread a vector of the blocks that it has, by id. A block comes into
 * being when a thread first uses it, so that there may be none yet. */
#ifndef REEL_TRACER_TLS_H
#define REEL_TRACER_TLS_H

#include "base/error.h"
#include "base/memory.h"
#include "tracer/modules.h"

struct tls_request {
    struct process_modules *modules; /* what is found is remembered in it */
    const struct module *module;     /* whose variable it is */
    uint64_t bias;                   /* of that module */
    uint64_t program_entry;          /* process address of the executable's first instruction */
    uint64_t thread_pointer;         /* fs_base */
    const struct memory_reader *memory;
};

/* The process address of what has this offset in the module's block. *ret_unallocated: the thread has no such
 * block yet; the address is that of the initial value, which all blocks are copied from, or ERROR_NOT_FOUND
 * when that is zeros. ERROR_NOT_FOUND without it: the tables cannot be read. ERROR_UNSUPPORTED: the C library
 * is not glibc. */
struct error *tls_address(const struct tls_request *request, uint64_t offset, uint64_t *ret,
                          bool *ret_unallocated);

#endif
