/* truncated: reel maps files that others may cut short meanwhile; reading behind the new end raises SIGBUS,
 * and the end of reel is the end of what it traces. */
#ifndef REEL_BASE_TRUNCATED_H
#define REEL_BASE_TRUNCATED_H

/* From here on such pages read as zeros, which parsers find to be damage. Once, at the start; does nothing
 * when reel was started with SIGBUS ignored. */
void survive_truncation(void);

#endif
