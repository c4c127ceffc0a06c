/* processes: whose recording it is: the processes of a recording, as recording.json lists them, or, when the
 * recorder was killed, as their folders tell. */
#ifndef REEL_REPLAY_PROCESSES_H
#define REEL_REPLAY_PROCESSES_H

#include "replay/recording.h"

/* All processes of the recording at path, by domain; *ret_complete says whether its recorder has closed it.
 */
struct error *processes_read(const char *path, struct recording_processes *ret, bool *ret_complete);
/* The same, with all that recording.json says in *ret: its `processes` are filled in. */
struct error *processes_read_info(const char *path, struct recording_info *ret);

/* Where a process is recorded. */
struct process_place {
    uint32_t domain; /* in whose log it begins */
    int32_t pid;     /* which of the processes of that it is; 0: the first */
};

/* The process that `who` names: a process ID ("4711"; the last process that had it), or a domain ("d3"). NULL
 * is the first process. ERROR_NOT_FOUND when there is none, or nothing of it was recorded. */
struct error *processes_find(const char *path, const char *who, struct process_place *ret);

#endif
