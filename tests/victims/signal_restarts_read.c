/* A thread waits in read(2) most of the time, always at the same place, and signals come: calls are made
 * again behind handlers that ask for that and behind stops, and fail behind the others. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 60 };

static volatile sig_atomic_t restarted, interrupted;
static long failed;

static void on_signal(int signo) {
    *(signo == SIGUSR1 ? &restarted : &interrupted) += 1;
}

static void *reader(void *argument) {
    char byte;
    long total = 0, count = 0;
    for (;;) {
        errno = 0;
        ssize_t got = read(*(int *)argument, &byte, 1);
        if (got == 0)
            break;
        CHECK(got == 1 || errno == EINTR);
        failed += got != 1;
        total += got == 1 ? byte : 0;
        count += got == 1;
    }
    CHECK(total == 'x' * count);
    return (void *)count;
}

static void stop_and_go(void) {
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        kill(parent, SIGSTOP);
        usleep(1000);
        kill(parent, SIGCONT);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
}

int main(void) {
    int fds[2];
    pthread_t thread;
    void *count;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_flags = 0;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(pipe(fds) == 0 && pthread_create(&thread, NULL, reader, &fds[0]) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 5; i++)
            CHECK(write(fds[1], "x", 1) == 1);
        usleep(round % 3 * 200);
        CHECK(pthread_kill(thread, SIGUSR1) == 0);
        usleep(round % 3 * 200);
        if (round % 4 == 3)
            CHECK(pthread_kill(thread, SIGUSR2) == 0);
        if (round % 10 == 9)
            stop_and_go();
    }
    close(fds[1]);
    CHECK(pthread_join(thread, &count) == 0);
    CHECK((long)count == 5 * ROUNDS && restarted > 0 && interrupted > 0 && failed <= interrupted);
    printf("restarted %d interrupted %d failed %ld\n", (int)restarted, (int)interrupted, failed);
    return 0;
}
