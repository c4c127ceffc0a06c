/* thread: threads of reel's own, beside the one that deals with the traced program. */
#ifndef REEL_BASE_THREAD_H
#define REEL_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Start one that takes no signals: those are the main thread's. 0 or an errno. */
int thread_start(pthread_t *ret, void *(*run)(void *), void *context);

/* The calling thread, and no other (in Linux), lets the rest go first: the program that is traced, and who
 * waits for it. */
void thread_step_back(void);

/* The calling thread works for some microseconds at a time, and must not wait until others have used up what
 * they may: in Linux 6.12 and later who asks for a short slice (sched_attr.sched_runtime) comes on at once;
 * earlier ones see to it by themselves. Where it is refused nothing is changed. */
void thread_hurry(void);

#endif
