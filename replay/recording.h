/* recording: the directory NAME.reel/ and its recording.json.
 *
 *     recording.json        what, where, when, and how it ended; checksummed
 *     d1/1.snapshot 1.log   first segment of domain 1; 2.snapshot 2.log after its first exec, ...
 *     d2/ ...               the same of each further process
 *     d1/1.memory           all writable memory at the end of segment 1 (--check-memory)
 *     files/1 ...           mapped files (replay/store.h)
 *
 * recording.json is written when the recording begins (state "recording") and replaced by rename when it ends
 * (state "complete", with totals). One that still says "recording" belongs to a recorder that was killed, or
 * still runs. */
#ifndef REEL_REPLAY_RECORDING_H
#define REEL_REPLAY_RECORDING_H

#include "base/error.h"
#include "replay/chunk.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum recording_state { RECORDING_RUNNING, RECORDING_COMPLETE };

/* How the recorded program ended, as far as the recording goes. */
enum recording_end {
    END_UNKNOWN,  /* state is RECORDING_RUNNING */
    END_EXITED,   /* status holds the exit status */
    END_SIGNALED, /* status holds the signal */
    END_STOPPED,  /* the recorder stopped before the program ended; `why` says why */
};

/* recording.json is not larger than this. */
#define RECORDING_INFO_MAX (64u << 20)

/* How a process of the recording came to be. */
enum process_start {
    START_LAUNCH, /* the first one */
    START_FORK,   /* recorded from its first instruction on, a copy of its parent */
    START_EXEC, /* recorded from an exec on: it shared its parent's memory before (vfork), or was not recorded
                 */
};

/* A process of the recording: one domain, recorded in a folder of its own. Strings are owned. */
struct recording_process {
    uint32_t domain; /* its folder is dN */
    int32_t pid, ppid;
    enum process_start start;
    uint32_t origin_domain; /* whose event ... */
    uint64_t origin_event;  /* ... (the last before it) made it; 0: none */
    char *program;          /* of its last exec, as are the arguments, which may be cut */
    char **argv;
    struct timespec started, ended;
    enum recording_end end; /* of the process itself: END_UNKNOWN, END_EXITED, END_SIGNALED */
    int32_t status;
    bool core;
    char *stopped;   /* why its recording ended before it did, or NULL */
    uint32_t joined; /* the domain that it has joined, from its beginning (without a folder then) or later; 0:
                        none */
    uint32_t left;   /* the domain in which it is recorded since an exec; 0: it is here to its end */
    uint32_t segments; /* 0: nothing of it was recorded, or it has joined */
    uint64_t events;
};

struct recording_processes {
    struct recording_process *list; /* sorted by domain */
    size_t count;
};

void recording_process_deinit(struct recording_process *process);
void recording_processes_deinit(struct recording_processes *processes);
/* Append; the list owns the strings from then on, also when it fails. */
struct error *recording_processes_add(struct recording_processes *processes,
                                      struct recording_process *process);
/* A copy with strings of its own. */
struct error *recording_process_copy(const struct recording_process *process, struct recording_process *ret);

/* The contents of recording.json. Strings are owned. */
struct recording_info {
    enum recording_state state;
    uint32_t format_version;
    uint64_t features;
    char *reel_version;
    char *host, *kernel, *cpu; /* nodename, release and version, CPU brand string */
    char **cpu_features;       /* replay/cpu_features.h; NULL: a recording of before that was noted */
    char **argv, **env;        /* NULL-terminated */
    char *cwd;
    char *program; /* path of the executable */
    int32_t pid;
    int32_t uid;
    struct timespec started, ended; /* CLOCK_REALTIME */
    enum recording_end end;
    int32_t status;
    char *why;
    uint32_t segments; /* of domain 1 */
    uint64_t events;   /* in all segments */
    int32_t processor; /* that the first process began on */
    bool chaos;        /* the schedule was varied, from chaos_seed */
    uint64_t chaos_seed;
    bool check_memory;                    /* *.memory files exist */
    struct recording_processes processes; /* all of them, once the recording is complete */
};

void recording_info_deinit(struct recording_info *info);

/* Free a NULL-terminated array of strings, as argv and env are; NULL is fine. */
void recording_texts_free(char **texts);

/* Fill host, kernel, cpu, cwd, uid, reel_version, format version, features, started from this machine;
 * everything else is zeroed. Times are cut to microseconds, which is what recording.json holds. */
struct error *recording_info_from_host(struct recording_info *ret);

/* The text of recording.json, appended to ret; text that recording_info_parse() would refuse for its size is
 * ERROR_UNSUPPORTED. NULL strings are written as "", a NULL why as null. */
struct error *recording_info_format(const struct recording_info *info, struct buffer *ret);

/* Read the text of a recording.json; `what` names it in errors. Afterwards no string but why is NULL. */
struct error *recording_info_parse(const void *text, size_t size, const char *what,
                                   struct recording_info *ret);

/* An open recording directory. */
struct recording {
    char *path;
    int dirfd;    /* NAME.reel */
    int domainfd; /* NAME.reel/d1, or what recording_enter() has opened */
    int filesfd;  /* NAME.reel/files */
    struct size_budget budget;
};

/* Make the directory (0700; must not exist, or be an empty directory) with its folders. */
struct error *recording_create(const char *path, uint64_t max_size, struct recording *ret);

/* Open an existing recording read-only and read its info. ERROR_NOT_FOUND, ERROR_BAD_DATA (checksum, syntax,
 * missing keys), ERROR_UNSUPPORTED (a newer format version or unknown feature bits): one clear line each. */
struct error *recording_open(const char *path, struct recording *ret, struct recording_info *ret_info);

/* The same without reading its info, which the caller knows. */
struct error *recording_open_folders(const char *path, struct recording *ret);

/* Make domainfd that of domain `number`. ERROR_NOT_FOUND when the recording has no such folder. */
struct error *recording_enter(struct recording *recording, uint32_t number);
/* Make the folder of domain `number`; *ret is a descriptor of it. */
struct error *recording_make_domain(const struct recording *recording, uint32_t number, int *ret);

void recording_deinit(struct recording *recording);

/* Remove the files and folders of a recording: nothing of it is of use. Best effort; what is not reel's
 * stays. */
void recording_discard(struct recording *recording);

/* Write recording.json: to a temporary file, then rename. A 64 KiB file `reserve` is made the first time and
 * removed just before the last (state complete), so that a full disk cannot prevent a clean close. Not
 * counted in the budget. */
struct error *recording_write_info(struct recording *recording, const struct recording_info *info);

/* The newest recording (by mtime of its recording.json) in folder `directory`: a fresh string.
 * ERROR_NOT_FOUND with a hint. */
struct error *recording_find_newest(const char *directory, char **ret);

/* File names of segment n (from 1): "3.log". ret has 32 bytes. */
void recording_segment_name(uint32_t segment, const char *suffix, char ret[32]);
/* The same of what is kept of one of several processes: "3.17.memory" with the number of one that has joined;
 * 0: of the first one, "3.memory". */
void recording_member_name(uint32_t segment, uint32_t joined, const char *suffix, char ret[32]);

#endif
