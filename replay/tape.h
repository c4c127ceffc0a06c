/* tape: a recording as a sequence of events, read from its beginning to its end across segments.
 *
 * Opening reads all of it once, so that damage is found before anything runs, and so that it is known how
 * many events there are, where the recording ends, and what each mapped file contained in the end. Event
 * numbers count from 1 through all segments. */
#ifndef REEL_REPLAY_TAPE_H
#define REEL_REPLAY_TAPE_H

#include "replay/event.h"
#include "replay/recording.h"

#include <stdbool.h>
#include <stdint.h>

/* A stored file as the end of the recording knows it. */
struct tape_file {
    uint32_t id;
    uint64_t size, hash;
    char *path;   /* as the program knew it; owned */
    bool changes; /* events write to it: see puppet_add_file() */
};

struct tape {
    uint32_t domain;
    struct recording recording;
    struct recording_info info;
    bool info_borrowed;
    struct recording_process process;   /* whose it is: a recording is a tape for each process */
    uint64_t events;                    /* in all segments */
    uint64_t points;                    /* of them, signals and switches at arbitrary points */
    uint32_t segments;                  /* that have a snapshot */
    struct recording_processes members; /* that have joined from their beginning */
    bool cut;                           /* the recorder was killed: the end is the last whole chunk */
    struct tape_file *files;
    size_t file_count;
    /* the reading position */
    uint32_t segment;
    uint64_t number;        /* of the event returned last */
    uint64_t number_before; /* of the last event of the segment before */
    struct chunk_reader *reader;
    struct effect *effects;
    size_t effects_room;
};

/* Open and verify the recording at path, of one of its processes (domain, from 1). The tape then stands
 * before the first event of segment 1. info: what recording.json says, if that has been read already (it is
 * then not owned and outlives the tape), or NULL. */
struct error *tape_open(const char *path, const struct recording_info *info, uint32_t domain,
                        struct tape *ret);
void tape_close(struct tape *tape);

/* What the tape tells of its process, and of those that belong to it from their beginning: for recordings
 * whose recorder was killed. */
struct error *tape_survey(const char *path, const struct recording_info *info, uint32_t domain,
                          struct recording_processes *ret);

/* The next event of the current segment; *ret_more is false at its end. What ret points to is valid until the
 * next call. */
struct error *tape_next(struct tape *tape, struct event *ret, bool *ret_more);

/* Go to the beginning of the next segment; *ret_more is false when there is none. */
struct error *tape_next_segment(struct tape *tape, bool *ret_more);

/* Back to where the event returned last was `number`, in the current segment. */
struct error *tape_seek(struct tape *tape, uint64_t number);

/* Back to the first event of segment 1. */
struct error *tape_rewind(struct tape *tape);

#endif
