/* pack: a recording as one file, to be sent to others: a tar archive (POSIX pax), compressed with zstd.
 *
 *     recording.json, dN/..., files/N   as in the folder (recording.h)
 *     debug/.build-id/XX/YYYY.debug     separate debug information of the programs and libraries in it,
 *     debug/.dwz/...                    and what dwz has moved out of that
 *
 * `tar xf` makes the folder of it, too. What reel unpacks it trusts no more than any recording: there are
 * regular files under such names and nothing else, or it is refused. */
#ifndef REEL_REPLAY_PACK_H
#define REEL_REPLAY_PACK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pack_totals {
    uint64_t files, bytes;        /* of the recording */
    uint64_t debug_files, packed; /* with debug information; bytes of the pack */
};

/* Write the recording in folder `path` to the file `to`, which must not exist: it is there when it is whole.
 * The recording is checked first. */
struct error *pack_write(const char *path, const char *to, struct pack_totals *ret);

/* Is it a file, and so, perhaps, a pack? */
bool pack_is_file(const char *path);
/* Does it look like one? */
bool pack_has_magic(const char *path);

/* Unpack it into the folder `to`, which is there and empty. ERROR_BAD_DATA when it is no pack, or is damaged;
 * what has been unpacked by then is left. */
struct error *pack_read(const char *path, const char *to);

/* The folder of debug information in a recording that was a pack; fresh. NULL: there is none (or no memory).
 */
char *pack_debug_folder(const char *path);

#endif
