/* matcher: lets a puppet run at full speed up to a recorded point (point.h).
 *
 * A conditional probe is planted at the point's rip: a jump (tracer/window.h) to code, on pages of its own in
 * the puppet, that compares the registers, and goes on in the program unless all of them are those of the
 * point; a few nanoseconds a passage. Then it stops, and everything else is compared from outside. When
 * something differs, that word joins the comparison, and on it goes. The code uses mov, lea and jrcxz only,
 * so that flags survive, and no stack or memory of the program.
 *
 * Where no window fits, an int3 stops the puppet at each passage instead.
 *
 * The pages lie where the puppet has nothing mapped, and are taken away before its mappings change:
 * matcher_leave(). */
#ifndef REEL_REPLAY_MATCHER_H
#define REEL_REPLAY_MATCHER_H

#include "replay/point.h"
#include "replay/puppet.h"
#include "tracer/stop.h"

struct matcher;

/* The replayer's part. Others may probe the puppet at the same time (`reel trace`). */
struct matcher_host {
    struct puppet *puppet;
    /* Let the puppet go on (RESUME_SYSEMU, RESUME_SYSEMU_STEP), and wait for its next stop. */
    struct error *(*run)(void *context, enum resume how, struct stop *ret);
    /* A stop that the matcher does not want: *ret_taken says that it was somebody else's; go on. */
    struct error *(*offer)(void *context, struct stop *stop, bool *ret_taken);
    /* Has somebody else put a breakpoint into [address, address + size)? */
    bool (*is_probed)(void *context, uint64_t address, size_t size);
    void *context;
};

struct error *matcher_create(struct matcher **ret);
/* Touches no process; NULL is fine. */
void matcher_destroy(struct matcher *matcher);

/* What a search has cost, for those who want to know. */
struct matcher_counts {
    uint64_t points;     /* looked for */
    uint64_t trapped;    /* of them, by int3 */
    uint64_t candidates; /* stops that may be the point */
    uint64_t inside;     /* jumps into the middle of a window */
};
struct matcher_counts matcher_counts(const struct matcher *matcher);

/* Run to the match number `skip` (0: the first, which may be where the puppet stands) of the point.
 * *ret_found is false when the puppet came to another stop before, which is then in *ret_stop; in either case
 * the code is as it was and rip is an address of the program's. */
struct error *matcher_find(struct matcher *matcher, const struct matcher_host *host,
                           const struct point *point, uint64_t skip, bool *ret_found, struct stop *ret_stop);

/* After a search that came to another stop: so many matches of `skip` were not passed by. And was that stop
 * in the midst of the comparison, so that what was read may have been the matcher's doing? */
uint64_t matcher_left(const struct matcher *matcher);
bool matcher_was_comparing(const struct matcher *matcher);

/* Counting how often the puppet comes by a place, at nearly full speed, while it is run by somebody else (or
 * searched by another matcher), who shows stops to matcher_count_offer() first.
 *
 * It stops at passage number stop_at (0: never). With `sequence`, passages of several places are put in
 * order: the first of them is given itself. ERROR_UNSUPPORTED, ERROR_BAD_DATA: no jump can be put there. */
struct error *matcher_count(struct matcher *matcher, const struct matcher_host *host, uint64_t address,
                            uint64_t stop_at, const struct matcher *sequence);
/* *ret_taken: the puppet can go on. *ret_reached: it stands at the passage where it was to stop. */
struct error *matcher_count_offer(struct matcher *matcher, const struct stop *stop, bool *ret_taken,
                                  bool *ret_reached);
/* How often it came by, and when last (in the common order). */
struct error *matcher_count_read(struct matcher *matcher, uint64_t *ret_passages, uint64_t *ret_last);
/* Put the code back. */
struct error *matcher_count_end(struct matcher *matcher);
bool matcher_covers(const struct matcher *matcher, uint64_t address, size_t size);

/* Passages of the point's rip in a search that has found it, the last included; counted when told to before.
 */
void matcher_count_passages(struct matcher *matcher, bool on);
struct error *matcher_passages(struct matcher *matcher, uint64_t *ret);

/* Take the pages away. Nothing happens when there are none; `puppet` is the one that was searched last. */
struct error *matcher_leave(struct matcher *matcher, struct puppet *puppet);
/* The puppet is gone, and the pages with it. */
void matcher_forget(struct matcher *matcher);

#endif
