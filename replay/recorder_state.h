/* recorder_state: what the files of the recorder share. Private to replay/record*.c. */
#ifndef REEL_REPLAY_RECORDER_STATE_H
#define REEL_REPLAY_RECORDER_STATE_H

#include "base/clock.h"
#include "base/registers.h"
#include "base/table.h"
#include "replay/chaos.h"
#include "replay/effects.h"
#include "replay/image.h"
#include "replay/point.h"
#include "replay/recorder.h"
#include "replay/recording.h"
#include "replay/store.h"
#include "tracer/engine.h"
#include "tracer/insn.h"
#include "tracer/maps.h"
#include "tracer/syscall.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

struct code_cache;
struct places;
struct process_sysbuf;

enum recorder_mode {
    RECORDER_RECORDING, /* every stop of the task becomes events */
    RECORDER_STARTING,  /* the stop at which its first segment begins is due: see record_tree.c */
    RECORDER_PASSING,   /* the recording is over, the program is not: stops are let through */
    RECORDER_OVER,      /* the task has ended */
};

/* What the next stop of the task is expected to answer. */
enum recorder_phase {
    PHASE_RUNNING,    /* in user code, or in a call that was noted at its entry */
    PHASE_INJECTING,  /* a call was cancelled to get at a place where the deferred signal can be delivered */
    PHASE_DELIVERING, /* a signal was let through and a stop at its handler's first instruction is due */
    PHASE_EXEC,       /* a new program has been loaded, the exit stop of execve is due */
};

/* A file that the program has mapped in this segment, by identity. Inode numbers are used again, but not
 * while a mapping lives. */
struct mapped_file {
    dev_t device;
    ino_t inode;
    struct timespec changed; /* its ctime and size when it was mapped first */
    uint64_t size;
    uint32_t file; /* id in the store */
    bool changing; /* the program writes to it: what is stored is how it was at first, changes are in the log
                    */
};

/* A signal that waits for a place where replay can find it again. */
struct deferred_signal {
    int signo;
    siginfo_t info;
};
#define DEFERRED_MAX 64

/* An unrecorded task (a child; the program itself once the recording has stopped) that runs patched code:
 * what was patched when it parted from the program, whatever the program does since. */
struct sharer {
    pid_t tid;
    struct insn_sites sites;
    pid_t parent;
    uint32_t origin_domain; /* whose event made it, 0: not known */
    uint64_t origin_event;
};

/* A task that stands at its first stop, which came before its parent's stop that tells of it. */
struct newborn {
    struct task *task;
    pid_t parent;
    unsigned ticks; /* how long it has waited */
};

/* A call of the fork family that was made without CLONE_UNTRACED, see record_untraced.c. */
struct untraced {
    pid_t tid;        /* the caller */
    uint64_t address; /* of the flags in memory (clone3); 0: they are in rdi */
    uint64_t flags;   /* as the program gave them */
};
enum untraced_outcome {
    UNTRACED_NOT,        /* the flag is not there */
    UNTRACED_CLEARED,    /* its exit stop is wanted */
    UNTRACED_UNWRITABLE, /* the call must not be made */
};

/* A task that another lane has given away. */
struct arrival;

/* A thread of reel, with the tracees that it alone may talk to: see record_lane.c. */
struct lane {
    struct session *session;
    struct engine engine;
    pthread_t thread;
    pid_t tid;                /* the thread's; 0: not known yet */
    bool ended;               /* the thread is about to return: join it */
    struct lane *next;        /* all but the first, which is the thread that reel began with */
    struct arrival *arrivals; /* the oldest first; owned */
    struct table threads;     /* recorded tasks, by tid */
    bool hurried;             /* ticks come faster: a signal waits */
    bool short_ticks;         /* a domain has several threads: see record_turn.c */
    unsigned early_ticks;     /* so many were short because it was new */
    uint64_t long_tick;       /* clock_now() at the last one that was not too short */
    struct sharer *sharing;   /* unrecorded tasks, and what of the code that they run is patched */
    size_t sharing_count;
    struct newborn *newborns;
    size_t newborn_count;
    struct untraced *untraced; /* calls that are being made; owned */
    size_t untraced_count;
};

