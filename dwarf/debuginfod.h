/* debuginfod: debug files from servers, through libdebuginfod of elfutils, which is loaded when it is there.
 */
#ifndef REEL_DWARF_DEBUGINFOD_H
#define REEL_DWARF_DEBUGINFOD_H

#include "dwarf/debug_file.h"

/* Fetch (or find in the cache) the debug file with this build-id. ERROR_NOT_FOUND when $DEBUGINFOD_URLS is
 * not set, ERROR_UNSUPPORTED when the library is missing, ERROR_SYSTEM when no server has the file. The
 * caller owns *ret_path (free). */
struct error *debuginfod_fetch(struct bytes build_id, char **ret_path);

#endif
