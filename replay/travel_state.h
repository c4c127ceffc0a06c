/* travel_state: what the files of travel share. Private to replay/travel*.c. */
#ifndef REEL_REPLAY_TRAVEL_STATE_H
#define REEL_REPLAY_TRAVEL_STATE_H

#include "replay/image.h"
#include "replay/replayer_state.h"
#include "replay/travel.h"

/* Where in a stretch the replay stands. A stretch is what a thread executes between two events. */
struct stretch {
    uint64_t number; /* of the last event that has happened */
    bool moved;      /* something has been executed since */
    bool arrived;    /* the next event's place has been reached, it is about to happen */
    bool started;    /* the matches of the next event's point are being counted: */
    uint64_t skip;   /* so many more are to be passed by */
    bool counted;    /* the one that it stands at, if it is one, has been */
};

/* A state to go back to: a checkpoint with what the tape and travel itself know. */
struct mark {
    struct checkpoint checkpoint;
    bool has_twin; /* else it is the beginning of a segment */
    uint32_t segment;
    uint64_t before_segment; /* events in earlier segments */
    uint64_t entry;          /* of the puppet */
    struct stretch stretch;  /* never arrived */
    struct point *point;     /* of the state, when it has moved; owned */
    struct image *image;     /* of the memory, once it was asked for; owned */
    uint64_t time;           /* nanoseconds of replaying from the beginning to here, about */
    uint64_t serial;         /* tells it from all others, from 1 */
    uint64_t origin; /* the serial number of one of the list that is before this state, or this one's, */
    bool at_origin;  /* or there; */
    bool kept;       /* the user asked for it */
};

/* A position to come to again. */
struct spot {
    struct stretch stretch;
    struct mark *mark; /* in a moved stretch that has not arrived: a mark of that very state; owned */
    uint64_t origin;   /* serial number of a mark of the list, which is before the spot, */
    bool at_origin;    /* or there */
};

struct breakpoint {
    uint64_t address;
    uint8_t original;
    bool planted;
};

#define WATCHES_MOST 4
struct watch {
    enum travel_watch kind;     /* WATCH_NONE: unused */
    uint64_t address, size;     /* at most 8 bytes, aligned */
    uint64_t whole, whole_size; /* the watchpoint that it is a part of */
    uint64_t value;
};

#define CAUGHT_MOST   64
#define COUNTERS_MOST 6

struct travel {
    struct travel_options options;
    struct replayer_options replay;
    struct replayer *replayer;
    struct stretch stretch;
    bool end; /* nothing comes after this */

    struct event next;
    bool has_next, peeked;
    struct point *next_point; /* of next, if it has one; owned */
    bool next_has_point;

    struct mark **marks; /* by position, owned; the first one is the beginning */
    size_t mark_count, mark_room;
    uint64_t serial;
    uint64_t mark_after; /* the clock's time */
    uint64_t since_mark; /* the clock's time when the last mark was taken or returned to */
    struct mark *origin; /* of the list: the present position is behind it, */
    bool at_origin;      /* or is its */
    struct mark
        *anchor; /* owned; single steps were counted from there: the present position is so many later */
    uint64_t steps;
    bool anchored;

    struct breakpoint *breakpoints; /* sorted */
    size_t breakpoint_count, breakpoint_room;
    bool planted;
    struct watch watches[WATCHES_MOST];
    pid_t armed_tid; /* whose debug registers are set, 0: none is known to be */
    uint64_t armed;  /* to this */
    bool armed_ever;
    uint64_t latched; /* which of them the processor has seen being used */
    bool catching;
    uint64_t caught[CAUGHT_MOST];
    size_t caught_count;
    bool passed[NSIG];

    struct travel_stop watched; /* what travel_watch_hit() has seen */
    bool marking;               /* marks are taken along the way */
    bool interrupted;

    /* travel_near.c */
    struct matcher *counters[COUNTERS_MOST]; /* of which so many are in the puppet's code: */
    size_t counter_count;
    bool counter_reached; /* one has come to where it was to stop */
    struct {
        uint64_t passages, last;
    } counted[COUNTERS_MOST]; /* what the last ones have found */
    uint64_t passages;        /* of a spot's rip, on the way to it */

    uint8_t *kinds; /* enum event_kind of each event, by number */

    /* travel_whatif.c: while memory or registers are changed, the state as it was recorded */
    struct mark *truth;
    struct stretch truth_stretch;
    struct user_regs_struct truth_regs;
    bool truth_arrived;
    int32_t truth_tid;
};