/* One `reel record`: what all its domains share. */
struct session {
    const struct recorder_options *options;
    pthread_mutex_t lock;  /* who deals with a stop has it: all of the recorder's state is behind it */
    struct lane *lane;     /* who that is */
    struct lane first;     /* of the thread that reel began with, */
    struct lane *lanes;    /* and the others; owned */
    size_t lane_count;     /* of them */
    bool may_part;         /* there can be others */
    struct will *will;     /* who is on the way between two; owned */
    bool failed;           /* one has failed: all give up */
    struct error *failure; /* how; owned */
    struct recording recording;
    struct chunk_queue *log_queue; /* writes the logs of all domains */
    struct recording_info info;
    struct file_store store;
    struct chaos chaos;
    uint64_t chaos_odds;         /* a turn ends behind one event in so many */
    int exit_status;             /* what reel exits with, once the first process has ended */
    bool over;                   /* it has */
    struct recorder **recorders; /* of all domains; owned */
    size_t recorder_count;
    uint32_t domain_count;   /* numbers given to domains so far */
    bool filtered;           /* a filter of some program judges its calls: see record_sysbuf.c */
    uint64_t shown;          /* outputs of all processes so far, see EFFECT_ORDER */
    bool full;               /* nothing more can be written: no further process is recorded */
    struct places *places;   /* record_place.c */
    struct code_cache *code; /* record_code.c: what was found in mapped files */

    struct stat own_output[2]; /* of reel's fd 1 and 2 */
    bool has_output[2];
};

/* A word of memory that processes share, wherever each of them has it mapped. */
struct shared_word {
    dev_t device;
    ino_t inode;
    uint64_t offset; /* into the file, or the nameless one of the kernel's */
};

/* A recorded process: one address space. Several of them are in one domain when they share writable memory:
 * record_joined.c. */
struct process {
    pid_t pid;
    struct process *next; /* all processes of the domain */
    struct recording_process
        *info; /* what is said of it: that of its domain, or, of one that has joined, own */
    struct recording_process own;
    struct thread *leader;       /* there until the process ends */
    size_t thread_count;         /* of its threads that have not ended */
    struct shared_word *at_exit; /* words that the kernel changes for others when it ends, see
                                    record_joined.c */
    size_t at_exit_count;
    bool noted;                /* they are known */
    bool dying;                /* the last event was a fatal signal, */
    bool exiting;              /* or its exit */
    bool lost;                 /* it was killed while it was running, nobody knows where */
    uint8_t sigill_action[32]; /* its struct kernel_sigaction for SIGILL */

    struct insn_sites sites;
    uint64_t brk_end;      /* where the heap ends, 0: it has not been asked for */
    uint64_t vdso_syscall; /* address of a syscall instruction in the program, for injected calls */
    uint64_t loop;         /* of the loop of tracer/handover.h, 0: there is none */
#define KNOWN_CALLS 64
    uint64_t
        known_calls[KNOWN_CALLS];  /* rip behind syscall instructions that were seen to be such, by hash */
    uint64_t check_cursor;         /* where the next memory check continues */
    uint64_t point_cursor;         /* where the hash of the next point continues */
    struct process_sysbuf *sysbuf; /* record_sysbuf.c: calls that do not stop; owned, NULL */
};

/* A recorded task, and the call that it entered last. */
struct thread {
    struct recorder *recorder;
    struct process *process;
    struct task *task; /* NULL: gone */
    pid_t tid;         /* as in the log */
    enum recorder_phase phase;
    struct thread *next, *previous; /* all threads of the domain */

    /* waiting for its turn, see record_turn.c */
    struct thread *next_ready;
    bool is_ready;
    bool enters;         /* it joins the domain with its first turn */
    bool has_waiting;    /* it stands at this stop, which is still to be dealt with; */
    struct stop waiting; /* else it is only to be resumed */
    bool blocked;        /* the entry of its call has been logged */

    /* its beginning and end, see record_thread.c */
    uint64_t clone_flags;         /* of the call that it has entered */
    bool joins;                   /* the process that this call makes belongs to the domain */
    struct thread *child;         /* that this call has made; its event is still to be logged */
    uint64_t clear_tid;           /* the kernel clears this word when it ends */
    struct memory_ranges at_exit; /* words of robust mutexes that it holds, once it has called exit */
    bool ending;                  /* it has called exit, and others live on */
    bool ended;                   /* a leader that is a zombie until the last thread has ended */

    struct syscall_call call;
    const struct syscall_row *row;
    struct user_regs_struct entry; /* registers at its entry, as the program made it */
    struct memory_ranges vectors;  /* its iovecs and msghdrs, */
    struct buffer vector_bytes;    /* and what was there at the entry, one after the other */
    bool in_call;                  /* its exit stop is due */
    bool refused;                  /* it is answered ENOSYS */
    bool granted;                  /* refused, but answered 0: reel does what was asked for itself */
    bool judging;                  /* it was entered, and a filter of the program's own may answer it */
    bool trapped;                  /* the filter did, and SIGSYS is due: see record_filter.c */
    uint64_t robust_list;          /* while judging: its list of robust mutexes, 0: not asked for */
    struct syscall_call restarted; /* the interrupted call that restart_syscall goes on with */
    uint64_t offset_before;        /* file offset before a transfer */
    struct image *before;          /* memory before a vfork child shares it; owned */
    struct maps maps_before;       /* its mappings then */

