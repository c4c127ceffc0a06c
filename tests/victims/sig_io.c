/* Signals that files send: SIGIO, one chosen by F_SETSIG with its data, of a message queue;
 * rt_tgsigqueueinfo. */
/* expect: exit 0 */
#include "victim.h"
#include <mqueue.h>
#include <signal.h>
#include <sys/socket.h>

static volatile int ios, queued, messages, band, fd_seen, value_seen;

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void)context;
    if (signo == SIGIO) {
        ios++;
    } else if (signo == SIGRTMIN + 1) {
        queued++;
        band = (int)info->si_band;
        fd_seen = info->si_fd;
    } else {
        messages += info->si_code == SI_MESGQ || info->si_code == SI_QUEUE;
        value_seen = info->si_value.sival_int;
    }
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    int pair[2];
    char byte = 0, name[64];
    CHECK(sigaction(SIGIO, &action, NULL) == 0 && sigaction(SIGRTMIN + 1, &action, NULL) == 0 &&
          sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    for (int i = 0; i < 5; i++) {
        CHECK(write(pair[1], "x", 1) == 1);
        while (ios <= i)
            ;
        CHECK(read(pair[0], &byte, 1) == 1);
    }
    CHECK(fcntl(pair[0], F_SETSIG, SIGRTMIN + 1) == 0);
    CHECK(write(pair[1], "y", 1) == 1 && read(pair[0], &byte, 1) == 1 && byte == 'y');
    printf("%d signals, fd %d, band %d\n", queued, fd_seen, band);
    CHECK(queued >= 1 && fd_seen == pair[0]);

    snprintf(name, sizeof(name), "/reel-victim-%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 8};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue >= 0) {
        struct sigevent event = {
            .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
        CHECK(mq_unlink(name) == 0 && mq_notify(queue, &event) == 0);
        CHECK(mq_send(queue, "hello", 5, 1) == 0);
        CHECK(messages == 1 && value_seen == 77);
    }
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_value.sival_int = 78;
    int before = messages;
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info) == 0);
    CHECK(messages == before + 1 && value_seen == 78);
    puts("done");
    return 0;
}