/* Which stop is looked for. */
struct goal {
    bool reports; /* stop at what the user asked for */
    bool step;    /* stop after one instruction of step_tid (0: any) */
    int32_t step_tid;
    bool fresh;              /* a breakpoint where it stands has been reported already */
    const struct spot *spot; /* stop there: TRAVEL_REACHED */
    bool inclusive;          /* what the event right before the spot brings is reported, too */
    bool to_event;           /* stop when event `event` has happened: TRAVEL_REACHED */
    uint64_t event;
    bool crash;    /* stop where a fatal signal is about to come */
    bool counters; /* stop where a counter does: TRAVEL_REACHED */
    bool marks;    /* take marks along the way */
};

/* travel_run.c */
struct error *travel_forward(struct travel *travel, const struct goal *goal, struct travel_stop *ret);
/* What happens without anything being executed happens, and the next event's thread becomes the current one.
 */
struct error *travel_settle(struct travel *travel, struct travel_stop *ret_stop, bool *ret_stopped);
/* Is it something that a thread does? The others just happen. */
bool travel_is_step(enum event_kind kind);
/* The next event has to be read again. */
void travel_unpeek(struct travel *travel);

/* travel_mark.c */
/* The present state; it must not have arrived at the next event. Where memory is shared there can be no twin:
 * the mark can only be compared with then. Owned by the caller. */
struct error *mark_take(struct travel *travel, struct mark **ret);
void mark_free(struct mark *mark);
/* The state becomes that of a mark with a twin, or of the beginning of a segment. */
struct error *mark_return(struct travel *travel, struct mark *mark);
/* Take one for the list, if it is time to. */
struct error *travel_mark_now_and_then(struct travel *travel);
bool travel_mark_is_due(const struct travel *travel);
struct error *travel_add_mark(struct travel *travel, bool kept);
/* Of the list: the latest one that is certainly before the spot, or NULL. */
struct mark *travel_mark_before(struct travel *travel, const struct spot *spot);
struct mark *travel_mark_preceding(struct travel *travel, const struct mark *mark);
/* The present position, to be found again. */
struct error *spot_take(struct travel *travel, struct spot *ret);
void spot_free(struct spot *spot);
/* The registers are those of the spot, in the middle of this stretch: is everything else, too? */
struct error *spot_is_here(struct travel *travel, const struct spot *spot, bool *ret);

/* travel_break.c */
struct error *travel_plant(struct travel *travel);
struct error *travel_unplant(struct travel *travel);
struct breakpoint *travel_find_break(struct travel *travel, uint64_t address);
/* The puppet is another one: it has none. */
void travel_forget_planted(struct travel *travel);
struct error *travel_arm_watches(struct travel *travel, bool on);
struct error *travel_watch_latch(struct travel *travel);
/* Has the processor seen one? *ret is NULL if not. A write that changes nothing is none. */
struct error *travel_watch_hit(struct travel *travel, struct watch **ret);
/* Has any watched value changed (by an event)? */
struct watch *travel_watch_changed(struct travel *travel);
void travel_watch_note(struct travel *travel);

/* travel_back.c */
/* To one instruction, or event, before the present position. TRAVEL_BEGIN when there is none. */
struct error *travel_step_back(struct travel *travel, struct travel_stop *ret);
/* To the last stop before. */
struct error *travel_continue_back(struct travel *travel, struct travel_stop *ret);
/* Single steps are counted from this mark, where the replay stands; it is owned then. */
void travel_set_anchor(struct travel *travel, struct mark *mark);
/* To it, and so many steps on. */
struct error *travel_return_to_anchor(struct travel *travel, uint64_t steps);
/* travel_near.c: a stop that may be a counter's; its findings, and an end of it. */
struct error *travel_offer_counters(struct travel *travel, const struct stop *stop, bool *ret_taken);
struct error *travel_stop_counting(struct travel *travel);
/* From the anchor, where the replay stands, on to a state shortly before the spot, of the same
 * stretch. */
struct error *travel_come_near(struct travel *travel, const struct spot *spot);

/* travel_whatif.c */
/* Before the recording goes on: undo. *ret_free: registers were changed, and so it does not go on. */
struct error *whatif_leave(struct travel *travel);
bool whatif_is_free(struct travel *travel);
struct error *whatif_run(struct travel *travel, bool step, struct travel_stop *ret);

#endif