    cpu_set_t *affinity;    /* what it has asked for, NULL: nothing; owned. See record_affinity.c */
    cpu_set_t place_before; /* where a task was bound before a call of sched_setaffinity */
    bool bound_before;      /* place_before is known */

    struct user_regs_struct last; /* registers after its last event */
    bool last_is_call;  /* that was a system call: with equal registers no instruction ran since. Anywhere
                           else the program may have come by once more */
    uint64_t last_time; /* nanoseconds, CLOCK_MONOTONIC: of its last event */
    uint64_t call_time; /* and of its last system call, but for rt_sigreturn */

    struct deferred_signal deferred[DEFERRED_MAX];
    size_t deferred_count;
    uint64_t deferred_since; /* as last_time: when the first began to wait */
    bool interrupted;        /* it was asked to stop, so that the first can be delivered where it is */
    siginfo_t delivering;    /* in PHASE_DELIVERING and PHASE_INJECTING */
    enum signal_place delivering_place;
    struct user_regs_struct delivering_at;
    struct buffer point; /* SIGNAL_AT_POINT: what point_encode() made of the place */
    bool frame_failed;   /* the signal delivered last found no room for its frame */
    uint64_t sigmask;    /* as far as known: see record_signal.c */
};

/* The recorder of one domain, with its log. */
struct recorder {
    struct session *session;
    enum recorder_mode mode;
    struct recording_process info; /* whose recording it is; info.domain is its number */
    int domainfd;                  /* its folder */
    size_t place;                  /* record_place.c: which processor it is bound to, */
    bool loose;                    /* or to none, as it hardly stops; */
    uint64_t judged;               /* as last_time: when that was decided last, */
    unsigned stops;                /* and its stops since */
    struct lane *lane;             /* who may talk to its tasks */
    bool moving;                   /* it is on its way to that one */
    bool forked;                   /* its first segment begins in the middle of a program */
    struct mapped_file *mapped;    /* of all its processes: a replay keeps one copy of a file that changes */
    size_t mapped_count;
    uint32_t *told; /* by id of a stored file, from 1: its generation as this log knows it; 0: it does not */
    size_t told_count;
    struct chunk_writer *log;
    uint32_t segment;
    uint64_t events;        /* appended so far, in all segments */
    uint64_t events_before; /* of them, in earlier segments */
    struct effects effects;
    struct buffer encoded;
    unsigned calls_since_check;
    uint64_t flushed;    /* as last_time: when the log was, by a tick */
    struct point *point; /* NULL as long as none was needed; owned */

    struct thread *thread;             /* whose stop is being dealt with */
    struct process *processes;         /* that live, and the last one even then; owned */
    size_t process_count;              /* of them */
    struct thread *threads;            /* all of them, of all processes, owned */
    size_t thread_count;               /* that have not ended */
    struct thread *turn;               /* the one thread that may run the program's code, or NULL */
    uint64_t slice;                    /* nanoseconds: how long it may run while others wait */
    pid_t starved, latest;             /* --chaos: the thread that gets no turn, the one that had the last, */
    uint64_t chaos_steppings;          /* and how often a turn was ended after some instructions */
    uint64_t turn_since;               /* nanoseconds, CLOCK_MONOTONIC; */
    uint64_t call_since;               /* since when it is in its call */
    struct thread *ready, *last_ready; /* those that wait for their turn, the first comes next */
    struct process *ending; /* exit_group, the last exit, or a fatal signal has been logged: nobody gets a
                               turn until it is gone */
    struct recorder *join;  /* the process of the call under way joins this domain when it is logged */
    bool absorbed;          /* it has */
    bool released;          /* after the recording has stopped: nobody waits for a turn any more */
};

/* A tid through which /proc shows the process: that of its leader is empty when the leader has ended. */
static inline pid_t record_tid(const struct recorder *recorder) {
    return recorder->thread->task->tid;
}
/* The same of a process whose stop is not dealt with now; its pid when all is over. record_thread.c */
pid_t record_living_tid(const struct process *process);
/* One of its threads whose memory is still there, but for this one; or NULL. */
struct thread *record_living_thread(const struct process *process, const struct thread *but);
/* The only process, or the first one. */
static inline const struct process *record_first(const struct recorder *recorder) {
    return recorder->processes;
}

/* record_domain.c: a new domain with this one task, owned by the session; nothing is recorded yet. It gets
 * the next number. */
