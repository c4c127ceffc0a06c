/* record_chaos: a schedule that is unkind on purpose (--chaos): all that it does a kernel may do, too.
 *
 * Bugs of order show when a thread loses its turn at the one wrong place, for long enough. So: turns of any
 * length, from some microseconds to many slices; a turn that is lost behind any event; a turn that is lost a
 * few instructions, or a few thousand, behind an event, where nothing but a random interrupt would come; the
 * next one chosen at random; and one thread that gets no turn for a while, as if its processor were busy.
 *
 * The ideas are those of the chaos mode of rr (R. O'Callahan, "Introducing rr chaos mode", 2016), and of
 * probabilistic concurrency testing (S. Burckhardt et al., ASPLOS 2010). */
#include "replay/recorder_state.h"

#include <time.h>

#define MILLISECOND 1000000ull
/* Stepping costs some 30 us an instruction. */
#define STEPS_MOST 4096
/* So many times it is done mostly. */
#define OFTEN 24

static bool is_on(const struct recorder *recorder) {
    return recorder->session->chaos.on;
}

/* Of any order of magnitude up to 2^bits. */
static uint64_t any_magnitude(struct chaos *chaos, unsigned bits) {
    return 1 + chaos_below(chaos, 1ull << chaos_below(chaos, bits + 1));
}

void record_chaos_init(struct session *session) {
    struct chaos *chaos = &session->chaos;
    if (chaos->on)
        session->chaos_odds = 1ull << (1 + chaos_below(chaos, 8));
}

uint64_t record_chaos_slice(struct recorder *recorder, uint64_t usual) {
    if (!is_on(recorder))
        return usual;
    /* 16 us to 33 ms */
    return any_magnitude(&recorder->session->chaos, 11) * MILLISECOND / 64;
}

bool record_chaos_switches(struct recorder *recorder) {
    return is_on(recorder) && chaos_once_in(&recorder->session->chaos, recorder->session->chaos_odds);
}

/* Often at first, and ever rarer: a long recording must not be stepped through. */
unsigned record_chaos_steps(struct recorder *recorder) {
    struct chaos *chaos = &recorder->session->chaos;
    uint64_t before = recorder->chaos_steppings;
    if (!is_on(recorder) || !(before < OFTEN ? chaos_below(chaos, 4) : chaos_once_in(chaos, before / 8)))
        return 0;
    recorder->chaos_steppings++;
    return (unsigned)(chaos_below(chaos, 3) ? any_magnitude(chaos, 9) : 1 + chaos_below(chaos, STEPS_MOST));
}

void record_chaos_stepped(struct recorder *recorder) {
    if (is_on(recorder) && chaos_below(&recorder->session->chaos, 4))
        recorder->starved = recorder->thread->tid;
}

static struct thread *nth_ready(struct recorder *recorder, uint64_t n) {
    struct thread *thread = recorder->ready;
    while (n--)
        thread = thread->next_ready;
    return thread;
}

/* Not who is to have none, if it can be; and rather not who had the last turn. */
static struct thread *pick(struct recorder *recorder) {
    struct chaos *chaos = &recorder->session->chaos;
    struct thread *picked = recorder->ready;
    uint64_t count = 0;
    for (const struct thread *thread = recorder->ready; thread; thread = thread->next_ready)
        count++;
    for (int tries = 0; tries < 12; tries++) {
        picked = nth_ready(recorder, chaos_below(chaos, count));
        if (picked->tid != recorder->starved && (picked->tid != recorder->latest || tries >= 6))
            break;
    }
    if (chaos_once_in(chaos, 16))
        recorder->starved = picked->tid;
    return picked;
}

struct thread *record_chaos_pick(struct recorder *recorder) {
    if (!is_on(recorder))
        return recorder->ready;
    struct thread *picked = pick(recorder);
    recorder->latest = picked->tid;
    return picked;
}

void record_chaos_delay(struct recorder *recorder) {
    struct chaos *chaos = &recorder->session->chaos;
    if (!is_on(recorder) || recorder->session->recorder_count < 2 || !chaos_once_in(chaos, 64))
        return;
    const struct timespec pause = {.tv_nsec = (long)(any_magnitude(chaos, 10) * MILLISECOND / 1024)};
    nanosleep(&pause, NULL);
}
