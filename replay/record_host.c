/* record_host: signals that reach reel itself while it records: what is meant for the program is passed on,
 * what the terminal does to the job is done to reel as well. */
#include "replay/recorder_state.h"

#include <signal.h>
#include <unistd.h>

/* The terminal stops whole jobs, reel included. reel waits until the program has stopped, and then stops
 * itself: so the shell sees what it would have seen, and reel is there for as long as the program needs it. A
 * stop that was sent to the program alone leaves reel running. */
static volatile sig_atomic_t stopped_by_terminal;

static void on_terminal_stop(int signo) {
    (void)signo;
    stopped_by_terminal = 1;
}

void record_stop_like_program(void) {
    if (!stopped_by_terminal)
        return;
    stopped_by_terminal = 0;
    raise(SIGSTOP);
}

/* ---- signals to reel ----
 *
 * reel lives until the program has ended, whatever comes. What somebody sends to reel is meant for the
 * program and is passed on by the next tick. What the terminal sends, or the program itself to its process
 * group, the program gets anyway. */

struct received_signal {
    int signo;
    pid_t sender;
};
#define RECEIVED_MAX 64
static volatile struct received_signal received[RECEIVED_MAX];
static volatile sig_atomic_t received_count;

static void on_foreign_signal(int signo, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code > 0 || received_count >= RECEIVED_MAX) /* from the kernel: the terminal, limits */
        return;
    received[received_count].signo = signo;
    received[received_count].sender = info->si_pid;
    received_count = received_count + 1;
}

/* Signals stay blocked meanwhile, so that the list does not grow under our hands. */
void record_forward_signals(struct session *session) {
    sigset_t all, before;
    if (!received_count)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < received_count; i++)
        if (!session->over && !record_lane_traces(session, received[i].sender))
            kill(session->info.pid, received[i].signo);
    received_count = 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Those that reel must take itself: ticks, job control, faults of its own. */
static bool belongs_to_reel(int signo) {
    static const int own[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGCHLD, SIGCONT,
                              SIGPIPE, SIGXFSZ, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i] == signo)
            return true;
    return false;
}

void record_prepare_signals(void) {
    static const int stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction stop = {.sa_handler = on_terminal_stop};
    struct sigaction foreign = {.sa_sigaction = on_foreign_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&foreign.sa_mask);
    for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++)
        sigaction(stopping[i], &stop, NULL);
    for (int signo = 1; signo < NSIG; signo++)
        if (!belongs_to_reel(signo))
            sigaction(signo, &foreign, NULL); /* fails for the two that libc keeps to itself */
    trace_without_signals();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}