struct error *record_domain_new(struct session *session, struct task *task, struct recorder **ret);
void record_domain_free(struct recorder *recorder);
/* A stop of recorder->thread while the domain is recorded. Resumes the task, or makes it wait for its turn.
 */
struct error *record_domain_stop(struct recorder *recorder, const struct stop *stop);
/* recorder->thread has ended. */
struct error *record_domain_gone(struct recorder *recorder, const struct stop *stop);
struct error *record_domain_tick(struct recorder *recorder);
/* Close the log: all is in it. */
void record_close(struct recorder *recorder);
/* Append EVENT_EXIT of the process of recorder->thread, and note how it has ended. */
struct error *record_end(struct recorder *recorder, const struct stop *stop);
/* Deal with a stop whose turn it is; failures end the recording. record_turn.c calls it. */
struct error *record_domain_deal(struct recorder *recorder, const struct stop *stop);

/* record_turn.c: one thread of a domain at a time runs. */
/* A stop of recorder->thread has come: is it to be dealt with now? Else it is kept until its turn. */
bool record_turn_arrived(struct recorder *recorder, const struct stop *stop);
/* After each stop and tick: when nobody runs, or the one whose turn it is waits for something, the next one
 * goes on. */
struct error *record_turn_next(struct recorder *recorder);
/* recorder->thread has entered a call. */
void record_turn_entered(struct recorder *recorder);
/* Log that recorder->thread has entered its call, with the gathered effects: its exit is logged by itself. */
struct error *record_turn_blocked(struct recorder *recorder);
/* Let recorder->thread go on after an event, or others first when its time is over. */
struct error *record_turn_resume(struct recorder *recorder);
/* thread stands still after its last event and waits for its turn. */
void record_turn_wait(struct thread *thread);
/* It does not wait any more. */
void record_turn_forget(struct thread *thread);
/* A tick: is time over for who runs? */
struct error *record_turn_tick(struct recorder *recorder);
/* recorder->thread stands somewhere in its computation because of that: another one goes on. */
struct error *record_turn_preempt(struct recorder *recorder);
/* The recording has stopped: all that stand still go on by themselves. */
struct error *record_turn_release(struct recorder *recorder);
/* Add what the kernel may have written for calls of other threads whose exits are not in the log yet. */
struct error *record_turn_add_outputs(struct recorder *recorder);
/* Take the pages of that out of the mappings: a replay has other contents there. */
struct error *record_turn_leave_out(struct recorder *recorder, struct maps *maps);
/* Is another thread in a call that writes memory? */
bool record_turn_writes(struct recorder *recorder);

/* record_joined.c: several processes in one domain. */
/* PTRACE_EVENT_FORK of a process that joins the domain: its first stop is waited for. */
struct error *record_joined_made(struct recorder *recorder, pid_t tid);
/* The fork has been logged: EVENT_PROCESS follows. Adds its effects to those of that event. */
struct error *record_joined_begin(struct recorder *recorder, struct thread *child, struct event *event);
/* The process of recorder->thread is about to end: what the kernel will change in shared memory then. */
struct error *record_joined_note_end(struct recorder *recorder, struct process *process);
/* recorder->thread is the leader of a process that has ended, and others of the domain live on. */
struct error *record_joined_gone(struct recorder *recorder, const struct stop *stop);
/* It stands at the exit of an exec, and others live on: it leaves. Resumes it. */
struct error *record_joined_leave(struct recorder *recorder);
/* Take the process, with its threads, out of the domain and free it. */
void record_joined_remove(struct recorder *recorder, struct process *process);
/* It has ended: what is known of it is for recording.json, if that is not what is said of the domain. */
struct error *record_joined_over(struct recorder *recorder, struct process *process);
/* It goes its own way: the domain is over when it was the only one. */
struct error *record_joined_part(struct recorder *recorder, struct process *process);

/* record_late.c: a process joins another domain. */
/* Can the only thread of `recorder` join the other domain? */
bool record_late_can(const struct recorder *recorder, const struct recorder *domain);
/* recorder->thread, behind its last event, joins the domain; recorder has nobody then. */
struct error *record_late_join(struct recorder *recorder, struct recorder *domain);
/* At the entry of a call that writes to a file: if another domain has mapped it, the call is put off until
 * the process has joined that one: *ret_joins. */
struct error *record_late_entry_write(struct recorder *recorder, bool *ret_joins);
/* It has a turn there for the first time: EVENT_JOIN. */
struct error *record_late_enter(struct recorder *recorder);

