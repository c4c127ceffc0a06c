/* truncated: files that others truncate while reel has them mapped. */
#ifndef REEL_BASE_TRUNCATED_H
#define REEL_BASE_TRUNCATED_H

/* From now on what reel reads behind the end of a mapped file is zeros, instead of a SIGBUS that would take
 * the program along. Does nothing when SIGBUS is ignored. The handler does not outlive an execve, so that the
 * program that is launched gets the disposition that reel was started with. */
void truncated_tolerate(void);

#endif
