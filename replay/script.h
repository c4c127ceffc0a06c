/* script: a recording as a program: a shell script that replays it where nothing is installed.
 *
 * First the script, which says what it is and what it can do; behind it an archive (tar, gzip) with reel, the
 * libraries that this reel has loaded, their loader, and the recording (pack.h). It needs sh, tail, tar,
 * gzip, mktemp and cksum, as busybox has them. */
#ifndef REEL_REPLAY_SCRIPT_H
#define REEL_REPLAY_SCRIPT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Write the recording in folder `path` to the file `to`, which must not exist: it is there when it is whole.
 * *ret_size: its bytes. */
struct error *script_write(const char *path, const char *to, uint64_t *ret_size);

/* The checksum and size of what cksum(1) reads, as POSIX.1-2017 has it. */
struct script_sum {
    uint32_t crc;
    uint64_t size;
};
void script_sum_add(struct script_sum *sum, const void *bytes, size_t size);
uint32_t script_sum_end(const struct script_sum *sum);

#endif