/* record_kill.c */
/* At the entry of a call that may kill others of the domain, and when that has been logged. */
struct error *record_kill_entry(struct recorder *recorder);
struct error *record_kill_await(struct recorder *recorder);

/* record_domain.c: a process of the domain, with no thread yet. */
struct error *record_process_new(struct recorder *recorder, pid_t pid, struct process **ret);
void record_process_free(struct process *process);

/* record_thread.c: threads begin and end. */
struct error *record_thread_new(struct recorder *recorder, struct process *process, struct task *task,
                                struct thread **ret);
void record_thread_free(struct thread *thread);
/* The word that the kernel clears when the child of the current call ends, 0: none. */
uint64_t record_clear_tid(struct recorder *recorder);
/* PTRACE_EVENT_CLONE of a thread: its first stop is waited for. */
struct error *record_thread_made(struct recorder *recorder, pid_t tid);
/* The new task's first stop, which may have been seen already; it may have been killed instead. */
struct error *record_thread_await(struct session *session, struct task *task, bool *ret_alive);
/* It stands there: what is known of it then. It is the child of recorder->thread's call. */
struct error *record_thread_born(struct recorder *recorder, struct thread *thread);
/* Add the words that exit_robust_list() of the kernel may change (kernel/futex/core.c) to thread->at_exit. */
struct error *record_thread_note_robust(struct thread *thread);
/* The clone call has been logged: EVENT_THREAD follows. */
struct error *record_thread_begin(struct recorder *recorder);
/* At the entry of exit, while others live on. */
struct error *record_thread_note_end(struct recorder *recorder);
/* The kernel has ended it in the middle of a call. */
struct error *record_thread_note_killed(struct recorder *recorder);
/* recorder->thread has called exit: wait until it has gone. */
struct error *record_thread_await_end(struct recorder *recorder);
/* recorder->thread is gone, and is not the leader. */
struct error *record_thread_gone(struct recorder *recorder, const struct stop *stop);
/* PTRACE_EVENT_EXEC of task: the thread `former` has become the only one, under the leader's tid. */
struct error *record_thread_exec(struct session *session, struct task *task, pid_t former);

/* recorder.c: a task has ended; if it is the first process, its status is what reel exits with. */
void record_note_end(struct session *session, const struct stop *stop);
/* Let ticks come every few milliseconds until no signal waits any more. */
struct error *record_hurry(struct session *session);
/* There are threads: ticks are short from now on. */
struct error *record_short_ticks(struct session *session);
/* record_lane.c: threads of the recorder. */
struct error *record_lane_init(struct session *session);
void record_lane_deinit(struct session *session);
/* Let all lanes deal with stops until there are no tracees. The lock is the caller's before and after. */
struct error *record_lane_run(struct session *session);
/* The domain, whose only task stands behind its last event (at its first stop, or at the exit of a call), is
 * to be dealt with by a thread of its own, which resumes it: *ret_moved; it is out of reach until then. Else
 * nothing has happened. */
struct error *record_lane_part(struct recorder *recorder, bool *ret_moved);
/* The same, to the lane of `domain`, where the process joins that. */
struct error *record_lane_move(struct recorder *recorder, struct recorder *domain, bool *ret_moved);
/* The recorded task with this tid, whoever traces it; thread->task is NULL while it is on its way. */
struct thread *record_lane_find(const struct session *session, pid_t tid);
/* Does any lane trace it? */
bool record_lane_traces(const struct session *session, pid_t tid);
/* Take the tasks that others have given to the lane that has the lock. */
struct error *record_lane_arrivals(struct session *session);
/* recorder.c: deal with a stop of the lane that has the lock: a consumer of its engine. */
bool record_handle(void *context, const struct stop *stop, struct error **ret_error);

/* record_place.c: spread processes over processors. Failure is no harm and is ignored. */
void record_place_init(struct session *session);
void record_place_deinit(struct session *session);
/* A process begins to be recorded. */
void record_place_new(struct recorder *recorder);
/* May processes run on several processors? */
bool record_place_spreads(const struct session *session);
/* The calling thread is one of a lane: it goes where its domains are. */
void record_place_lane(const struct lane *lane);
/* One has ended, or time has passed. */
void record_place_balance(struct session *session);
/* A tick: does it stop so seldom that the kernel may place it? */
void record_place_judge(struct recorder *recorder);

/* record_chaos.c: what --chaos changes; without it each says what is usual. */
void record_chaos_init(struct session *session);
/* How long the turn that begins is, in nanoseconds. */
uint64_t record_chaos_slice(struct recorder *recorder, uint64_t usual);
/* The turn ends behind this event, whatever time is left. */
bool record_chaos_switches(struct recorder *recorder);
/* The turn ends after so many more instructions; 0: it does not. */
unsigned record_chaos_steps(struct recorder *recorder);
/* Its turn has ended so: it had better wait for long. */
void record_chaos_stepped(struct recorder *recorder);
/* Whose turn it is now, of those that are ready (there is one). */
struct thread *record_chaos_pick(struct recorder *recorder);
/* Keep the process waiting a little behind an event, so that others get ahead. */
void record_chaos_delay(struct recorder *recorder);

/* record_host.c: signals to reel. */
void record_prepare_signals(void);
/* Pass on what somebody has sent to reel since the last time. */
void record_forward_signals(struct session *session);
/* The program has been stopped; stop with it if the terminal did that. */
void record_stop_like_program(void);

/* record_sharing.c: a stop of a task that is not recorded; thread is the one that was recorded before, or
 * NULL. */
struct error *record_pass(struct session *session, const struct stop *stop, struct thread *thread);
/* Task `tid` runs code with these patches and is not recorded. */
struct error *record_add_sharer(struct lane *lane, pid_t tid, const struct insn_sites *sites);
struct sharer *record_find_sharer(const struct lane *lane, pid_t tid);
void record_drop_sharer(struct lane *lane, pid_t tid);
void record_sharing_deinit(struct lane *lane);

/* record_filter.c: seccomp filters of the program's own. */
/* recorder->thread, whose task is watched, is about to make a call that its filters see first. */
struct error *record_filter_entry(struct recorder *recorder);
/* They have let it through to reel's, or to a tracer of their own. *ret_made: the call is made, and its entry
 * to be dealt with; else the task has been resumed. */
struct error *record_filter_passed(struct recorder *recorder, const struct stop *stop, bool *ret_made);
/* They have answered it. */
struct error *record_filter_answered(struct recorder *recorder);
/* recorder->thread is gone. Was that the answer? Its entry is logged then. */
struct error *record_filter_killed(struct recorder *recorder, const struct stop *stop, bool *ret_killed);
/* A tick: a leader that was killed so is not reported before the last thread has ended. */
struct error *record_filter_tick(struct recorder *recorder);
/* The same of a task that is not recorded, at its seccomp stop. *ret_made as above. */
struct error *record_filter_pass(struct session *session, const struct stop *stop,
                                 struct user_regs_struct *regs, bool *ret_made);
/* The process of recorder->thread is recorded from here on. */
void record_filter_begin(struct recorder *recorder);

/* record_syscall.c: note the call that recorder->thread enters. *ret_foreign: it is none of x86-64, and the
 * recording has stopped. */
struct error *record_note_entry(struct recorder *recorder, bool *ret_foreign);

/* record_affinity.c: the thread that the program means by `tid` (0: the one that asks), as it is numbered in
 * its PID namespace; NULL: none that is recorded. */
struct thread *record_find_named(struct recorder *recorder, pid_t tid);
struct error *record_inherit_affinity(const struct thread *parent, struct thread *child);
/* The processor that the thread is told it runs on. */
uint32_t record_told_processor(const struct thread *thread, uint32_t processor);

/* record_untraced.c: children that should not be traced are, all the same. */
/* A task, recorded or not, enters a call with these registers. */
struct error *record_untraced_entry(struct session *session, struct task *task,
                                    const struct user_regs_struct *regs, enum untraced_outcome *ret);
/* STOP_NEW_TASK, before anybody else deals with it. */
struct error *record_untraced_born(struct session *session, const struct stop *stop);
/* The call of the task has returned. */
struct error *record_untraced_exit(struct session *session, struct task *task);
void record_untraced_deinit(struct lane *lane);

/* record_tree.c: processes that begin and end. */
/* Program and arguments of the process as they are now. */
void record_tree_describe(const struct process *process);
/* What a fork has copied and the recorder knows of. */
struct error *record_tree_copy(const struct process *from, struct process *to);
/* The last part of its program's path, for messages. */
const char *record_tree_name(const struct recorder *recorder);
/* The current call of the recorded parent has made task `tid`. */
struct error *record_tree_child(struct recorder *recorder, pid_t tid);
/* A stop of a recorder in RECORDER_STARTING. */
struct error *record_tree_start(struct recorder *recorder, const struct stop *stop);
/* A task that is not recorded (thread is NULL), or no longer, has become another program: it is recorded from
 * here on. Resumes it. */
struct error *record_tree_exec(struct session *session, const struct stop *stop, struct thread *thread);
/* The task, at the exit of an exec, has left the domain whose event number `event` tells of that: it is
 * recorded in one of its own. Resumes it. */
struct error *record_tree_left(struct session *session, struct task *task, pid_t parent, uint32_t domain,
                               uint64_t event);
/* Is this the first stop of a task that nobody has told of yet? Then it waits. */
struct error *record_tree_hold(struct session *session, const struct stop *stop, bool *ret_held);
/* The task `tid` is known now. *ret is its first stop, if that has come already (kind STOP_NONE: it has not).
 */
void record_tree_release(struct session *session, pid_t tid, struct stop *ret);
/* The task of this stop has ended: children that it has not told of are known all the same (in *ret, one at a
 * time; kind STOP_NONE: no more). */
struct error *record_tree_orphan(struct session *session, const struct stop *stop, struct thread *thread,
                                 struct stop *ret);
/* The next newborn that waits in vain (its parent is gone) goes its way, unrecorded. */
struct error *record_tree_tick(struct session *session);
/* Forget the domains whose processes have ended; note them for recording.json. */
struct error *record_tree_sweep(struct session *session);
void record_tree_deinit(struct lane *lane);

/* Append one event with the gathered effects, which are then cleared. A failure to write ends
 * the recording (recorder_stop()) and is no error. */
struct error *recorder_append(struct recorder *recorder, struct event *event);
/* The same for an EVENT_SYSCALL of the current call with this result. */
struct error *recorder_append_syscall(struct recorder *recorder, int64_t result, enum event_stream stream);

/* End the recording cleanly while the program goes on. The why is one clause for the user. */
void recorder_stop(struct recorder *recorder, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same because of err, which is freed; when it says that nothing more can be written, no further process
 * is recorded. */
void recorder_stop_error(struct recorder *recorder, struct error *err);
/* Does err say that? */
void recorder_note_error(struct session *session, const struct error *err);

/* Why a request about the task failed: ERROR_TASK_GONE instead of err when it has been killed meanwhile
 * (SIGKILL waits for nothing, and /proc then has nothing left to tell), else err. NULL stays NULL. */
struct error *recorder_cause(const struct recorder *recorder, struct error *err);

/* record_syscall.c: the task stands at the entry / exit of a call. Both resume it. */
struct error *record_entry(struct recorder *recorder);
struct error *record_exit(struct recorder *recorder);
/* Log a call that was made without these stops, from its registers at the entry and now. It stays stopped. */
struct error *record_taken(struct recorder *recorder, const struct user_regs_struct *entry,
                           const struct user_regs_struct *regs);
/* The exit of a call that was under way when the recording stopped: undo what the entry has changed. */
struct error *record_finish_call(struct recorder *recorder);
/* record_output.c: which of reel's outputs the current call has written to. */
enum event_stream record_output_stream(const struct recorder *recorder);

/* Forget the image that was taken at the entry of a vfork or exec. */
void record_drop_before(struct recorder *recorder);

/* record_signal.c */
struct error *record_signal(struct recorder *recorder, const struct stop *stop);
/* Cancel the call that the task is entering and deliver the first deferred signal that is not blocked
 * instead; *ret_done is false when there is none, and the call goes on. */
struct error *record_inject(struct recorder *recorder, bool *ret_done);
/* The exit stop of the cancelled call. */
struct error *record_injected(struct recorder *recorder);
/* The task stands where a delivered signal has taken it. Sets *ret_handled to false when the stop is another
 * signal. */
struct error *record_delivered(struct recorder *recorder, const struct stop *stop, bool *ret_handled);
/* Send deferred signals once more, to be delivered anywhere: the recording is over. */
void record_signal_release(struct recorder *recorder);
/* A tick has passed: interrupt the thread if its signals have waited for long enough. */
struct error *record_signal_tick(struct thread *thread);
/* The answer to that. Resumes the task. */
struct error *record_interrupted(struct recorder *recorder);
/* A new program begins: mask inherited, handlers gone. */
struct error *record_signal_reset(struct recorder *recorder);
/* A call has changed, or may have changed, the mask or SIGILL's action. */
struct error *record_signal_changed(struct recorder *recorder);
/* The task (recorder->thread's, or not recorded: recorder is NULL) stands at a signal. If that is a trapped
 * instruction of `sites`, imitate it; *ret_done says whether it was one. It is logged when the task is the
 * recorded one and the recording goes on. */
struct error *record_instruction(struct recorder *recorder, struct task *task, const struct insn_sites *sites,
                                 bool *ret_done);
/* At the exit of rt_sigreturn: when the kernel found no sound frame there, a SIGSEGV comes right here. */
struct error *record_bad_frame(struct recorder *recorder);
/* A signal stop of the program when the recording has stopped: what waits from then is delivered with its
 * siginfo. */
struct error *record_late_signal(struct thread *thread, struct task *task);

/* record_point.c */
/* The thread is stopped somewhere in its computation. Bring it, by a few instructions at the most and by one
 * at least if `moving`, to a place that a replay finds easily. *ret_settled is false when there is none: the
 * task is then stopped still if thread->task->stopped, and otherwise its next stop is to be waited for. */
struct error *record_settle(struct recorder *recorder, bool moving, bool *ret_settled);
/* The same, but bring it just so many instructions (from 1) further; or fewer: behind a locked one when
 * `chaos` says so. Nowhere, when there is a system call in the way. */
struct error *record_wander(struct recorder *recorder, unsigned steps, struct chaos *chaos,
                            bool *ret_settled);
/* Describe the place where it stands into thread->point. */
struct error *record_take_point(struct recorder *recorder);

/* record_signal.c: does the program ignore this signal? */
struct error *record_is_ignored(struct recorder *recorder, int signo, bool *ret);

/* Keep the memory image of the end, if asked for. */
struct error *record_end_memory(struct recorder *recorder);
/* The same at an exec that has happened, of what was taken at its entry. */
struct error *record_exec_memory(struct recorder *recorder);

/* The flags of the current call of the fork family, as clone(2) takes them. */
struct error *record_clone_flags(struct recorder *recorder, uint64_t *ret);

/* record_code.c */
void record_code_deinit(struct session *session);
/* Search code mapped from the file open at fd: [address, address + size) shows it from offset on. Patches it
 * and adds the patches to the effects. */
struct error *record_code(struct recorder *recorder, int fd, uint64_t address, uint64_t size,
                          uint64_t offset);
/* The task has seccomp filters: make the vdso's system calls traps, so that the filters do not see what they
 * would not see natively. The patches are added to effects (or not, NULL). */
struct error *record_guard_vdso(struct task *task, const struct insn_sites *sites, struct effects *effects);
/* Turn the vdso's functions into system calls. */
struct error *record_patch_vdso(struct recorder *recorder, const struct maps *maps);

/* record_map.c */
/* Begin segment `number`: patch the code, take the snapshot, open its log as recorder->log (NULL before). The
 * task stands at the exit of execve. On failure recorder->log is NULL still, and no file of the segment is
 * left. */
struct error *record_segment(struct recorder *recorder, uint32_t number);

/* The snapshot of a process that joins the domain, recorder->thread's. What has changed in mapped files is in
 * the effects. */
struct error *record_late_snapshot(struct recorder *recorder);

/* Files that the process has changed are stored anew by who maps them next: an exec, or a fork's copy. */
void record_forget_changing(struct recorder *recorder);

/* After a successful mmap of fd: store the file, log EVENT_FILE, add the effects for the mapping. */
struct error *record_mapped(struct recorder *recorder, uint64_t address, uint64_t size, int protection,
                            int flags, int fd, uint64_t offset);
/* After mprotect made memory executable. */
struct error *record_executable(struct recorder *recorder, uint64_t address, uint64_t size);
/* The mapping at address has grown (mremap): more of its file may be wanted. */
struct error *record_grown(struct recorder *recorder, uint64_t address, uint64_t size);
/* The program has written size bytes at offset to (or resized) a file: mappings of it follow. path is one
 * that reel can open, such as /proc/PID/fd/N. */
struct error *record_file_written(struct recorder *recorder, const char *path, uint64_t offset,
                                  uint64_t size);
/* record_shared.c: what the processes of the recording do to each other's memory ends the recording of who
 * suffers it. */
/* The process maps [offset, offset + size) of a file; writable: shared, and it may write there. */
struct error *record_shared_mapped(struct recorder *recorder, const struct stat *info, const char *path,
                                   uint64_t offset, uint64_t size, bool writable);
/* Another domain that has mapped the file, or NULL. */
struct recorder *record_shared_with(struct recorder *recorder, const struct stat *info);
/* It has written to a file with a call. */
struct error *record_shared_written(struct recorder *recorder, const struct stat *info, const char *path,
                                    uint64_t offset, uint64_t size);
/* It has attached a System V segment. */
struct error *record_shared_attached(struct recorder *recorder, uint64_t id);
/* How often the processes of the domain have it attached. */
unsigned record_shared_attachments(const struct recorder *recorder, uint64_t id);
/* It has written to the memory of process `pid`. */
void record_shared_poked(struct recorder *recorder, pid_t pid);
/* Is there a shared mapping that is writable, or could be made so (which a child process would share)? */
struct error *record_has_shared_memory(struct recorder *recorder, bool *ret);
/* Add EVENT_CHECK of the next piece of writable memory. */
struct error *record_check(struct recorder *recorder);

#endif
